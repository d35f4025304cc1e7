//! What was committed and is still to be told, or was told.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, AccountPath, time::Timestamp};

/// A committed fact for those who watch.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// Number of the row, in the order in which they were written.
    #[sea_orm(primary_key)]
    pub seq: i64,
    /// How many facts the row tells; as many places it takes in the published order.
    pub events: i32,
    /// The last of its places, which have no gaps; none until the relay gives it.
    pub position: Option<i64>,
    /// What kind of facts they are.
    pub topic: String,
    /// The account that they are about, or the nearest one that is above all that they are about.
    pub account_id: AccountId,
    /// Where that account stood.
    pub path: AccountPath,
    /// The facts, or where to find them.
    pub payload: Json,
    /// When it was written.
    pub created_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
