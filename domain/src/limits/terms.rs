//! What decides about limits and seldom changes: plans with the rules that read them, and the rules that are live.
//!
//! A read takes them from memory as long as this process is told of no change. Who decides about a write reads them
//! again. That the relay tells of changes is seen to by those who remember actors, who always listen.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use canopy_entity::rule_version::{self, FailurePolicy, RuleKind};
use canopy_entity::{AccountId, PlanId, RuleVersionId, plan};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use sha2::{Digest, Sha256};

use crate::memory::Memory;
use crate::plans::Meters;
use crate::rules::{LiveRule, active_rules};
use crate::{Domain, Error, Result};

/// How many bytes of plans and of live rules are remembered, each.
const REMEMBERED: u64 = 8 << 20;
/// About what a row takes beside its configuration.
const ROW: usize = 1_024;

/// Where what seldom changes may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recency {
    /// From the database: something is decided that is written.
    Fresh,
    /// From memory, if it was read a moment ago and nobody told of a change.
    Remembered,
}

/// A rule version with what it is configured with, as it is asked.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) version: rule_version::Model,
    /// JSON.
    pub(super) configuration: String,
    /// What tells its answers from those of any other.
    pub(super) mark: [u8; 32],
}

impl Configured {
    pub(super) fn new(version: rule_version::Model, configuration: &serde_json::Value) -> Self {
        let configuration = configuration.to_string();
        let mark = Sha256::new()
            .chain_update(version.id.as_str())
            .chain_update([0])
            .chain_update(&version.digest)
            .chain_update([0])
            .chain_update(&configuration)
            .finalize()
            .into();
        Self {
            version,
            configuration,
            mark,
        }
    }

    /// With the configuration that it was uploaded with.
    fn of_its_own(version: rule_version::Model) -> Self {
        let configuration = version.configuration.clone();
        Self::new(version, &configuration)
    }

    fn bytes(&self) -> usize {
        // As text and, several times as large, as a value.
        ROW + 6 * self.configuration.len()
    }
}

/// A plan and its limits rule.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) plan: Arc<plan::Model>,
    pub(crate) meters: Arc<Meters>,
    pub(super) rule: Configured,
}

/// The limits rule that is live at an account, and what may stand in for it.
#[derive(Debug)]
pub(super) struct LiveLimits {
    pub(super) rule: Configured,
    pub(super) last_good: Option<Configured>,
    is_called: bool,
}

impl LiveLimits {
    fn new(live: LiveRule) -> Self {
        Self {
            is_called: live.called().is_some(),
            rule: Configured::of_its_own(live.version),
            last_good: live.last_good.map(Configured::of_its_own),
        }
    }

    /// The rule, unless it is in quarantine.
    pub(super) fn called(&self) -> Option<&Configured> {
        self.is_called.then_some(&self.rule)
    }

    /// What happens when it fails.
    pub(super) fn policy(&self) -> FailurePolicy {
        self.rule.version.failure_policy
    }

    fn bytes(&self) -> usize {
        self.rule.bytes() + self.last_good.as_ref().map_or(0, Configured::bytes)
    }
}

/// Plans and live rules that were read lately.
pub(crate) struct RememberedTerms {
    plans: Memory<PlanId, Arc<Terms>>,
    /// None for an account without a live rule, as most are.
    live: Memory<AccountId, Option<Arc<LiveLimits>>>,
}

impl RememberedTerms {
    /// Remembers each for so long at most; nothing for zero.
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self {
            plans: Memory::new("plan", REMEMBERED, lifetime),
            live: Memory::new("live limits rule", REMEMBERED, lifetime),
        }
    }
}

/// What is found by its key in memory, and the keys of the others.
fn split<K: Clone + Eq + std::hash::Hash, V: Clone>(
    keys: impl ExactSizeIterator<Item = K>,
    recency: Recency,
    memory: &Memory<K, V>,
    version: u64,
) -> (HashMap<K, V>, Vec<K>) {
    let mut found = HashMap::with_capacity(keys.len());
    let mut missing = Vec::new();
    for key in keys {
        let known = match recency {
            Recency::Fresh => None,
            Recency::Remembered => memory.get(&key, version),
        };
        match known {
            Some(value) => drop(found.insert(key, value)),
            None => missing.push(key),
        }
    }
    (found, missing)
}

impl Domain {
    /// The terms of these plans; those that there are not are missing from the answer.
    pub(crate) async fn terms(
        &self,
        plans: HashSet<PlanId>,
        recency: Recency,
    ) -> Result<HashMap<PlanId, Arc<Terms>>> {
        let memory = &self.0.terms.plans;
        let version = self.0.hub.terms_version();
        let (mut found, missing) = split(plans.into_iter(), recency, memory, version);
        if missing.is_empty() {
            return Ok(found);
        }
        let db = &self.0.db;
        let plans = plan::Entity::find()
            .filter(plan::Column::Id.is_in(missing))
            .all(db)
            .await?;
        let rules: HashSet<RuleVersionId> = plans
            .iter()
            .map(|plan| plan.limits_rule_version_id.clone())
            .collect();
        let rules: HashMap<RuleVersionId, rule_version::Model> = rule_version::Entity::find()
            .filter(rule_version::Column::Id.is_in(rules))
            .all(db)
            .await?
            .into_iter()
            .map(|rule| (rule.id.clone(), rule))
            .collect();
        for plan in plans {
            let rule = rules
                .get(&plan.limits_rule_version_id)
                .ok_or_else(|| Error::internal(format!("the rule of plan {} is missing", plan.id)))?;
            let terms = Arc::new(Terms {
                rule: Configured::new(rule.clone(), &plan.limits_configuration),
                meters: Arc::new(Meters::read(&plan.meters)?),
                plan: Arc::new(plan),
            });
            let id = terms.plan.id.clone();
            if recency == Recency::Remembered {
                memory.keep(id.clone(), version, Arc::clone(&terms), ROW + terms.rule.bytes());
            }
            found.insert(id, terms);
        }
        Ok(found)
    }

    /// The limits rule that is live at each of these accounts; those without one are missing from the answer.
    pub(super) async fn live_limits_rules(
        &self,
        accounts: &HashSet<AccountId>,
        recency: Recency,
    ) -> Result<HashMap<AccountId, Arc<LiveLimits>>> {
        let memory = &self.0.terms.live;
        let version = self.0.hub.terms_version();
        let (found, missing) = split(accounts.iter().cloned(), recency, memory, version);
        let mut rules: HashMap<_, _> = found
            .into_iter()
            .filter_map(|(account, live)| Some((account, live?)))
            .collect();
        if missing.is_empty() {
            return Ok(rules);
        }
        let mut read = active_rules(&self.0.db, RuleKind::Limits, &missing).await?;
        for account in missing {
            let live = read.remove(&account).map(|live| Arc::new(LiveLimits::new(live)));
            if recency == Recency::Remembered {
                let bytes = live.as_ref().map_or(0, |live| live.bytes());
                memory.keep(account.clone(), version, live.clone(), bytes);
            }
            if let Some(live) = live {
                rules.insert(account, live);
            }
        }
        Ok(rules)
    }
}

#[cfg(test)]
mod tests {
    use canopy_entity::rule_version::{RuleClass, RuleStatus};
    use canopy_entity::time;

    use super::*;

    fn mark(id: &RuleVersionId, configuration: &serde_json::Value) -> [u8; 32] {
        let version = rule_version::Model {
            id: id.clone(),
            owner_account_id: None,
            kind: RuleKind::Limits,
            name: "rule".into(),
            version: 1,
            digest: "0".repeat(64),
            size_bytes: 1,
            class: RuleClass::Small,
            status: RuleStatus::Active,
            configuration: serde_json::json!({}),
            failure_policy: FailurePolicy::Deny,
            created_by: "system".into(),
            created_at: time::now(),
        };
        Configured::new(version, configuration).mark
    }

    #[test]
    fn a_mark_is_that_of_one_version_with_one_configuration() {
        let (id, one) = (RuleVersionId::new(), serde_json::json!({"a": 1}));
        assert_eq!(mark(&id, &one), mark(&id, &one));
        assert_ne!(mark(&id, &one), mark(&RuleVersionId::new(), &one));
        assert_ne!(mark(&id, &one), mark(&id, &serde_json::json!({"a": 2})));
    }
}
