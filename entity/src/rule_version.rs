//! Versions of rules: wasm by its digest, and a configuration.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, RuleVersionId, time::Timestamp};

/// What a rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleKind {
    /// What a buyer pays for usage.
    Pricing,
    /// How much an account may have.
    Limits,
}

/// Where in its life a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleStatus {
    /// Uploaded, not checked.
    Draft,
    /// It passed its checks and may be activated.
    Checked,
    /// It runs beside the live version and decides nothing.
    Shadow,
    /// It decides.
    Active,
    /// It was taken out of use.
    Retired,
    /// It is live and failed too often: its failure policy decides, and it is not called.
    Quarantined,
}

/// What a call of a rule may cost, by which bounds its wasm fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleClass {
    /// Compiled from a language like Rust or C.
    Small,
    /// With an interpreter inside.
    Interpreter,
}

/// What happens when a rule fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailurePolicy {
    /// The usage is kept and its rating waits; for pricing.
    KeepPending,
    /// What was asked for is refused.
    Deny,
    /// Pricing: the live rule of the nearest seller above decides. Limits: what holds above is all that holds.
    ParentRule,
    /// The version that was live before decides.
    LastGood,
}

/// A version of a rule.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "rule_versions")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RuleVersionId,
    /// Whose it is; none for those that Canopy ships.
    pub owner_account_id: Option<AccountId>,
    /// What it decides.
    pub kind: RuleKind,
    /// The rule's name within its owner.
    pub name: String,
    /// Number of the version within the name, from 1.
    pub version: i32,
    /// SHA-256 of its wasm, in hex.
    pub digest: String,
    /// Size of its wasm.
    pub size_bytes: i64,
    /// What a call may cost.
    pub class: RuleClass,
    /// Where in its life it is.
    pub status: RuleStatus,
    /// What it is called with.
    pub configuration: Json,
    /// What happens when it fails.
    pub failure_policy: FailurePolicy,
    /// Who uploaded it.
    pub created_by: String,
    /// When it was uploaded.
    pub created_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
