//! `PermissionDecider`.

use async_graphql::{Context, Enum, ID, Object};
use canopy_domain::permissions::Decider;
use canopy_domain::{AccountView, entity};

use super::permission_key::PermissionKey;
use super::role::Role;
use super::visibility::if_in_scope;
use crate::session::Session;

/// What kind of fact decided a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum PermissionDeciderKind {
    /// The role of a membership.
    Role,
    /// The levels of an API key.
    ApiKey,
    /// A restriction that was set on an account.
    Account,
}

/// What decided a permission.
pub(crate) struct PermissionDecider {
    account: AccountView,
    key: entity::PermissionKey,
    decider: Decider,
}

impl PermissionDecider {
    /// What decided `key` in `account`.
    pub(super) fn new(account: AccountView, key: entity::PermissionKey, decider: Decider) -> Self {
        Self {
            account,
            key,
            decider,
        }
    }
}

/// What decided the level of a permission.
#[Object]
impl PermissionDecider {
    /// Which kind of fact.
    async fn kind(&self) -> PermissionDeciderKind {
        match self.decider {
            Decider::Role { .. } => PermissionDeciderKind::Role,
            Decider::ApiKey { .. } => PermissionDeciderKind::ApiKey,
            Decider::Account { .. } => PermissionDeciderKind::Account,
        }
    }

    /// Id of the account where the membership, the API key or the restriction is; null if it is out of the
    /// caller's scope.
    async fn account(&self, ctx: &Context<'_>) -> Option<ID> {
        let (Decider::Role { account_id, .. }
        | Decider::ApiKey { account_id }
        | Decider::Account { account_id, .. }) = &self.decider;
        let caller = Session::caller(ctx).ok()?;
        if_in_scope(account_id, self.account.path(), caller.actor().scope())
    }

    /// The key that was restricted: the permission's own, or its umbrella.
    async fn key(&self) -> PermissionKey {
        match self.decider {
            Decider::Account { key, .. } => key.into(),
            Decider::Role { .. } | Decider::ApiKey { .. } => self.key.into(),
        }
    }

    /// The role, if a role decided.
    async fn role(&self) -> Option<Role> {
        match self.decider {
            Decider::Role { role, .. } => Some(role.into()),
            Decider::ApiKey { .. } | Decider::Account { .. } => None,
        }
    }
}
