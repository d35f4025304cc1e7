//! The part of the table about alerts on usage.

use canopy_domain::entity::Level::Full;
use canopy_domain::entity::PermissionKey as Key;

use super::Requirement::{self, Permission};
use super::table::{CONNECTION, EDGE, Fields};

const USAGE: Requirement = Permission(Key::Usage, Full);

/// Fields of objects that nobody gets hold of without having passed their requirement.
pub(super) const REACHED: &[(&[&str], Requirement, Fields)] = &[
    (
        &["UsageAlertConnection", "UsageAlertCrossingConnection"],
        USAGE,
        CONNECTION,
    ),
    (&["UsageAlertEdge", "UsageAlertCrossingEdge"], USAGE, EDGE),
    (
        &["UsageAlert"],
        USAGE,
        &[
            "id",
            "accountId",
            "name",
            "meter",
            "period",
            "includeDescendants",
            "thresholdQuantity",
            "thresholdAmount",
            "createdAt",
            "updatedAt",
            "crossings",
        ],
    ),
    (
        &["UsageAlertCrossing"],
        USAGE,
        &[
            "id",
            "alertId",
            "accountId",
            "name",
            "meter",
            "period",
            "periodStart",
            "includeDescendants",
            "thresholdQuantity",
            "thresholdAmount",
            "quantity",
            "amount",
            "crossedAt",
        ],
    ),
    (&["UsageAlertUpdate"], USAGE, &["cursor", "account", "crossing"]),
    (
        &[
            "CreateUsageAlertPayload",
            "UpdateUsageAlertPayload",
            "DeleteUsageAlertPayload",
        ],
        Permission(Key::Settings, Full),
        &["usageAlert", "replayed", "userErrors"],
    ),
];
