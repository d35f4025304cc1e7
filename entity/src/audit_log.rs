//! The audit log; the database refuses to change it.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, AccountPath, AuditId, time::Timestamp};

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "audit_log")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditId,
    /// The account that it was done to.
    pub account_id: AccountId,
    /// Where that account stood.
    pub path: AccountPath,
    /// Who did it: the id of a user or key, or `system`.
    pub actor: String,
    /// What was done, as noun and verb: `subaccount.create`.
    pub action: String,
    /// The id of what it was done to.
    pub target: String,
    /// What changed.
    pub detail: Json,
    /// When.
    pub created_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
