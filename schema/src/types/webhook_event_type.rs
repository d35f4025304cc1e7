//! `WebhookEventType`.

use async_graphql::Enum;
use canopy_domain::webhooks;

/// What an endpoint may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "webhooks::EventType")]
pub(crate) enum WebhookEventType {
    /// Usage reached the threshold of an alert: `usage_alert.crossed`.
    UsageAlertCrossed,
}
