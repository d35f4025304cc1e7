//! What usage adds up to by quarter of an hour, day and month in UTC.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, time::Timestamp};

/// The length of a bucket as it is kept, in UTC. The days of all places are whole quarters of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BucketLength {
    /// A quarter of an hour.
    Quarter,
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

impl BucketLength {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            BucketLength::Quarter => "QUARTER",
            BucketLength::Day => "DAY",
            BucketLength::Month => "MONTH",
        }
    }
}

/// The sums of one meter in one bucket: of an account's own events, and of those of its tree, which is the account and
/// everything below it.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "usage_aggregates")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// The bucket's length.
    #[sea_orm(primary_key, auto_increment = false)]
    pub granularity: BucketLength,
    /// The bucket's first instant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket_start: Timestamp,
    /// What was measured.
    #[sea_orm(primary_key, auto_increment = false)]
    pub meter: String,
    /// How much the account used itself, in micro-units.
    pub quantity: i64,
    /// In how many events.
    pub events: i64,
    /// What the account was charged for that so far, in micro-units of its currency.
    pub amount: i64,
    /// How much its tree used, in micro-units.
    pub tree_quantity: i64,
    /// In how many events.
    pub tree_events: i64,
    /// What the accounts of the tree were charged for that so far, each by its own seller, in micro-units; only those that
    /// have the account's currency.
    pub tree_amount: i64,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
