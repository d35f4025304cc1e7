//! What the contract suite said last of each rule version that passed it.

use sea_orm::entity::prelude::*;

use crate::{RuleVersionId, time::Timestamp};

/// The report of a version's last check.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "rule_checks")]
pub struct Model {
    /// The version.
    #[sea_orm(primary_key, auto_increment = false)]
    pub rule_version_id: RuleVersionId,
    /// What was asked and answered, as the sandbox tells it.
    pub report: Json,
    /// When.
    pub checked_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
