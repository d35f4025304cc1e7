//! `Replay`.

use async_graphql::Enum;
use canopy_domain::receipts;

/// What came of running a receipt again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "receipts::Replay")]
pub(crate) enum Replay {
    /// The question has the receipt's digest, and the rule gives the answer that was charged, byte for byte.
    Equal,
    /// Something is not as the receipt says; `note` tells what.
    Different,
    /// It could not be run at the moment; `note` tells why.
    Unavailable,
}
