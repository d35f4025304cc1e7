//! Webhooks: what happens at an account is sent to its endpoints, signed, at least once.
//!
//! A message is written in the transaction that makes it happen (`queue`). A worker takes what is due (`delivery`), sends it by
//! whatever means the process has, and says what became of it: then it is delivered, tried again later, or given up. How
//! messages are signed is [Standard Webhooks](https://www.standardwebhooks.com); `reach` says where they may go.

mod delivery;
mod endpoint;
mod queue;
mod reach;
mod read;
mod redelivery;
mod secret;

use std::time::Duration;

pub use delivery::{Attempt, MAX_RESPONSE, Message, Outcome};
pub use endpoint::{ChangeEndpoint, IssuedSecret, MAX_ENDPOINTS, NewEndpoint};
pub(crate) use queue::{Event, enqueue};
pub use reach::Reach;

/// What an endpoint may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum EventType {
    /// Usage reached the threshold of an alert.
    #[serde(rename = "usage_alert.crossed")]
    UsageAlertCrossed,
}

impl EventType {
    /// As it is in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UsageAlertCrossed => "usage_alert.crossed",
        }
    }
}

/// The bounds of webhooks.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Where they may go.
    pub reach: Reach,
    /// For how long a message is tried.
    pub retry_for: Duration,
    /// For how long an old secret is used beside the new one.
    pub secret_overlap: Duration,
    /// For how long it is kept what became of a message.
    pub keep: Duration,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            reach: Reach::default(),
            retry_for: Duration::from_hours(72),
            secret_overlap: Duration::from_hours(24),
            keep: Duration::from_hours(30 * 24),
        }
    }
}
