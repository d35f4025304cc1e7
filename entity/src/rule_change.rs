//! The life of each rule version, step by step; the database refuses to change it.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::rule_version::RuleStatus;
use crate::{AccountId, RuleChangeId, RuleVersionId, time::Timestamp};

/// A step in the life of a version.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "rule_changes")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RuleChangeId,
    /// The version.
    pub rule_version_id: RuleVersionId,
    /// Its owner.
    pub account_id: AccountId,
    /// What it was; none for its upload.
    pub from_status: Option<RuleStatus>,
    /// What it is from then on.
    pub to_status: RuleStatus,
    /// Who did it: the id of a user or key, or `system`.
    pub changed_by: String,
    /// Why, in words.
    pub reason: Option<String>,
    /// How many failures led to a quarantine.
    pub failures: Option<i32>,
    /// When.
    pub changed_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
