//! What the contract suite says of a rule that passed.

use serde::{Deserialize, Serialize};

/// What was asked of a rule that passed all checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The checks, in the order in which they ran.
    pub checks: Vec<CheckResult>,
    /// Most fuel of a call.
    pub fuel_max: u64,
    /// Median time of a call that had an answer, in microseconds.
    pub median_micros: u64,
}

impl CheckReport {
    /// Calls that had an answer. For the others the rule said that it has none.
    pub fn answered(&self) -> u32 {
        self.checks.iter().map(|check| check.answered).sum()
    }
}

/// One check of a rule that passed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// For example `determinism`: see [`Host::check`](crate::Host::check).
    pub name: String,
    /// Calls made. None if the rule declared that the check does not hold, or the plan allows that it does not.
    pub calls: u32,
    /// Calls that had an answer.
    pub answered: u32,
}
