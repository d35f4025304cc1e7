//! The meters that a plan declares: how each is added up, and in what it is measured. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use canopy_entity::plan;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How the usage of a meter over a time is told as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Aggregation {
    /// The sum of all quantities.
    #[default]
    Sum,
    /// How many events there were.
    Count,
    /// The greatest quantity.
    Max,
    /// How many different values an attribute had.
    Unique,
}

/// What becomes of usage of a meter that is not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Undeclared {
    /// It is a sum without a unit.
    #[default]
    Sum,
    /// It is refused.
    Refuse,
}

/// A meter that a plan declares.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meter {
    /// How it is added up.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// Of which attribute the values are told apart; for `Unique`, and only there.
    #[serde(default)]
    pub unique_by: Option<String>,
    /// In what it is measured: `SECOND`, `MINUTE`, `CREDIT`, `TOKEN`, `MESSAGE`, or a word of the plan's own.
    #[serde(default)]
    pub unit: Option<Arc<str>>,
    /// What it measures, for people.
    #[serde(default)]
    pub description: Option<String>,
}

/// The meters of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meters {
    #[serde(default)]
    declared: BTreeMap<String, Meter>,
    #[serde(default)]
    undeclared: Undeclared,
}

impl Meters {
    /// The meters of a plan.
    pub fn of(plan: &plan::Model) -> Result<Self> {
        Self::read(&plan.meters)
    }

    /// The meters of a plan as they are stored. What is wrong with them is an error of ours: plans are written by us.
    pub(crate) fn read(stored: &serde_json::Value) -> Result<Self> {
        let meters: Self = serde_json::from_value(stored.clone()).map_err(Error::internal)?;
        let is_unique = |meter: &Meter| meter.aggregation == Aggregation::Unique;
        let is_whole = |meter: &Meter| is_unique(meter) == meter.unique_by.is_some();
        match meters.declared.values().all(is_whole) {
            true => Ok(meters),
            false => Err(Error::internal(
                "a meter with UNIQUE, and it alone, has unique_by",
            )),
        }
    }

    /// The meters by their names.
    pub fn declared(&self) -> impl Iterator<Item = (&str, &Meter)> {
        self.declared.iter().map(|(name, meter)| (name.as_str(), meter))
    }

    /// What becomes of the others.
    pub fn undeclared(&self) -> Undeclared {
        self.undeclared
    }

    /// A declared meter.
    pub(crate) fn get(&self, name: &str) -> Option<&Meter> {
        self.declared.get(name)
    }

    /// Whether some meter needs more than sums and counts to be told.
    pub(crate) fn keep_values(&self) -> bool {
        self.declared.values().any(Meter::keeps_values)
    }
}

impl Meter {
    /// Whether it needs more than sums and counts to be told.
    pub(crate) fn keeps_values(&self) -> bool {
        matches!(self.aggregation, Aggregation::Max | Aggregation::Unique)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn meters_are_read_as_they_are_declared() {
        let meters = Meters::read(&json!({
            "declared": {
                "minutes": {"unit": "MINUTE"},
                "callers": {"aggregation": "UNIQUE", "unique_by": "caller"},
            },
            "undeclared": "REFUSE",
        }))
        .unwrap();
        assert_eq!(meters.get("minutes").unwrap().aggregation, Aggregation::Sum);
        assert!(meters.keep_values());
        assert_eq!(meters.undeclared(), Undeclared::Refuse);
        assert_eq!(Meters::read(&json!({})).unwrap(), Meters::default());
        for wrong in [
            json!({"declared": {"a": {"aggregation": "UNIQUE"}}}),
            json!({"declared": {"a": {"unique_by": "x"}}}),
            json!({"declared": {"a": {"aggregation": "MEDIAN"}}}),
            json!({"meters": {}}),
        ] {
            assert!(Meters::read(&wrong).is_err(), "{wrong}");
        }
    }
}
