//! `BillingMode`.

use async_graphql::Enum;
use canopy_domain::entity::account;

/// Who pays for an account's usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "account::BillingMode")]
pub(crate) enum BillingMode {
    /// The account itself, from its own credits.
    Own,
    /// Its parent, which rebills it.
    Parent,
}
