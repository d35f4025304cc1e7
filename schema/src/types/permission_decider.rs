//! `PermissionDecider`.

use async_graphql::{Context, Enum, ID, Object};
use canopy_domain::AccountView;
use canopy_domain::entity::{self, AccountId, Scope};
use canopy_domain::permissions::Decider;

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

impl PermissionDeciderKind {
    /// Which kind of fact it is.
    pub(crate) fn of(decider: &Decider) -> Self {
        match decider {
            Decider::Role { .. } => Self::Role,
            Decider::ApiKey { .. } => Self::ApiKey,
            Decider::Account { .. } => Self::Account,
        }
    }
}

/// The account where what decided about `account` is, if it is in `scope`.
pub(crate) fn visible_account<'d>(
    decider: &'d Decider,
    account: &AccountView,
    scope: &Scope,
) -> Option<&'d AccountId> {
    let (Decider::Role { account_id, .. }
    | Decider::ApiKey { account_id }
    | Decider::Account { account_id, .. }) = decider;
    if_in_scope(account_id, account.path(), scope)
}

/// The key that was restricted where `key` was decided about.
pub(crate) fn restricted_key(decider: &Decider, key: entity::PermissionKey) -> PermissionKey {
    match decider {
        Decider::Account { key, .. } => (*key).into(),
        Decider::Role { .. } | Decider::ApiKey { .. } => key.into(),
    }
}

/// The role, if a role decided.
pub(crate) fn deciding_role(decider: &Decider) -> Option<Role> {
    match decider {
        Decider::Role { role, .. } => Some((*role).into()),
        Decider::ApiKey { .. } | Decider::Account { .. } => None,
    }
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
        PermissionDeciderKind::of(&self.decider)
    }

    /// Id of the account where the membership, the API key or the restriction is; null if it is out of the
    /// caller's scope.
    async fn account(&self, ctx: &Context<'_>) -> Option<ID> {
        let caller = Session::caller(ctx).ok()?;
        let id = visible_account(&self.decider, &self.account, caller.actor().scope())?;
        Some(ID(id.to_string()))
    }

    /// The key that was restricted: the permission's own, or its umbrella.
    async fn key(&self) -> PermissionKey {
        restricted_key(&self.decider, self.key)
    }

    /// The role, if a role decided.
    async fn role(&self) -> Option<Role> {
        deciding_role(&self.decider)
    }
}
