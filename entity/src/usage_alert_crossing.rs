//! That usage crossed a threshold.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::usage_alert::AlertPeriod;
use crate::{AccountId, UsageAlertCrossingId, UsageAlertId, time::Timestamp};

/// A crossing, with the alert as it was then.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "usage_alert_crossings")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UsageAlertCrossingId,
    /// The alert.
    pub alert_id: UsageAlertId,
    /// Which of its thresholds.
    pub revision: i32,
    /// The alert's name.
    pub name: String,
    /// Whose usage it is.
    pub account_id: AccountId,
    /// What was measured.
    pub meter: String,
    /// What was added up.
    pub period: AlertPeriod,
    /// The period's first instant.
    pub period_start: Timestamp,
    /// Whether the usage of everything below counted, too.
    pub include_descendants: bool,
    /// The threshold, in micro-units, if it is a quantity.
    pub threshold_quantity: Option<i64>,
    /// The threshold, in micro-units of the currency, if it is an amount.
    pub threshold_amount: Option<i64>,
    /// What had been used in the period by then, in micro-units.
    pub quantity: i64,
    /// What had been charged for it by then, in micro-units of the currency.
    pub amount: i64,
    /// The account's currency.
    pub currency: String,
    /// When it was crossed.
    pub crossed_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
