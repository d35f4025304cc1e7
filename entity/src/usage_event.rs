//! Usage events, as they were reported.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, AccountPath, UsageBatchId, UsageEventId, time::Timestamp};

/// Whether an event has its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RatingStatus {
    /// A rule failed or there is none; it is tried again.
    Pending,
    /// It has its price.
    Rated,
}

impl RatingStatus {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            RatingStatus::Pending => "PENDING",
            RatingStatus::Rated => "RATED",
        }
    }
}

/// A usage event.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "usage_events")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UsageEventId,
    /// Who used something.
    pub account_id: AccountId,
    /// Where that account stood at the time.
    pub path: AccountPath,
    /// The batch that recorded it.
    pub batch_id: UsageBatchId,
    /// Its place among the events that the batch recorded, from 0; in the order of their ids.
    pub place: i32,
    /// The caller's key, unique in the account.
    pub idempotency_key: String,
    /// SHA-256 of what was reported, in hex.
    pub payload_digest: String,
    /// What was measured.
    pub meter: String,
    /// How much, in micro-units.
    pub quantity: i64,
    /// When it was used.
    pub occurred_at: Timestamp,
    /// When it was taken in.
    pub recorded_at: Timestamp,
    /// What else the caller told: the text of a JSON object. It is kept as text because a rule is given it byte for
    /// byte, and a database that reads JSON writes it in another way.
    pub attributes: String,
    /// Whether it has its price.
    pub rating_status: RatingStatus,
    /// How often a rating was tried in vain.
    pub rating_attempts: i32,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
