//! API keys: only a digest of the secret is kept.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, ApiKeyId, time::Timestamp};

/// An API key.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiKeyId,
    /// The account that it acts for, with all below.
    pub account_id: AccountId,
    /// What people call it.
    pub name: String,
    /// The visible beginning of the key.
    pub prefix: String,
    /// SHA-256 of the whole key, in hex.
    pub secret_hash: String,
    /// Permission levels by key; a missing key is NONE.
    pub levels: Json,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Network ranges from which it may be used; from anywhere if there are none.
    pub allowed_ips: Json,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Whether it may run nothing but the documents that are registered for it.
    pub persisted_only: bool,
    /// How often its documents were changed.
    pub documents_version: i32,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
