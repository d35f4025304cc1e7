//! Months that are closed: nothing is added to their sums any more. The database refuses to change or delete them.

use sea_orm::entity::prelude::*;

use crate::{AccountId, time::Timestamp};

/// A month in UTC that is closed for a tree.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_periods")]
pub struct Model {
    /// The topmost account of the tree.
    #[sea_orm(primary_key, auto_increment = false)]
    pub root_id: AccountId,
    /// Its first instant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub starts_at: Timestamp,
    /// When it was closed.
    pub closed_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
