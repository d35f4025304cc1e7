//! Which rule version was live at which account, and when.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, RuleActivationId, RuleVersionId, rule_version::RuleKind, time::Timestamp};

/// The time during which a rule version was live at an account.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "rule_activations")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RuleActivationId,
    /// The account at whose edge it holds.
    pub account_id: AccountId,
    /// What it decides.
    pub kind: RuleKind,
    /// The version.
    pub rule_version_id: RuleVersionId,
    /// The version to go back to: the one that was live before, unless it was in quarantine then.
    pub last_good_version_id: Option<RuleVersionId>,
    /// Who activated it.
    pub activated_by: String,
    /// From when on.
    pub activated_at: Timestamp,
    /// Until when; none while it is live.
    pub retired_at: Option<Timestamp>,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
