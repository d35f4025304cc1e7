//! Holds: credits that are reserved for usage to come, at the price that was quoted.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, AccountPath, RuleVersionId, UsageEventId, UsageHoldId, time::Timestamp};

/// How a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HoldStatus {
    /// The credits are held.
    Held,
    /// Usage was charged out of it; the rest went back.
    Settled,
    /// It was given up, and everything went back.
    Voided,
    /// Its time passed, and everything went back.
    Expired,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "usage_holds")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UsageHoldId,
    /// Whose usage it is for.
    pub account_id: AccountId,
    /// Where that account stood at the time.
    pub path: AccountPath,
    /// The caller's key, unique among the account's holds.
    pub idempotency_key: String,
    /// SHA-256 of what was asked, in hex.
    pub payload_digest: String,
    /// What is to be measured.
    pub meter: String,
    /// How much at most, in micro-units.
    pub quantity: i64,
    /// What the rules were told beside it, as in an event.
    pub attributes: String,
    /// ISO 4217 code of its money.
    pub currency: String,
    /// What the account pays for all of it, in micro-units.
    pub price: i64,
    /// The version of its own seller that priced it, and will; none if the seller passed its cost on.
    pub rule_version_id: Option<RuleVersionId>,
    /// SHA-256 of that rule's wasm, in hex.
    pub rule_digest: Option<String>,
    /// How it stands. One whose time has passed may say HELD until somebody comes by.
    pub status: HoldStatus,
    /// When it was quoted and made, which is when the usage counts.
    pub created_at: Timestamp,
    /// The first instant at which it cannot be settled any more.
    pub expires_at: Timestamp,
    /// When it was settled, voided or found to be expired.
    pub ended_at: Option<Timestamp>,
    /// The event that was charged, if it was settled.
    pub event_id: Option<UsageEventId>,
}

impl Model {
    /// How it stands at `now`: what is past its time is expired, whether somebody came by or not.
    pub fn status_at(&self, now: Timestamp) -> HoldStatus {
        match self.status {
            HoldStatus::Held if self.expires_at <= now => HoldStatus::Expired,
            status => status,
        }
    }
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
