//! Messages to webhook endpoints.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{WebhookDeliveryId, WebhookEndpointId, time::Timestamp};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryStatus {
    /// It is to be sent, or sent again.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// It was given up.
    Failed,
}

/// A message.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "webhook_deliveries")]
pub struct Model {
    /// The id, which the message has with each try.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookDeliveryId,
    /// Where it goes.
    pub endpoint_id: WebhookEndpointId,
    /// What happened.
    pub event_type: String,
    /// The id of what it is about.
    pub subject: String,
    /// The message, byte for byte as it is sent: JSON.
    pub body: String,
    /// What became of it.
    pub status: DeliveryStatus,
    /// How often it was tried since it was to be sent.
    pub attempts: i32,
    /// When it is tried next; none if it is not.
    pub next_attempt_at: Option<Timestamp>,
    /// Since when it is to be sent: since it was made, or somebody asked for it again.
    pub since: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was delivered or given up.
    pub ended_at: Option<Timestamp>,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
