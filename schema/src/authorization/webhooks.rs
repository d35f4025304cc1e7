//! The part of the table about webhooks.

use canopy_domain::entity::Level::{Full, Read};
use canopy_domain::entity::PermissionKey as Key;

use super::Requirement::{self, Permission};
use super::table::{CONNECTION, EDGE, Fields};

const SEEN: Requirement = Permission(Key::Webhooks, Read);
const MANAGED: Requirement = Permission(Key::Webhooks, Full);

/// Fields of objects that nobody gets hold of without having passed their requirement.
pub(super) const REACHED: &[(&[&str], Requirement, Fields)] = &[
    (
        &["WebhookEndpointConnection", "WebhookDeliveryConnection"],
        SEEN,
        CONNECTION,
    ),
    (&["WebhookEndpointEdge", "WebhookDeliveryEdge"], SEEN, EDGE),
    (
        &["WebhookEndpoint"],
        SEEN,
        &[
            "id",
            "accountId",
            "url",
            "description",
            "enabled",
            "includeDescendants",
            "eventTypes",
            "previousSecretUntil",
            "createdAt",
            "updatedAt",
            "deliveries",
        ],
    ),
    (
        &["WebhookDelivery"],
        SEEN,
        &[
            "id",
            "eventType",
            "subjectId",
            "status",
            "attemptCount",
            "nextAttemptAt",
            "createdAt",
            "endedAt",
            "attempts",
        ],
    ),
    (
        &["WebhookAttempt"],
        SEEN,
        &["startedAt", "durationMs", "statusCode", "error", "response"],
    ),
    (
        &["CreateWebhookEndpointPayload", "RotateWebhookSecretPayload"],
        MANAGED,
        &["webhookEndpoint", "secret", "replayed", "userErrors"],
    ),
    (
        &["UpdateWebhookEndpointPayload", "DeleteWebhookEndpointPayload"],
        MANAGED,
        &["webhookEndpoint", "replayed", "userErrors"],
    ),
    (
        &["TestWebhookEndpointPayload", "RedeliverWebhookPayload"],
        MANAGED,
        &["delivery", "replayed", "userErrors"],
    ),
];
