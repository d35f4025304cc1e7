//! `RuleCheckReport` and `RuleCheck`.

use async_graphql::{Object, SimpleObject};
use canopy_domain::rules;

use crate::scalars::{DateTime, int};

/// The last check of the contract that a rule version passed.
pub(crate) struct RuleCheckReport(rules::RuleCheckReport);

impl From<rules::RuleCheckReport> for RuleCheckReport {
    fn from(report: rules::RuleCheckReport) -> Self {
        Self(report)
    }
}

/// One check of a rule version that passed it.
#[derive(SimpleObject)]
pub(crate) struct RuleCheck {
    /// For example "determinism", "monotonicity", "not-below-cost", "huge-input".
    name: String,
    /// Calls made. None if the rule declares that the check does not hold, or the plan allows that it does not.
    calls: i32,
    /// Calls that had an answer. For the others the rule said that it has none.
    answered: i32,
}

/// The last check that a rule version passed: what it was asked before it could price or limit anything.
#[Object]
impl RuleCheckReport {
    /// The checks, in the order in which they ran.
    async fn checks(&self) -> Vec<RuleCheck> {
        let checks = self.0.report.checks.iter();
        checks
            .map(|check| RuleCheck {
                name: check.name.clone(),
                calls: int(check.calls.into()),
                answered: int(check.answered.into()),
            })
            .collect()
    }

    /// Calls that had an answer.
    async fn answered(&self) -> i32 {
        int(self.0.report.answered().into())
    }

    /// Most fuel that a call used.
    async fn fuel_max(&self) -> i32 {
        int(self.0.report.fuel_max)
    }

    /// Median time of a call that had an answer, in microseconds, on the server that checked it.
    async fn median_micros(&self) -> i32 {
        int(self.0.report.median_micros)
    }

    /// When it was checked.
    async fn checked_at(&self) -> DateTime {
        self.0.checked_at.into()
    }
}
