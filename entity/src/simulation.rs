//! Runs of a pricing rule beside what was charged: dry runs on what is stored, and shadows on what comes in.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, RuleVersionId, SimulationId, time::Timestamp};

/// What a simulation goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimulationKind {
    /// The usage of a period that is stored.
    DryRun,
    /// New usage, as long as the version is in status SHADOW.
    Shadow,
}

/// How far a simulation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimulationStatus {
    /// It runs, or waits for a worker.
    Running,
    /// It is complete.
    Done,
    /// It broke off; `error` says why.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

/// A simulation.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "simulations")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SimulationId,
    /// The seller at whose edge it is.
    pub account_id: AccountId,
    /// The candidate.
    pub rule_version_id: RuleVersionId,
    /// What it goes by.
    pub kind: SimulationKind,
    /// How far it is.
    pub status: SimulationStatus,
    /// What the candidate is called with in place of its own configuration.
    pub configuration: Option<Json>,
    /// Only these accounts and those below them: an array of ids; empty for all customers.
    pub account_ids: Json,
    /// The first instant of usage that counts.
    pub period_from: Timestamp,
    /// The first instant after it; none for a shadow.
    pub period_to: Option<Timestamp>,
    /// Whether answers are compared with the receipts.
    pub verify: bool,
    /// ISO 4217 code of all money in it.
    pub currency: String,
    /// How many events there are, at most, until it is done.
    pub events_total: i64,
    /// How many were run.
    pub events_done: i64,
    /// For how many of them the candidate has no price that may be charged.
    pub failures: i64,
    /// How many events wait for a price, and are not among those that were run.
    pub pending: i64,
    /// How many answers differ from their receipts; none if that was not asked.
    pub differing: Option<i64>,
    /// What was charged for the events that the candidate has a price for, in micro-units.
    pub before_amount: i64,
    /// What the candidate charges for them, in micro-units.
    pub after_amount: i64,
    /// Median of the change by event, in micro-units; none without events.
    pub p50_change: Option<i64>,
    /// 95th percentile of the change by event.
    pub p95_change: Option<i64>,
    /// How often each size of change was met.
    pub changes: Json,
    /// What went wrong with the first event that failed.
    pub failure_message: Option<String>,
    /// Why the simulation broke off.
    pub error: Option<String>,
    /// Up to which position of the outbox a shadow has looked.
    pub position: Option<i64>,
    /// Who started it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When a worker took it up.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The worker that runs it.
    pub lease_holder: Option<String>,
    /// Until when that worker has it.
    pub lease_until: Option<Timestamp>,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
