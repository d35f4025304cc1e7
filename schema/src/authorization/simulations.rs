//! The part of the table about simulations and what guards a rule.

use canopy_domain::entity::Level::Full;
use canopy_domain::entity::PermissionKey as Key;

use super::Requirement::{self, Permission};
use super::table::{CONNECTION, EDGE, Fields};

const BILLING: Requirement = Permission(Key::Billing, Full);

/// Fields of objects that nobody gets hold of without `BILLING` FULL at the seller.
pub(super) const REACHED: &[(&[&str], Requirement, Fields)] = &[
    (
        &["SimulationConnection", "SimulationAccountConnection"],
        BILLING,
        CONNECTION,
    ),
    (&["SimulationEdge", "SimulationAccountEdge"], BILLING, EDGE),
    (
        &["Simulation"],
        BILLING,
        &[
            "id",
            "kind",
            "status",
            "account",
            "ruleVersion",
            "configuration",
            "period",
            "eventsTotal",
            "eventsDone",
            "failures",
            "failureMessage",
            "pending",
            "differing",
            "before",
            "after",
            "difference",
            "variance",
            "p50Change",
            "p95Change",
            "accounts",
            "csvUrl",
            "createdAt",
            "startedAt",
            "finishedAt",
            "error",
        ],
    ),
    (&["SimulationPeriod"], BILLING, &["from", "to"]),
    (
        &["SimulationAccount"],
        BILLING,
        &[
            "account",
            "events",
            "failures",
            "pending",
            "before",
            "after",
            "difference",
            "variance",
            "p50Change",
            "p95Change",
        ],
    ),
    (
        &["SimulateRulePayload", "CancelSimulationPayload"],
        BILLING,
        &["simulation", "replayed", "userErrors"],
    ),
    (
        &["SetRuleGuardPayload"],
        BILLING,
        &["maxVariance", "replayed", "userErrors"],
    ),
    (&["RuleVersion"], BILLING, &["shadow"]),
];
