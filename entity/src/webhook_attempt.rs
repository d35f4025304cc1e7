//! Tries to deliver messages to webhook endpoints.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{WebhookAttemptId, WebhookDeliveryId, time::Timestamp};

/// A try.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "webhook_attempts")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookAttemptId,
    /// The message.
    pub delivery_id: WebhookDeliveryId,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: i32,
    /// The HTTP status of the answer; none if there was no answer.
    pub status_code: Option<i32>,
    /// What went wrong; none if the endpoint took it.
    pub error: Option<String>,
    /// The beginning of the answer's body, if it is text.
    pub response: Option<String>,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
