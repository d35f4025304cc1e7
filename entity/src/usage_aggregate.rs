//! What usage adds up to by hour, day and month in UTC.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, time::Timestamp};

/// The length of a bucket, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Granularity {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

/// The sum of an account's own events of one meter in one bucket.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "usage_aggregates")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// The bucket's length.
    #[sea_orm(primary_key, auto_increment = false)]
    pub granularity: Granularity,
    /// The bucket's first instant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket_start: Timestamp,
    /// What was measured.
    #[sea_orm(primary_key, auto_increment = false)]
    pub meter: String,
    /// How much, in micro-units.
    pub quantity: i64,
    /// How many events.
    pub events: i64,
    /// What the account was charged so far, in micro-units of its currency.
    pub amount: i64,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
