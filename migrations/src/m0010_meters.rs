//! What meters that are more than sums need: which values there were.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, VALUES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, "DROP TABLE valued_events; DROP TABLE usage_values;").await
    }
}

/// How often each value occurs in a bucket: in an account's own events, and in those of its tree. Rows that say never
/// stay, and are as if they were not there. `valued_events` says which event put which value in, for the view of which
/// account: what takes the event out goes by that, and not by what is declared then.
const VALUES: &str = "
CREATE TABLE usage_values (
  account_id {text} NOT NULL,
  granularity {text} NOT NULL CHECK (granularity IN ('QUARTER', 'DAY', 'MONTH')),
  bucket_start {time} NOT NULL,
  meter {text} NOT NULL,
  value {text} NOT NULL,
  quantity bigint NOT NULL,
  own bigint NOT NULL,
  tree bigint NOT NULL,
  PRIMARY KEY (account_id, granularity, bucket_start, meter, value),
  CHECK (own >= 0 AND tree >= own)
);
CREATE TABLE valued_events (
  event_id {text} NOT NULL,
  account_id {text} NOT NULL,
  value {text} NOT NULL,
  quantity bigint NOT NULL,
  PRIMARY KEY (event_id, account_id)
);
";
