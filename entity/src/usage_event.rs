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
    /// It was taken out again before it had its price, and gets none.
    Voided,
}

impl RatingStatus {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            RatingStatus::Pending => "PENDING",
            RatingStatus::Rated => "RATED",
            RatingStatus::Voided => "VOIDED",
        }
    }
}

/// Which part of a correction an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CorrectionPart {
    /// It takes another event out: its quantity is that of the other, negative.
    Reversal,
    /// It stands for an event that was taken out, with another quantity.
    Replacement,
}

impl CorrectionPart {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            CorrectionPart::Reversal => "REVERSAL",
            CorrectionPart::Replacement => "REPLACEMENT",
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
    /// How much, in micro-units; negative if it is a reversal.
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
    /// What each seller charged, as [`crate::rating::of`] reads it; none while the price is pending.
    pub ratings: Option<String>,
    /// The batch that rated it, if that was not the one that recorded it.
    pub rated_batch_id: Option<UsageBatchId>,
    /// Which part of a correction it is; none if it was reported as usage. Then what follows is none, too.
    pub correction: Option<CorrectionPart>,
    /// The event that it takes out or stands for.
    pub corrects_id: Option<UsageEventId>,
    /// Why that was corrected.
    pub reason: Option<String>,
    /// Who did it, as in the audit log.
    pub corrected_by: Option<String>,
    /// When it counts, if the period in which it would count was closed: then it is later than that period.
    pub counted_at: Option<Timestamp>,
    /// The first instant of that period, a month in UTC.
    pub adjusts: Option<Timestamp>,
}

impl Model {
    /// The instant whose buckets it counts in.
    pub fn counts_at(&self) -> Timestamp {
        self.counted_at.unwrap_or(self.occurred_at)
    }
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
