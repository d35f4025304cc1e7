//! `RatingStatus`.

use async_graphql::Enum;
use canopy_domain::entity::usage_event;

/// Whether a usage event has its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "usage_event::RatingStatus")]
pub(crate) enum RatingStatus {
    /// A rule failed, or no seller above has one. It is tried again; the price is unknown, not zero.
    Pending,
    /// It has its price.
    Rated,
    /// It was taken out again before it had its price, and gets none.
    Voided,
}
