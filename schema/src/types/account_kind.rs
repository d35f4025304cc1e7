//! `AccountKind`.

use async_graphql::Enum;
use canopy_domain::entity::account;

/// Where an account stands in the chain of sellers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "account::AccountKind")]
pub(crate) enum AccountKind {
    /// The root that sells to main accounts.
    Platform,
    /// A reseller or customer with its own billing.
    Main,
    /// A client below a main account, at any depth.
    Subaccount,
}
