//! Answers kept for retries of a mutation.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The answer to a mutation that carried an idempotency key.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "idempotency_records")]
pub struct Model {
    /// Whose key it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub actor: String,
    /// The mutation's name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub operation: String,
    /// The caller's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub idempotency_key: String,
    /// SHA-256 of the input, in hex.
    pub request_digest: String,
    /// What a replay is answered from.
    pub response: Json,
    /// When it was first answered.
    pub created_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
