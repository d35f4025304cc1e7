//! `Role`.

use async_graphql::Enum;
use canopy_domain::entity;

/// What somebody is in an account. An account may narrow what a role allows; see PermissionSet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::Role")]
pub(crate) enum Role {
    /// Everything; the creator of an account.
    Owner,
    /// Everything.
    Admin,
    /// Everything but billing and usage.
    AgencyAdmin,
    /// Works in the account: everything but billing and usage, reads the account's own administration,
    /// deletes nothing.
    Member,
    /// Reads everything but billing and usage.
    Viewer,
}
