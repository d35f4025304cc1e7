//! Who belongs to which account.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, MemberId, Role, UserId, time::Timestamp};

/// A person's membership in an account.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "members")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MemberId,
    /// The account.
    pub account_id: AccountId,
    /// The person.
    pub user_id: UserId,
    /// What the person is there.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
