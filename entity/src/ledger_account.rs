//! The accounts of the ledger: wallets, revenue, receivables.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, LedgerAccountId, time::Timestamp};

/// What a ledger account holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LedgerKind {
    /// Credits that the account bought; never negative.
    Purchased,
    /// Credits that it was granted or paid in advance; never negative.
    Pool,
    /// Credits out of the two that are held for usage to come; never negative.
    Held,
    /// What it earned from its buyers.
    Revenue,
    /// What it has still to bill to its buyers.
    Receivable,
    /// Where granted credits come from.
    Funding,
}

/// An account of the ledger. Triggers keep its totals; the code only reads them.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "ledger_accounts")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LedgerAccountId,
    /// Whose it is.
    pub account_id: AccountId,
    /// What it holds.
    pub kind: LedgerKind,
    /// ISO 4217 code.
    pub currency: String,
    /// Sum of all debits, in micro-units.
    pub debits: i64,
    /// Sum of all credits, in micro-units.
    pub credits: i64,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
