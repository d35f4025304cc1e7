//! How far a pricing rule may be from what was charged before, to be activated without being confirmed.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, time::Timestamp};

/// The guard of one account.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "rule_guards")]
pub struct Model {
    /// The seller.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// The greatest variance, in millionths of a percent.
    pub max_variance: i64,
    /// When it was set.
    pub updated_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
