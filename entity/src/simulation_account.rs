//! What a simulation came to for each account that used something.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, SimulationAccountId, SimulationId};

/// The part of one account in a simulation.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "simulation_accounts")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SimulationAccountId,
    /// The simulation.
    pub simulation_id: SimulationId,
    /// The account that used something.
    pub account_id: AccountId,
    /// How many of its events were run.
    pub events: i64,
    /// For how many of them the candidate has no price that may be charged.
    pub failures: i64,
    /// How many of its events wait for a price, and were not run.
    pub pending: i64,
    /// What was charged for the events that the candidate has a price for, in micro-units.
    pub before_amount: i64,
    /// What the candidate charges for them, in micro-units.
    pub after_amount: i64,
    /// Median of the change by event, in micro-units; none if no event has a price.
    pub p50_change: Option<i64>,
    /// 95th percentile of the change by event.
    pub p95_change: Option<i64>,
    /// How often each size of change was met.
    pub changes: Json,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
