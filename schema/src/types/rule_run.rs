//! `RuleRun`.

use async_graphql::Object;
use canopy_domain::receipts::{self, Replayed};

use super::rating::Rating;
use super::replay::Replay;
use super::rule_failure::RuleFailure;
use crate::scalars::DateTime;

/// A call of a rule.
pub(crate) struct RuleRun(receipts::RuleRun);

impl From<receipts::RuleRun> for RuleRun {
    fn from(run: receipts::RuleRun) -> Self {
        Self(run)
    }
}

impl RuleRun {
    fn replayed(&self) -> Option<&Replayed> {
        match &self.0 {
            receipts::RuleRun::Priced(step) => step.replayed.as_deref(),
            receipts::RuleRun::Failed(_) => None,
        }
    }
}

/// A call of a rule: one that priced something, or one that failed.
#[Object]
impl RuleRun {
    /// When.
    async fn at(&self) -> DateTime {
        self.0.at().into()
    }

    /// What it priced; null if it failed.
    async fn rating(&self) -> Option<Rating> {
        match &self.0 {
            receipts::RuleRun::Priced(step) => Some(step.rating.clone().into()),
            receipts::RuleRun::Failed(_) => None,
        }
    }

    /// How it failed; null if it did not.
    async fn failure(&self) -> Option<RuleFailure> {
        match &self.0 {
            receipts::RuleRun::Priced(_) => None,
            receipts::RuleRun::Failed(failure) => Some((**failure).clone().into()),
        }
    }

    /// What it was asked, as JSON text: for a rating the input of its one line; for a failure the whole input, null if
    /// that was too large to keep.
    async fn input(&self) -> Option<String> {
        match &self.0 {
            receipts::RuleRun::Priced(step) => step.replayed.as_ref()?.input.clone(),
            receipts::RuleRun::Failed(failure) => Some(failure.input.as_ref()?.to_string()),
        }
    }

    /// What it answered, as JSON text; null if it failed.
    async fn output(&self) -> Option<&str> {
        self.replayed()?.output.as_deref()
    }

    /// What it logged: when it failed; or, for a rating, now that it was run again for this answer.
    async fn logs(&self) -> Vec<String> {
        match &self.0 {
            receipts::RuleRun::Priced(step) => match &step.replayed {
                Some(replayed) => replayed.logs.clone(),
                None => Vec::new(),
            },
            receipts::RuleRun::Failed(failure) => {
                serde_json::from_value(failure.logs.clone()).unwrap_or_default()
            }
        }
    }

    /// Whether the rule, asked again, answers what was charged; null if it failed.
    async fn replay(&self) -> Option<Replay> {
        Some(self.replayed()?.replay.into())
    }

    /// Why `replay` is not EQUAL, in a sentence.
    async fn note(&self) -> Option<&str> {
        self.replayed()?.note.as_deref()
    }
}
