//! `LimitStep`.

use async_graphql::{Enum, ID, Object};
use canopy_domain::limits;

use super::rule_version::RuleVersion;
use crate::scalars::int;

/// Where a bound comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "limits::LimitSource")]
pub(crate) enum LimitSource {
    /// The rule of the account's plan.
    PlanRule,
    /// The limits rule that is live at the account.
    LiveRule,
    /// The account's parent set it.
    SetByParent,
}

/// One bound.
pub(crate) struct LimitStep(limits::LimitStep);

impl From<limits::LimitStep> for LimitStep {
    fn from(step: limits::LimitStep) -> Self {
        Self(step)
    }
}

impl LimitStep {
    fn asked(&self) -> Option<&limits::LimitAsked> {
        self.0.asked.as_deref()
    }
}

/// One bound on a path. `rule`, `input`, `output`, `logs` and `note` are null unless a rule is behind it, the account
/// is in the caller's scope and the caller may see the rule.
#[Object]
impl LimitStep {
    /// Where the bound comes from.
    async fn source(&self) -> LimitSource {
        self.0.source.into()
    }

    /// Id of the account whose plan, rule or limit it is; null if it is out of the caller's scope.
    async fn account(&self) -> Option<ID> {
        self.0.account_id.as_ref().map(|id| ID(id.to_string()))
    }

    /// Whether this is the bound that holds. Of equal ones the topmost does.
    async fn decides(&self) -> bool {
        self.0.decides
    }

    /// The highest count; null means unlimited.
    async fn max(&self) -> Option<i32> {
        self.0.max.map(int)
    }

    /// The rule's own words for it.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// The rule.
    async fn rule(&self) -> Option<RuleVersion> {
        self.0.rule.clone().map(RuleVersion::from)
    }

    /// What the rule is asked about the account, as it is now: JSON text.
    async fn input(&self) -> Option<&str> {
        self.asked()?.input.as_deref()
    }

    /// What the rule answers about all resources: JSON text. Null if it gives no answer now.
    async fn output(&self) -> Option<&str> {
        self.asked()?.output.as_deref()
    }

    /// What the rule logs meanwhile.
    async fn logs(&self) -> Option<&[String]> {
        Some(&self.asked()?.logs)
    }

    /// Why the rule gives no answer now, in a sentence.
    async fn note(&self) -> Option<&str> {
        self.asked()?.note.as_deref()
    }
}
