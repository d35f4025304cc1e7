//! The part of the table about usage and what was charged for it.

use canopy_domain::entity::Level::Full;
use canopy_domain::entity::PermissionKey as Key;

use super::Requirement::{self, Permission};
use super::table::{CONNECTION, EDGE, Fields};

const USAGE: Requirement = Permission(Key::Usage, Full);

/// Fields of objects that nobody gets hold of without `USAGE` FULL at the account.
pub(super) const REACHED: &[(&[&str], Requirement, Fields)] = &[
    (
        &["Usage"],
        USAGE,
        &["period", "granularity", "timeZone", "totals", "buckets"],
    ),
    (&["UsagePeriod"], USAGE, &["start", "end"]),
    (
        &["UsageTotal"],
        USAGE,
        &["meter", "unit", "aggregation", "quantity", "events", "amount"],
    ),
    (
        &["UsageBucket"],
        USAGE,
        &[
            "start",
            "meter",
            "unit",
            "aggregation",
            "quantity",
            "events",
            "amount",
        ],
    ),
    (&["UsageEventConnection"], USAGE, CONNECTION),
    (&["UsageEventEdge"], USAGE, EDGE),
    (
        &["UsageEvent"],
        USAGE,
        &[
            "id",
            "account",
            "meter",
            "quantity",
            "occurredAt",
            "countedAt",
            "adjusts",
            "recordedAt",
            "idempotencyKey",
            "attributes",
            "ratingStatus",
            "correction",
            "ratings",
        ],
    ),
    (&["UsageHoldConnection"], USAGE, CONNECTION),
    (&["UsageHoldEdge"], USAGE, EDGE),
    // `ruleVersion` is null unless the rule may be seen.
    (
        &["UsageHold"],
        USAGE,
        &[
            "id",
            "accountId",
            "status",
            "idempotencyKey",
            "meter",
            "quantity",
            "attributes",
            "price",
            "ruleVersion",
            "ruleDigest",
            "createdAt",
            "expiresAt",
            "endedAt",
            "eventId",
        ],
    ),
    (
        &["UsageQuote"],
        USAGE,
        &[
            "price",
            "ruleVersion",
            "ruleDigest",
            "quotedAt",
            "holdableUntil",
            "token",
        ],
    ),
    (&["QuoteUsagePayload"], USAGE, &["quote", "userErrors"]),
    (
        &["HoldUsagePayload", "VoidHoldPayload"],
        USAGE,
        &["hold", "replayed", "userErrors"],
    ),
    (
        &["SettleHoldPayload"],
        USAGE,
        &["hold", "event", "replayed", "userErrors"],
    ),
    (&["ClosedPeriod"], USAGE, &["start", "end", "closedAt"]),
    // `correctedBy` is null unless it was the caller or the topmost account is in scope.
    (
        &["UsageCorrection"],
        USAGE,
        &["part", "corrects", "reason", "correctedBy"],
    ),
    // `seller`, `cost`, `margin`, `lineItems` and `outputDigest` are null unless the seller is in scope; `ruleVersion`
    // and `ruleName` unless the rule may be seen.
    (
        &["Rating"],
        USAGE,
        &[
            "id",
            "seller",
            "buyer",
            "price",
            "cost",
            "margin",
            "ruleVersion",
            "ruleName",
            "ruleDigest",
            "inputDigest",
            "outputDigest",
            "engine",
            "fuel",
            "lineItems",
            "reverses",
            "createdAt",
            "explain",
        ],
    ),
    (&["RatingExplanation"], USAGE, &["steps"]),
    // All but `rating` is null unless seller and rule may be seen.
    (
        &["PriceStep"],
        USAGE,
        &[
            "rating", "rule", "input", "output", "reason", "logs", "replay", "note",
        ],
    ),
    (&["LineItem"], USAGE, &["description", "quantity", "amount"]),
    (&["UsageUpdate"], USAGE, &["cursor", "kind", "event", "sums"]),
    (
        &["UsageSum"],
        USAGE,
        &["accountId", "account", "meter", "quantity", "events", "amount"],
    ),
    (
        &["RecordUsagePayload", "CorrectUsagePayload"],
        USAGE,
        &["results", "replayed", "userErrors"],
    ),
    (
        &["UsageResult"],
        USAGE,
        &["index", "idempotencyKey", "status", "event", "userErrors"],
    ),
    (
        &["UsageCorrectionResult"],
        USAGE,
        &[
            "index",
            "idempotencyKey",
            "status",
            "reversal",
            "replacement",
            "userErrors",
        ],
    ),
];
