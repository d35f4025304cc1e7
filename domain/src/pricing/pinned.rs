//! Pricing again as it was quoted: by the versions that were asked then, from what they were told then, whatever has become
//! of rules, plans and usage since. Only the quantity is another.

use std::sync::Arc;

use canopy_entity::rule_version::{self, FailurePolicy, RuleStatus};
use canopy_entity::{AccountId, PlanId};
use canopy_rules_host::PeriodTotals;

use super::{Facts, Line, Outcome, Totals};
use crate::rules::{Failed, LiveRule};
use crate::{Domain, Error, Result};

/// What an edge was priced from.
#[derive(Debug, Clone)]
pub(crate) struct Pin {
    pub(crate) seller: AccountId,
    pub(crate) buyer: AccountId,
    /// The version that was asked; none if the seller passed its cost on.
    pub(crate) version: Option<rule_version::Model>,
    /// What it was told of the buyer.
    pub(crate) buyer_plan: Option<PlanId>,
    pub(crate) period: PeriodTotals,
}

impl Domain {
    /// Prices `line` by the versions of `pins`, the edges of its chain from the top down. A version that fails is told to
    /// its owner and does not come closer to a quarantine: it need not be live any more.
    pub(crate) async fn rate_pinned(&self, facts: &Facts, line: Line<'_>, pins: &[Pin]) -> Result<Outcome> {
        let facts = facts.pinned(pins);
        let totals = Totals::pinned(&line, pins);
        let (mut outcomes, failed) = self.prices(&facts, &[line], totals).await?;
        let uncounted = failed.into_iter().map(|failed| Failed {
            counted: false,
            ..failed
        });
        self.note_failures(uncounted.collect()).await;
        outcomes
            .pop()
            .ok_or_else(|| Error::internal("a line without an outcome"))
    }
}

impl Facts {
    /// The same accounts with the rules and plans of `pins`. There is nothing to stand in for a rule: another would have
    /// another price.
    fn pinned(&self, pins: &[Pin]) -> Self {
        let mut facts = self.clone();
        facts.rules = pins.iter().filter_map(Pin::rule).collect();
        for pin in pins {
            if let Some(buyer) = facts.accounts.get_mut(&pin.buyer) {
                Arc::make_mut(buyer).plan_id = pin.buyer_plan.clone();
            }
        }
        facts
    }
}

impl Pin {
    fn rule(&self) -> Option<(AccountId, Arc<LiveRule>)> {
        let version = rule_version::Model {
            status: RuleStatus::Active,
            failure_policy: FailurePolicy::Deny,
            ..self.version.clone()?
        };
        Some((self.seller.clone(), Arc::new(LiveRule::alone(version))))
    }
}
