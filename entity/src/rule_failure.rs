//! The last failures of each rule version, for its owner.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, RuleFailureId, RuleVersionId, time::Timestamp};

/// A call that a rule failed.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "rule_failures")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RuleFailureId,
    /// The version.
    pub rule_version_id: RuleVersionId,
    /// At whose edge it was called.
    pub account_id: AccountId,
    /// What tells one thing that it failed on from another.
    pub subject: String,
    /// The stable name of what went wrong: `trap`, `out_of_fuel`, `below_cost`, …
    pub kind: String,
    /// What went wrong, as a sentence.
    pub message: String,
    /// What the rule had logged: a list of texts.
    pub logs: Json,
    /// What it was given; none if that was too large to keep.
    pub input: Option<Json>,
    /// Whether it may lead to a quarantine.
    pub counted: bool,
    /// When.
    pub failed_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
