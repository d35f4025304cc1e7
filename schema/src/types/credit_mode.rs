//! `CreditMode`.

use async_graphql::Enum;
use canopy_domain::entity::account;

/// Which credits pay for a subaccount's usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "account::CreditMode")]
pub(crate) enum CreditMode {
    /// Those that its parent allocated, then the parent's.
    Manual,
    /// Those that it purchased, then those that its parent allocated, then the parent's.
    Reselling,
}
