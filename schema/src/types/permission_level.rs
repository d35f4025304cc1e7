//! `PermissionLevel`.

use async_graphql::Enum;
use canopy_domain::entity;

/// How far a permission reaches. The order is NONE < READ = LIMITED < FULL; no key allows both READ and
/// LIMITED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::Level")]
pub(crate) enum PermissionLevel {
    /// Nothing.
    None,
    /// See it.
    Read,
    /// A part of it, as the keys below the umbrella say. Only ACCOUNT allows it.
    Limited,
    /// See and change it.
    Full,
}
