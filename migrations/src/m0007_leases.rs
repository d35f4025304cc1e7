//! Which process does what one process is enough for.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, LEASES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, "DROP TABLE leases;").await
    }
}

/// `term` grows each time that another holder takes a lease. The times are the database's, so that the clocks of the
/// processes need not agree.
const LEASES: &str = "
CREATE TABLE leases (
  name {text} PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
  holder {text} NOT NULL CHECK (length(holder) BETWEEN 1 AND 128),
  term bigint NOT NULL CHECK (term > 0),
  expires_at {time} NOT NULL
);
";
