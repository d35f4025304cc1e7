//! The wasm of the rules, once per digest.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// An uploaded component.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "rule_artifacts")]
pub struct Model {
    /// SHA-256 of the bytes, in hex.
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: String,
    /// The bytes.
    pub wasm: Vec<u8>,
    /// The JSON Schema of its configuration, if it carries one.
    pub configuration_schema: Option<Json>,
    /// When it was first uploaded.
    pub created_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
