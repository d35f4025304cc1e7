//! Months whose usage is closed.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, PERIODS).await?;
        dialect::append_only(manager, "usage_periods").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, "DROP TABLE usage_periods;").await?;
        if !dialect::is_sqlite(manager) {
            dialect::run(manager, "DROP FUNCTION usage_periods_refuse();").await?;
        }
        Ok(())
    }
}

/// `tree_terms.closed_until` decides; these rows say since when, for each month in which the tree had usage or that came
/// after one.
const PERIODS: &str = "
CREATE TABLE usage_periods (
  root_id {text} NOT NULL REFERENCES accounts (id),
  starts_at {time} NOT NULL,
  closed_at {time} NOT NULL,
  PRIMARY KEY (root_id, starts_at)
);
";
