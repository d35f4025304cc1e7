//! Documents that are registered for an API key.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{ApiKeyId, time::Timestamp};

/// A document of a key.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "api_key_documents")]
pub struct Model {
    /// Whose it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub api_key_id: ApiKeyId,
    /// SHA-256 of the text, in hex.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: String,
    /// The text.
    pub document: String,
    /// When it was registered.
    pub registered_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
