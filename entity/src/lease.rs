//! Who does what one process is enough for, and until when.

use sea_orm::entity::prelude::*;

use crate::time::Timestamp;

/// A lease that was taken at some time.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "leases")]
pub struct Model {
    /// What it is for.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The process that took it last.
    pub holder: String,
    /// How many holders it has had.
    pub term: i64,
    /// When it ends unless its holder renews it, by the database's clock.
    pub expires_at: Timestamp,
}

/// Leases stand alone.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
