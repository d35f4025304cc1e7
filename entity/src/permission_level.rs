//! What a parent took away from a subaccount.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Level, PermissionKey, time::Timestamp};

/// A restriction: an absent row means the key's highest level.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "permission_levels")]
pub struct Model {
    /// The restricted account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// What is restricted.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: PermissionKey,
    /// The highest level left.
    pub level: Level,
    /// When it was set.
    pub updated_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
