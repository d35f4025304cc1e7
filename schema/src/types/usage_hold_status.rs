//! `UsageHoldStatus`.

use async_graphql::Enum;
use canopy_domain::entity::usage_hold;

/// How a hold stands. What is not HELD any more stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "usage_hold::HoldStatus")]
pub(crate) enum UsageHoldStatus {
    /// The credits are held, and may be charged.
    Held,
    /// Usage was charged; what it did not cost went back.
    Settled,
    /// It was given up, and everything went back.
    Voided,
    /// Its time passed, and everything goes back.
    Expired,
}
