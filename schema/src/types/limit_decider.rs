//! `LimitDecider`.

use async_graphql::{Context, Enum, ID, Object};
use canopy_domain::entity::{AccountId, RuleVersionId, Scope};
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

impl LimitDeciderKind {
    /// Which kind of fact it is.
    pub(crate) fn of(decider: &limits::LimitDecider) -> Self {
        match decider {
            limits::LimitDecider::Rule { .. } => Self::Rule,
            limits::LimitDecider::Account { .. } => Self::Account,
        }
    }
}

/// The account whose plan, rule or limit decided about `account`, if it is in `scope`.
pub(crate) fn visible_account<'d>(
    decider: &'d limits::LimitDecider,
    account: &AccountView,
    scope: &Scope,
) -> Option<&'d AccountId> {
    if_in_scope(decider.account_id(), account.path(), scope)
}

/// The rule version and the digest of its wasm, if a rule decided.
pub(crate) fn deciding_rule(decider: &limits::LimitDecider) -> Option<(&RuleVersionId, &str)> {
    match decider {
        limits::LimitDecider::Rule {
            rule_version_id,
            rule_digest,
            ..
        } => Some((rule_version_id, rule_digest)),
        limits::LimitDecider::Account { .. } => None,
    }
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
        let id = visible_account(&self.decider, &self.account, caller.actor().scope())?;
        Some(ID(id.to_string()))
    }
}

/// What decided the limit of a resource.
#[Object]
impl LimitDecider {
    /// Which kind of fact.
    async fn kind(&self) -> LimitDeciderKind {
        LimitDeciderKind::of(&self.decider)
    }

    /// Id of the account whose plan or whose own limit decided; null if it is out of the caller's scope.
    async fn account(&self, ctx: &Context<'_>) -> Option<ID> {
        self.visible_account(ctx)
    }

    /// Id of the rule version, if a rule decided; null if the account is out of the caller's scope.
    async fn rule_version(&self, ctx: &Context<'_>) -> Option<ID> {
        self.visible_account(ctx)?;
        let (id, _) = deciding_rule(&self.decider)?;
        Some(ID(id.to_string()))
    }

    /// SHA-256 of the rule's wasm in hexadecimal, if a rule decided; null if the account is out of the caller's
    /// scope.
    async fn rule_digest(&self, ctx: &Context<'_>) -> Option<&str> {
        self.visible_account(ctx)?;
        deciding_rule(&self.decider).map(|(_, digest)| digest)
    }
}
