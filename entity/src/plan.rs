//! Plans: the configuration of a limits rule, as data.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, PlanId, RuleVersionId, time::Timestamp};

/// A plan.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "plans")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PlanId,
    /// Who offers it; none for those that Canopy ships.
    pub owner_account_id: Option<AccountId>,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The rule that evaluates it.
    pub limits_rule_version_id: RuleVersionId,
    /// What the rule is configured with.
    pub limits_configuration: Json,
    /// Its meters: an object with `declared` and `undeclared`, both of which may be missing.
    pub meters: Json,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
