//! Thresholds on usage.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::usage_aggregate::BucketLength;
use crate::{AccountId, UsageAlertId, time::Timestamp};

/// What an alert adds up, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlertPeriod {
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

impl AlertPeriod {
    /// The buckets of usage that are as long.
    pub fn granularity(self) -> BucketLength {
        match self {
            AlertPeriod::Day => BucketLength::Day,
            AlertPeriod::Month => BucketLength::Month,
        }
    }
}

/// A threshold on the usage of an account.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "usage_alerts")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UsageAlertId,
    /// Whose usage it is about.
    pub account_id: AccountId,
    /// What people call it.
    pub name: String,
    /// What is measured.
    pub meter: String,
    /// What is added up.
    pub period: AlertPeriod,
    /// Whether the usage of everything below counts, too.
    pub include_descendants: bool,
    /// The threshold, in micro-units, if it is a quantity.
    pub quantity: Option<i64>,
    /// The threshold, in micro-units of the account's currency, if it is an amount.
    pub amount: Option<i64>,
    /// The account's currency.
    pub currency: String,
    /// How often the threshold was set: each is crossed once in a period.
    pub revision: i32,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
