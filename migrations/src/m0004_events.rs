//! What happened: the outbox for those who watch, the audit log, and answers kept for retries.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, EVENTS).await?;
        dialect::append_only(manager, "audit_log").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let cascade = if dialect::is_sqlite(manager) {
            ""
        } else {
            "CASCADE"
        };
        for table in ["idempotency_records", "audit_log", "outbox"] {
            dialect::run(manager, &format!("DROP TABLE {table} {cascade};")).await?;
        }
        if !dialect::is_sqlite(manager) {
            dialect::run(manager, "DROP FUNCTION audit_log_refuse();").await?;
        }
        Ok(())
    }
}

/// `outbox.position` is given by the relay after the commit, in an order without gaps: transactions commit in
/// another order than they draw `seq`, so a reader that went by `seq` would miss rows. A row that tells of several usage
/// events takes as many places: its position is that of the last of them.
const EVENTS: &str = "
CREATE TABLE outbox (
  seq {serial},
  events integer NOT NULL DEFAULT 1 CHECK (events > 0),
  position bigint UNIQUE CHECK (position >= events),
  topic {text} NOT NULL,
  account_id {text} NOT NULL REFERENCES accounts (id),
  path {text} NOT NULL,
  payload {json} NOT NULL,
  created_at {time} NOT NULL
);
CREATE INDEX outbox_unpublished ON outbox (seq) WHERE position IS NULL;
CREATE INDEX outbox_account ON outbox (account_id, position);
CREATE TABLE audit_log (
  id {text} PRIMARY KEY CHECK (id LIKE 'aud\\_%' ESCAPE '\\'),
  account_id {text} NOT NULL REFERENCES accounts (id),
  path {text} NOT NULL,
  actor {text} NOT NULL,
  action {text} NOT NULL,
  target {text} NOT NULL,
  detail {json} NOT NULL,
  created_at {time} NOT NULL
);
CREATE INDEX audit_log_account ON audit_log (account_id, id);
CREATE TABLE idempotency_records (
  actor {text} NOT NULL,
  operation {text} NOT NULL,
  idempotency_key {text} NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
  request_digest {text} NOT NULL CHECK (length(request_digest) = 64),
  response {json} NOT NULL,
  created_at {time} NOT NULL,
  PRIMARY KEY (actor, operation, idempotency_key)
);
";
