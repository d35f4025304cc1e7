//! `AccountStatus`.

use async_graphql::Enum;
use canopy_domain::entity::account;

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "account::AccountStatus")]
pub(crate) enum AccountStatus {
    /// In use.
    Active,
    /// Readable, but nothing in it or below it may be changed or used.
    Suspended,
    /// Gone from its parent's lists; its history stays, and it can be made active again.
    Closed,
}
