//! What one seller quoted one buyer for a hold, and what of the buyer's credits is held for it. Never changed.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, PlanId, RuleVersionId, UsageHoldId};

/// An edge of the chain of a hold.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "usage_hold_edges")]
pub struct Model {
    /// The hold.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hold_id: UsageHoldId,
    /// Place in the chain; 0 is the topmost seller.
    #[sea_orm(primary_key, auto_increment = false)]
    pub edge: i32,
    /// Who sells.
    pub seller_account_id: AccountId,
    /// Who buys.
    pub buyer_account_id: AccountId,
    /// The version that priced it, and will; none if the seller passed its cost on.
    pub rule_version_id: Option<RuleVersionId>,
    /// The buyer's plan, as the rule was told.
    pub buyer_plan: Option<PlanId>,
    /// What the buyer had used in the month before, as the rule was told, in micro-units.
    pub period_quantity: i64,
    /// In how many events.
    pub period_lines: i64,
    /// What the seller pays for all of it, in micro-units.
    pub cost: i64,
    /// What the buyer pays for all of it.
    pub price: i64,
    /// What is held of the buyer's purchased credits.
    pub purchased: i64,
    /// What is held of its pool. What is left of the price is its parent's.
    pub pool: i64,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
