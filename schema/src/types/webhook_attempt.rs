//! `WebhookAttempt`.

use async_graphql::Object;
use canopy_domain::entity::webhook_attempt;

use crate::scalars::DateTime;

/// A try to deliver a message.
pub(crate) struct WebhookAttempt(webhook_attempt::Model);

impl From<webhook_attempt::Model> for WebhookAttempt {
    fn from(row: webhook_attempt::Model) -> Self {
        Self(row)
    }
}

/// A try to deliver a message to an endpoint.
#[Object]
impl WebhookAttempt {
    /// When it began.
    async fn started_at(&self) -> DateTime {
        self.0.started_at.into()
    }

    /// How long it took, in milliseconds.
    async fn duration_ms(&self) -> i32 {
        self.0.duration_ms
    }

    /// The HTTP status of the answer; null if there was no answer.
    async fn status_code(&self) -> Option<i32> {
        self.0.status_code
    }

    /// What went wrong, in a sentence; null if the endpoint took the message.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }

    /// The first 1024 bytes of the answer's body; null if there are none, or if they are no text.
    async fn response(&self) -> Option<&str> {
        self.0.response.as_deref()
    }
}
