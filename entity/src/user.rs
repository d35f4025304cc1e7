//! People who sign in.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{UserId, time::Timestamp};

/// A person.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// The address, in lower case; the login.
    pub email: String,
    /// What people call them.
    pub name: String,
    /// argon2id in PHC form; none if the person cannot sign in by password.
    pub password_hash: Option<String>,
    /// Tokens of an older version are refused.
    pub token_version: i32,
    /// Tokens of another issuer that are not younger are refused: they carry no version.
    pub tokens_revoked_at: Option<Timestamp>,
    /// When they were added.
    pub created_at: Timestamp,
    /// When they last signed in.
    pub last_sign_in_at: Option<Timestamp>,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
