//! Limits that a parent sets on one account, beside those of its plan.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, time::Timestamp};

/// A limit on one resource of one account.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "account_limits")]
pub struct Model {
    /// The limited account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// What is limited, as the limits rule names it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource: String,
    /// The highest allowed count.
    pub maximum: i64,
    /// When it was set.
    pub updated_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
