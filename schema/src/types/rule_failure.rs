//! `RuleFailure`.

use async_graphql::{ID, Object};
use canopy_domain::entity::rule_failure;

use crate::scalars::{DateTime, Json};

/// Something that a rule version failed on.
#[derive(Clone)]
pub(crate) struct RuleFailure(rule_failure::Model);

impl From<rule_failure::Model> for RuleFailure {
    fn from(row: rule_failure::Model) -> Self {
        Self(row)
    }
}

/// Something that a rule version failed on. The same usage is told once, however often it is tried. The last 100 of
/// a version are kept.
#[Object]
impl RuleFailure {
    /// The id, with the prefix `rfl_`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Id of the account at whose edge the rule was called.
    async fn account(&self) -> ID {
        ID(self.0.account_id.to_string())
    }

    /// What went wrong, for programs: "trap", "out_of_fuel", "timeout", "below_cost", "refused" and others.
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// What went wrong, as a sentence.
    async fn message(&self) -> &str {
        &self.0.message
    }

    /// What the rule had logged until then.
    async fn logs(&self) -> Vec<String> {
        serde_json::from_value(self.0.logs.clone()).unwrap_or_default()
    }

    /// What the rule was given; null if it was too large to keep.
    async fn input(&self) -> Option<Json> {
        self.0.input.clone().map(Json)
    }

    /// Whether it counts towards a quarantine. That a rule says it has no answer does not.
    async fn counted(&self) -> bool {
        self.0.counted
    }

    /// When.
    async fn failed_at(&self) -> DateTime {
        self.0.failed_at.into()
    }
}
