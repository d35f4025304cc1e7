//! Limits: what the rule of a plan says, what a parent sets, and how both narrow down the path.

mod ask;
mod count;
mod evaluate;
mod narrow;
mod set;
mod terms;

use std::collections::HashMap;
use std::sync::Arc;

use canopy_entity::{AccountId, Level, PermissionKey, RuleVersionId};

use crate::rules::RuleVersionView;
use crate::{AccountView, Actor, Domain, Error, Result};

pub(crate) use ask::LimitsAnswers;
pub(crate) use count::{Counted, DEPTH};
pub(crate) use evaluate::Chains;
pub use evaluate::LimitSteps;
pub(crate) use terms::{Recency, RememberedTerms};

/// What decided a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitDecider {
    /// A limits rule: of the plan of this account, or one that is live at it.
    Rule {
        /// Whose plan or rule.
        account_id: AccountId,
        /// The rule version.
        rule_version_id: RuleVersionId,
        /// SHA-256 of its wasm, in hex.
        rule_digest: String,
    },
    /// A limit that was set on this account by its parent.
    Account {
        /// The limited account.
        account_id: AccountId,
    },
}

impl LimitDecider {
    /// The account whose plan, rule or limit it is: the limited one, or one above it.
    pub fn account_id(&self) -> &AccountId {
        match self {
            LimitDecider::Rule { account_id, .. } | LimitDecider::Account { account_id } => account_id,
        }
    }
}

/// What kind of source a bound has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSource {
    /// The rule of the account's plan.
    PlanRule,
    /// The limits rule that is live at the account.
    LiveRule,
    /// The account's parent set it.
    SetByParent,
}

/// One bound on a path, as far as the actor may see it.
#[derive(Debug, Clone)]
pub struct LimitStep {
    /// Where the bound comes from.
    pub source: LimitSource,
    /// The bounded account; none if it is out of scope.
    pub account_id: Option<AccountId>,
    /// Whether this is the bound that holds.
    pub decides: bool,
    /// The bound; none means unlimited.
    pub max: Option<u64>,
    /// The rule's own words; none if the account is out of scope.
    pub reason: Option<String>,
    /// The rule; none if there is none, or if the actor may not see it.
    pub rule: Option<RuleVersionView>,
    /// What the rule was asked; none as above.
    pub asked: Option<Arc<LimitAsked>>,
}

/// A limits rule that was asked again.
#[derive(Debug, Clone)]
pub struct LimitAsked {
    /// What it was asked: JSON; none if nothing was left to ask it with.
    pub input: Option<String>,
    /// What it answered: JSON; none if it gave no answer now.
    pub output: Option<String>,
    /// What it logged.
    pub logs: Vec<String>,
    /// Why it gave no answer.
    pub note: Option<String>,
}

/// How much of one resource an account may have, and has.
#[derive(Debug, Clone)]
pub struct ResourceLimit {
    /// The resource: `depth`, `subaccounts`, `members`, `api_keys`, or what else the rule names.
    pub resource: Arc<str>,
    /// The highest count; none means unlimited.
    pub max: Option<u64>,
    /// The present count; for `depth` the account's own level, and 0 for what Canopy does not count yet.
    pub used: u64,
    /// What decided it.
    pub decided_by: Arc<LimitDecider>,
    /// The rule's own words; none if the deciding account is out of scope.
    pub reason: Option<Arc<str>>,
}

impl ResourceLimit {
    /// `Error::LimitExceeded` unless there is room for one more beside `used`.
    pub(crate) fn require_room(&self, used: u64) -> Result<()> {
        let Some(max) = self.max.filter(|max| used >= *max) else {
            return Ok(());
        };
        let what = self.resource.replace('_', " ");
        let because = self
            .reason
            .as_deref()
            .map(|reason| format!(" {reason}"))
            .unwrap_or_default();
        let message = if *self.resource == *DEPTH {
            format!(
                "Below this account nothing may be deeper than level {max}.{because} Another plan may allow more."
            )
        } else {
            format!(
                "This account may have {max} {what} and has {used}.{because} Another plan may allow more."
            )
        };
        Err(Error::LimitExceeded {
            resource: self.resource.to_string(),
            message,
        })
    }
}

impl Domain {
    /// The limits of each account, sorted by resource; empty for a platform without a plan. An account without
    /// `SETTINGS` READ is missing from the answer; one on whose path a rule fails has `Error::RuleFailed`.
    pub async fn limits(
        &self,
        actor: &Actor,
        accounts: &[AccountView],
    ) -> Result<HashMap<AccountId, Result<Vec<ResourceLimit>>>> {
        let visible: Vec<&AccountView> = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Settings, Level::Read))
            .collect();
        let chains = self
            .evaluate_limits(visible.iter().map(|account| account.path()), Recency::Remembered)
            .await?;
        Ok(chains.limits_of_all(visible.into_iter(), actor.scope()))
    }
}
