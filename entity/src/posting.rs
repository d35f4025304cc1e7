//! The rows of the ledger; the database refuses to change them.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{LedgerAccountId, PostingId, UsageBatchId, UsageHoldId, time::Timestamp};

/// Why an amount moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PostingKind {
    /// Ratings of a batch were settled.
    Usage,
    /// What had been paid for ratings went back, as their events were corrected.
    Reversal,
    /// Credits were granted.
    Grant,
    /// Credits came with a new account.
    StarterGrant,
    /// Credits were bought.
    Purchase,
    /// Granted credits went back to who granted them, as the account moved away.
    Return,
    /// Credits are held for usage to come.
    Hold,
    /// Credits that were held are free again, or are about to be charged.
    Release,
}

/// An amount that moved from one ledger account to another.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "postings")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PostingId,
    /// Why it moved.
    pub kind: PostingKind,
    /// The debited ledger account.
    pub debit_id: LedgerAccountId,
    /// The credited ledger account.
    pub credit_id: LedgerAccountId,
    /// How much, in micro-units; above zero.
    pub amount: i64,
    /// ISO 4217 code of both sides.
    pub currency: String,
    /// The batch whose ratings it settles, for usage and reversals.
    pub batch_id: Option<UsageBatchId>,
    /// The hold that it belongs to, for holds and releases.
    pub hold_id: Option<UsageHoldId>,
    /// When.
    pub created_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
