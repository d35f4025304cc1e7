//! `LimitDecider`.

use async_graphql::{Context, Enum, ID, Object};
use canopy_domain::{AccountView, limits};

use super::visibility::if_in_scope;
use crate::session::Session;

/// What kind of fact decided a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum LimitDeciderKind {
    /// The limits rule of an account's plan.
    Rule,
    /// A limit that a parent set on its subaccount.
    Account,
}

/// What decided a limit.
pub(crate) struct LimitDecider {
    account: AccountView,
    decider: limits::LimitDecider,
}

impl LimitDecider {
    /// What decided a limit of `account`.
    pub(super) fn new(account: AccountView, decider: limits::LimitDecider) -> Self {
        Self { account, decider }
    }

    fn visible_account(&self, ctx: &Context<'_>) -> Option<ID> {
        let caller = Session::caller(ctx).ok()?;
        let decider = self.decider.account_id();
        if_in_scope(decider, self.account.path(), caller.actor().scope())
    }
}

/// What decided the limit of a resource.
#[Object]
impl LimitDecider {
    /// Which kind of fact.
    async fn kind(&self) -> LimitDeciderKind {
        match self.decider {
            limits::LimitDecider::Rule { .. } => LimitDeciderKind::Rule,
            limits::LimitDecider::Account { .. } => LimitDeciderKind::Account,
        }
    }

    /// Id of the account whose plan or whose own limit decided; null if it is out of the caller's scope.
    async fn account(&self, ctx: &Context<'_>) -> Option<ID> {
        self.visible_account(ctx)
    }

    /// Id of the rule version, if a rule decided; null if the account is out of the caller's scope.
    async fn rule_version(&self, ctx: &Context<'_>) -> Option<ID> {
        self.visible_account(ctx)?;
        match &self.decider {
            limits::LimitDecider::Rule { rule_version_id, .. } => Some(ID(rule_version_id.to_string())),
            limits::LimitDecider::Account { .. } => None,
        }
    }

    /// SHA-256 of the rule's wasm in hexadecimal, if a rule decided; null if the account is out of the caller's
    /// scope.
    async fn rule_digest(&self, ctx: &Context<'_>) -> Option<&str> {
        self.visible_account(ctx)?;
        match &self.decider {
            limits::LimitDecider::Rule { rule_digest, .. } => Some(rule_digest),
            limits::LimitDecider::Account { .. } => None,
        }
    }
}
