//! What accounts have left of the points that answers cost, for all processes together.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, BUDGETS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, "DROP TABLE budgets;").await
    }
}

/// An account without a row has its whole budget.
const BUDGETS: &str = "
CREATE TABLE budgets (
  account_id {text} PRIMARY KEY REFERENCES accounts (id),
  points bigint NOT NULL CHECK (points >= 0),
  drawn_at {time} NOT NULL
);
";
