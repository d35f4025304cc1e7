//! The query plans that were made lately, within a bound in bytes.

use std::sync::Arc;

use async_graphql::{Name, Variables};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::compile::{Unplanned, switch};
use super::plan::QueryPlan;
use crate::DocumentHash;

/// A plan, or why the operation has none.
pub(super) type Outcome = Arc<Result<QueryPlan, Unplanned>>;

/// What tells one plan from another.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PlanKey {
    document: DocumentHash,
    operation: Option<Box<str>>,
    /// The values of the variables that the document's directives read, in the document's order.
    switches: Box<[Option<bool>]>,
}

impl PlanKey {
    /// The key of an operation whose document's directives read `switches`.
    pub(super) fn new(
        document: DocumentHash,
        name: Option<&str>,
        switches: &[Name],
        variables: &Variables,
    ) -> Self {
        Self {
            document,
            operation: name.map(Into::into),
            switches: switches.iter().map(|own| switch(variables, own)).collect(),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.operation.as_ref().map_or(0, |name| name.len()) + self.switches.len()
    }
}

pub(super) struct Plans(Cache<PlanKey, Outcome, Weight>);

#[derive(Clone)]
struct Weight;

impl Weighter<PlanKey, Outcome> for Weight {
    fn weight(&self, key: &PlanKey, outcome: &Outcome) -> u64 {
        let value = match &**outcome {
            Ok(plan) => plan.bytes,
            Err(Unplanned(why)) => size_of::<QueryPlan>() + why.len(),
        };
        (key.bytes() + value) as u64
    }
}

/// How large plans are on average, for the size of the table.
const USUAL: usize = 4 << 10;

impl Plans {
    /// Keeps at most so many bytes.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self(Cache::with_weighter(max_bytes / USUAL, max_bytes as u64, Weight))
    }

    /// The plan with this key, as it was made before or as `make` makes it.
    pub(super) fn get_or_make(
        &self,
        key: PlanKey,
        make: impl FnOnce() -> Result<QueryPlan, Unplanned>,
    ) -> Outcome {
        if let Some(outcome) = self.0.get(&key) {
            count(if outcome.is_ok() { "hit" } else { "unplanned" });
            return outcome;
        }
        count("miss");
        let outcome = Arc::new(make());
        self.0.insert(key, Arc::clone(&outcome));
        metrics::gauge!("canopy_query_plans_bytes").set(self.0.weight() as f64);
        outcome
    }

    /// The memory of all that is kept, about.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.0.weight()
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("canopy_query_plans_total", "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, name: Option<&str>, value: Option<bool>) -> PlanKey {
        let variables = value.map(|value| serde_json::json!({"a": value}));
        let variables = Variables::from_json(variables.unwrap_or_default());
        PlanKey::new(DocumentHash::of(text), name, &[Name::new("a")], &variables)
    }

    #[test]
    fn a_plan_is_made_once_for_each_document_operation_and_switch() {
        let plans = Plans::new(1 << 20);
        let mut made = 0;
        for _ in 0..2 {
            for key in [
                key("1", None, None),
                key("2", None, None),
                key("1", Some("Q"), None),
                key("1", None, Some(true)),
                key("1", None, Some(false)),
            ] {
                let outcome = plans.get_or_make(key, || {
                    made += 1;
                    Err(Unplanned("no".to_owned()))
                });
                assert!(outcome.is_err());
            }
        }
        assert_eq!(made, 5);
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let plans = Plans::new(10_000);
        for n in 0..1_000 {
            let why = "x".repeat(100);
            _ = plans.get_or_make(key(&n.to_string(), None, None), || Err(Unplanned(why)));
        }
        assert!((1..=10_000).contains(&plans.bytes()), "{}", plans.bytes());
    }
}
