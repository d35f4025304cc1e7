//! `Meter`.

use async_graphql::{Enum, SimpleObject};
use canopy_domain::plans;

use super::usage_aggregation::UsageAggregation;

/// What becomes of usage of a meter that a plan does not declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "plans::Undeclared")]
pub(crate) enum UndeclaredMeters {
    /// It is a sum without a unit.
    Sum,
    /// It is refused.
    Refuse,
}

/// A meter that a plan declares.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct Meter {
    /// What events name it.
    name: String,
    /// How it is added up.
    aggregation: UsageAggregation,
    /// The attribute whose different values are counted; null unless `aggregation` is UNIQUE.
    unique_by: Option<String>,
    /// In what it is measured: SECOND, MINUTE, CREDIT, TOKEN, MESSAGE, or a word of the plan's own.
    unit: Option<String>,
    /// What it measures, for people.
    description: Option<String>,
}

impl Meter {
    /// Those that a plan declares, by name.
    pub(super) fn all(meters: &plans::Meters) -> Vec<Self> {
        let meters = meters.declared();
        meters.map(|(name, meter)| Self::new(name, meter)).collect()
    }

    fn new(name: &str, meter: &plans::Meter) -> Self {
        Self {
            name: name.to_owned(),
            aggregation: meter.aggregation.into(),
            unique_by: meter.unique_by.clone(),
            unit: meter.unit.as_deref().map(str::to_owned),
            description: meter.description.clone(),
        }
    }
}
