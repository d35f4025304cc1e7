//! `PriceStep`.

use async_graphql::Object;
use canopy_domain::receipts::{self, Replayed};

use super::rating::Rating;
use super::replay::Replay;
use super::rule_version::RuleVersion;

/// What one seller charged.
pub(crate) struct PriceStep(receipts::PriceStep);

impl From<receipts::PriceStep> for PriceStep {
    fn from(step: receipts::PriceStep) -> Self {
        Self(step)
    }
}

impl PriceStep {
    fn replayed(&self) -> Option<&Replayed> {
        self.0.replayed.as_deref()
    }
}

/// What one seller of a chain charged, and how its rule came to it. `input`, `output`, `reason`, `logs`, `replay` and
/// `note` are null unless the seller is in the caller's scope and, if a rule priced it, the caller may see that rule.
#[Object]
impl PriceStep {
    /// The price with its receipt: digests, engine, fuel and line items.
    async fn rating(&self) -> Rating {
        self.0.rating.clone().into()
    }

    /// The rule that priced it; null if the seller passed its cost on, or if the caller may not see the rule.
    async fn rule(&self) -> Option<RuleVersion> {
        self.0.rule.clone().map(RuleVersion::from)
    }

    /// What the rule was asked: the JSON text of an input of one line, whose SHA-256 is the rating's inputDigest.
    async fn input(&self) -> Option<&str> {
        self.replayed()?.input.as_deref()
    }

    /// What the rule answered when it was charged: the JSON text whose SHA-256 is the rating's outputDigest. Null
    /// if what is stored is not that answer.
    async fn output(&self) -> Option<&str> {
        self.replayed()?.output.as_deref()
    }

    /// Why this price, in the rule's own words, if it gave a reason.
    async fn reason(&self) -> Option<&str> {
        self.replayed()?.reason.as_deref()
    }

    /// What the rule logs on this input: it was run again for this answer.
    async fn logs(&self) -> Option<&[String]> {
        Some(&self.replayed()?.logs)
    }

    /// Whether the rule, asked again, answers what was charged. A price without a rule is EQUAL if it is the cost.
    async fn replay(&self) -> Option<Replay> {
        Some(self.replayed()?.replay.into())
    }

    /// Why it is not EQUAL, in a sentence.
    async fn note(&self) -> Option<&str> {
        self.replayed()?.note.as_deref()
    }
}
