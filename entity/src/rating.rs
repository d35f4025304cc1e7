//! What each seller of the chain charged for an event; the database refuses to change it.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, RatingId, RuleVersionId, UsageBatchId, UsageEventId, time::Timestamp};

/// What one seller charged one buyer for one event, with its receipt.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "ratings")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RatingId,
    /// The event.
    pub event_id: UsageEventId,
    /// Place in the chain; 0 is the topmost seller.
    pub edge: i32,
    /// The batch that rated the event, and paid for it.
    pub batch_id: UsageBatchId,
    /// The rating that it takes back, with what was paid for it; none if it charges for something.
    pub reverses_id: Option<RatingId>,
    /// Who sold.
    pub seller_account_id: AccountId,
    /// Who bought: the seller's child.
    pub buyer_account_id: AccountId,
    /// The rule that priced it; none if the seller passed its cost through, or if it takes another rating back. Then all
    /// of its receipt is none, down to the fuel.
    pub rule_version_id: Option<RuleVersionId>,
    /// SHA-256 of the rule's wasm, in hex.
    pub rule_digest: Option<String>,
    /// SHA-256 of what the rule was given, in hex.
    pub input_digest: Option<String>,
    /// SHA-256 of what it answered, in hex.
    pub output_digest: Option<String>,
    /// The engine that ran the rule, with its version.
    pub engine: Option<String>,
    /// Id of the plan that the buyer was on, as the rule was told; empty if it was on none.
    pub buyer_plan: Option<String>,
    /// First second of the calendar month (UTC) that the period's totals are of, since 1970.
    pub period_start: Option<i64>,
    /// What the buyer and all below it had used of the meter in the period before, in micro-units.
    pub period_quantity: Option<i64>,
    /// In how many events.
    pub period_lines: Option<i64>,
    /// What the call used, in wasmtime's fuel.
    pub fuel: Option<i64>,
    /// What the seller itself paid, in micro-units.
    pub cost: i64,
    /// What the buyer pays, in micro-units.
    pub price: i64,
    /// ISO 4217 code of both.
    pub currency: String,
    /// How the price came about.
    pub line_items: Json,
    /// When it was rated.
    pub created_at: Timestamp,
    /// When its price counts, if the period in which its event counts was closed before it was rated.
    pub counted_at: Option<Timestamp>,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
