//! The table itself: the gates, and the fields that are reached only through a gate.

use canopy_domain::entity::Level::{Full, Read};
use canopy_domain::entity::PermissionKey as Key;

use super::Requirement::{InScope, Permission, Public, SignedIn};
use super::{FieldRequirement, Gate, Requirement, alerts, gates, simulations, usage, webhooks};

const TENANTS: &[&str] = &["Tenant", "Account", "Subaccount"];

/// Fields that check their requirement themselves.
const GATED: &[(&[&str], &[Gate])] = &[
    (&["Query"], gates::QUERY),
    (&["Mutation"], gates::MUTATION),
    (&["Subscription"], gates::SUBSCRIPTION),
    (TENANTS, gates::TENANT),
];

pub(super) type Fields = &'static [&'static str];

pub(super) const CONNECTION: Fields = &["edges", "nodes", "pageInfo", "totalCount"];
pub(super) const EDGE: Fields = &["cursor", "node"];

/// Fields of objects that nobody gets hold of without having passed their requirement.
const REACHED: &[(&[&str], Requirement, Fields)] = &[
    // Signing in, and what any mutation may answer.
    (&["Mutation"], Public, &["signIn"]),
    (
        &["SignInPayload"],
        Public,
        &["token", "expiresAt", "user", "userErrors"],
    ),
    (&["UserError"], Public, &["field", "message", "code"]),
    // The actor itself.
    (&["Me"], SignedIn, &["user", "apiKey", "actingAs", "accounts"]),
    // The caller's own, or one of an account where the caller has API_KEYS READ.
    (
        &["ApiKey"],
        SignedIn,
        &[
            "id",
            "name",
            "prefix",
            "account",
            "permissions",
            "allowedIps",
            "createdAt",
            "expiresAt",
            "lastUsedAt",
            "revokedAt",
            "persistedOnly",
        ],
    ),
    (&["ApiKeyPermission"], SignedIn, &["key", "level"]),
    (&["ApiKeyConnection"], Permission(Key::ApiKeys, Read), CONNECTION),
    (&["ApiKeyEdge"], Permission(Key::ApiKeys, Read), EDGE),
    (&["User"], SignedIn, &["id", "name", "email"]),
    (&["AccessConnection"], SignedIn, CONNECTION),
    (&["AccessEdge"], SignedIn, &["cursor", "node", "role"]),
    (
        &["PageInfo"],
        SignedIn,
        &["hasNextPage", "hasPreviousPage", "startCursor", "endCursor"],
    ),
    // Accounts.
    (&["Node"], InScope, &["id"]),
    (
        TENANTS,
        InScope,
        &[
            "id",
            "name",
            "status",
            "kind",
            "depth",
            "level",
            "currency",
            "timeZone",
            "createdAt",
            "plan",
            "planInherited",
            "billingMode",
            "creditMode",
            "parent",
            "ancestors",
            "permissionSet",
        ],
    ),
    (
        &["Plan"],
        InScope,
        &[
            "id",
            "name",
            "description",
            "configuration",
            "meters",
            "undeclaredMeters",
        ],
    ),
    (
        &["Meter"],
        InScope,
        &["name", "aggregation", "uniqueBy", "unit", "description"],
    ),
    (&["Money"], InScope, &["amount", "currency"]),
    (&["PermissionSet"], InScope, &["permissions", "permission"]),
    (
        &["Permission"],
        InScope,
        &["key", "level", "maxLevel", "decidedBy"],
    ),
    (
        &["PermissionDecider"],
        InScope,
        &["kind", "account", "key", "role"],
    ),
    (
        &["TenantConnection"],
        Permission(Key::Subaccounts, Read),
        CONNECTION,
    ),
    (&["TenantEdge"], Permission(Key::Subaccounts, Read), EDGE),
    (&["MemberConnection"], Permission(Key::Members, Read), CONNECTION),
    (&["MemberEdge"], Permission(Key::Members, Read), EDGE),
    (
        &["Member"],
        Permission(Key::Members, Read),
        &["id", "user", "role", "createdAt", "lastSignInAt"],
    ),
    (
        &["Limits"],
        Permission(Key::Settings, Read),
        &["resources", "resource"],
    ),
    (
        &["ResourceLimit"],
        Permission(Key::Settings, Read),
        &[
            "resource",
            "max",
            "used",
            "remaining",
            "decidedBy",
            "reason",
            "explain",
        ],
    ),
    (&["LimitExplanation"], Permission(Key::Settings, Read), &["steps"]),
    // Of an account out of scope only what decides is told, and of that only `source`, `decides` and `max`.
    (
        &["LimitStep"],
        Permission(Key::Settings, Read),
        &[
            "source", "account", "decides", "max", "reason", "rule", "input", "output", "logs", "note",
        ],
    ),
    (
        &["LimitDecider"],
        Permission(Key::Settings, Read),
        &["kind", "account", "ruleVersion", "ruleDigest"],
    ),
    // Money.
    (
        &["BillingTransfer"],
        Permission(Key::Billing, Full),
        &[
            "id",
            "state",
            "badge",
            "status",
            "startedAt",
            "graceEndsAt",
            "completedAt",
            "keepAgencyAccess",
        ],
    ),
    (
        &["Credits"],
        Permission(Key::Billing, Full),
        &["purchased", "pool", "held", "available"],
    ),
    (
        &["RuleVersionConnection"],
        Permission(Key::Billing, Full),
        CONNECTION,
    ),
    (&["RuleVersionEdge"], Permission(Key::Billing, Full), EDGE),
    // Rules that Canopy ships belong to no account and are shown to everybody who signed in.
    (
        &["RuleVersion"],
        Permission(Key::Billing, Full),
        &[
            "id",
            "kind",
            "name",
            "version",
            "digest",
            "sizeBytes",
            "status",
            "configuration",
            "failurePolicy",
            "createdAt",
            "activeSince",
            "class",
            "configurationSchema",
            "checkReport",
            "history",
            "failures",
            "quarantine",
            "runs",
        ],
    ),
    (
        &["RuleCheckReport"],
        Permission(Key::Billing, Full),
        &["checks", "answered", "fuelMax", "medianMicros", "checkedAt"],
    ),
    (
        &["RuleCheck"],
        Permission(Key::Billing, Full),
        &["name", "calls", "answered"],
    ),
    (
        &["RuleRun"],
        Permission(Key::Billing, Full),
        &[
            "at", "rating", "failure", "input", "output", "logs", "replay", "note",
        ],
    ),
    (
        &["RuleChange"],
        Permission(Key::Billing, Full),
        &["id", "fromStatus", "toStatus", "changedBy", "reason", "changedAt"],
    ),
    (
        &["RuleFailure"],
        Permission(Key::Billing, Full),
        &[
            "id", "account", "kind", "message", "logs", "input", "counted", "failedAt",
        ],
    ),
    (
        &["RuleChangeUpdate"],
        Permission(Key::Billing, Full),
        &["cursor", "change", "ruleVersion"],
    ),
    (
        &["RuleQuarantine"],
        Permission(Key::Billing, Full),
        &["at", "reason", "failures"],
    ),
    // What mutations answer.
    (
        &["CreateSubaccountPayload", "UpdateSubaccountPayload"],
        Permission(Key::Subaccounts, Full),
        &["subaccount", "replayed", "userErrors"],
    ),
    (
        &["MoveAccountPayload"],
        Permission(Key::Subaccounts, Full),
        &["account", "changes", "replayed", "userErrors"],
    ),
    (
        &["AccountMove"],
        Permission(Key::Subaccounts, Full),
        &[
            "at",
            "accounts",
            "from",
            "to",
            "access",
            "limits",
            "payer",
            "planBefore",
            "planAfter",
            "creditsReturned",
        ],
    ),
    (
        &["AccessChange"],
        Permission(Key::Subaccounts, Full),
        &["account", "gains", "members", "apiKeys"],
    ),
    (
        &["LimitChange"],
        Permission(Key::Subaccounts, Full),
        &["resource", "used", "before", "after"],
    ),
    (
        &["PayerChange"],
        Permission(Key::Subaccounts, Full),
        &["before", "after", "sellersBefore", "sellersAfter"],
    ),
    (
        &["SetPermissionsPayload"],
        Permission(Key::Members, Full),
        &["permissionSet", "account", "replayed", "userErrors"],
    ),
    (
        &["CreateApiKeyPayload"],
        Permission(Key::ApiKeys, Full),
        &["apiKey", "secret", "replayed", "userErrors"],
    ),
    (
        &["RegisterDocumentsPayload"],
        Permission(Key::ApiKeys, Full),
        &["apiKey", "documentIds", "replayed", "userErrors"],
    ),
    (
        &["RevokeApiKeyPayload"],
        Permission(Key::ApiKeys, Full),
        &["apiKey", "replayed", "userErrors"],
    ),
    (
        &["UploadRulePayload", "CheckRulePayload", "RetireRulePayload"],
        Permission(Key::Billing, Full),
        &["ruleVersion", "replayed", "userErrors"],
    ),
    (
        &["ActivateRulePayload", "RollbackRulePayload", "ShadowRulePayload"],
        Permission(Key::Billing, Full),
        &["ruleVersion", "previous", "replayed", "userErrors"],
    ),
];

/// All rows, by type and field.
pub(super) fn rows() -> Vec<FieldRequirement> {
    let gated = GATED.iter().flat_map(|(types, gates)| {
        types.iter().flat_map(move |type_name| {
            gates.iter().map(move |gate| FieldRequirement {
                type_name,
                field: gate.field,
                requirement: gate.requirement,
            })
        })
    });
    let reached = REACHED
        .iter()
        .chain(simulations::REACHED)
        .chain(usage::REACHED)
        .chain(alerts::REACHED)
        .chain(webhooks::REACHED)
        .flat_map(|(types, requirement, fields)| {
            types.iter().flat_map(move |type_name| {
                fields.iter().map(move |field| FieldRequirement {
                    type_name,
                    field,
                    requirement: *requirement,
                })
            })
        });
    let mut rows: Vec<FieldRequirement> = gated.chain(reached).collect();
    rows.sort_by_key(|row| (row.type_name, row.field));
    rows
}
