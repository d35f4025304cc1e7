//! `WebhookDelivery`.

use async_graphql::{Context, ID, Object};
use canopy_domain::Result;
use canopy_domain::entity::webhook_delivery;

use super::webhook_attempt::WebhookAttempt;
use super::webhook_delivery_status::WebhookDeliveryStatus;
use crate::connection::{Edge, List};
use crate::loaders::reads;
use crate::scalars::{DateTime, int};
use crate::session::Session;

/// A message to an endpoint.
pub(crate) struct WebhookDelivery(webhook_delivery::Model);

impl From<webhook_delivery::Model> for WebhookDelivery {
    fn from(row: webhook_delivery::Model) -> Self {
        Self(row)
    }
}

/// A message to an endpoint. It is sent until the endpoint takes it with a status of 200 to 299, at least once; then
/// again only if somebody asks for it (redeliverWebhook).
#[Object]
impl WebhookDelivery {
    /// The id, with the prefix `whd_`: the same that the endpoint is told as `webhook-id`, with each try.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// What happened, as the endpoint is told it: `usage_alert.crossed`, or `webhook.test`.
    async fn event_type(&self) -> &str {
        &self.0.event_type
    }

    /// Id of what the message is about: of a crossing, or of the endpoint that is tried out.
    async fn subject_id(&self) -> ID {
        ID(self.0.subject.clone())
    }

    /// What became of it.
    async fn status(&self) -> WebhookDeliveryStatus {
        self.0.status.into()
    }

    /// How often it was tried since it was made, or asked for again.
    async fn attempt_count(&self) -> i32 {
        int(u64::try_from(self.0.attempts).unwrap_or_default())
    }

    /// When it is tried next; null if it ended.
    async fn next_attempt_at(&self) -> Option<DateTime> {
        self.0.next_attempt_at.map(DateTime)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was delivered or given up; null if it is still to be sent.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }

    /// The tries, in their order; the last 50 are kept.
    async fn attempts(&self, ctx: &Context<'_>) -> Result<Vec<WebhookAttempt>> {
        let loaders = &Session::caller(ctx)?.loaders;
        let attempts = loaders.load(reads::WebhookAttempts, self.0.clone()).await?;
        let attempts = attempts.unwrap_or_default();
        Ok(attempts.into_iter().map(WebhookAttempt::from).collect())
    }
}

/// The messages to an endpoint.
pub(crate) struct WebhookDeliveries;

impl List for WebhookDeliveries {
    const NAME: &'static str = "WebhookDelivery";
    type Row = webhook_delivery::Model;
    type Node = WebhookDelivery;
    type Edge = Edge<Self>;

    fn node(row: webhook_delivery::Model) -> WebhookDelivery {
        row.into()
    }

    fn edge(cursor: String, row: webhook_delivery::Model) -> Edge<Self> {
        Edge::new(cursor, row)
    }
}
