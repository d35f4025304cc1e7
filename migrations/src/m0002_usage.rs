//! Usage events, what they add up to by hour, day and month, and what each seller charged for them.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, USAGE).await?;
        dialect::append_only(manager, "ratings").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let cascade = if dialect::is_sqlite(manager) {
            ""
        } else {
            "CASCADE"
        };
        for table in ["ratings", "usage_aggregates", "usage_events"] {
            dialect::run(manager, &format!("DROP TABLE {table} {cascade};")).await?;
        }
        if !dialect::is_sqlite(manager) {
            dialect::run(manager, "DROP FUNCTION ratings_refuse();").await?;
        }
        Ok(())
    }
}

const USAGE: &str = "
CREATE TABLE usage_events (
  id {text} PRIMARY KEY CHECK (id LIKE 'evt\\_%' ESCAPE '\\'),
  account_id {text} NOT NULL REFERENCES accounts (id),
  path {text} NOT NULL,
  idempotency_key {text} NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
  payload_digest {text} NOT NULL CHECK (length(payload_digest) = 64),
  meter {text} NOT NULL CHECK (length(meter) BETWEEN 1 AND 64),
  quantity bigint NOT NULL CHECK (quantity >= 0),
  occurred_at {time} NOT NULL,
  recorded_at {time} NOT NULL,
  attributes {text} NOT NULL,
  rating_status {text} NOT NULL CHECK (rating_status IN ('PENDING', 'RATED')),
  rating_attempts integer NOT NULL DEFAULT 0,
  UNIQUE (account_id, idempotency_key)
);
CREATE INDEX usage_events_account ON usage_events (account_id, id);
CREATE INDEX usage_events_pending ON usage_events (rating_attempts, id) WHERE rating_status = 'PENDING';
CREATE TABLE usage_aggregates (
  account_id {text} NOT NULL REFERENCES accounts (id),
  granularity {text} NOT NULL CHECK (granularity IN ('HOUR', 'DAY', 'MONTH')),
  bucket_start {time} NOT NULL,
  meter {text} NOT NULL,
  quantity bigint NOT NULL,
  events bigint NOT NULL CHECK (events >= 0),
  amount bigint NOT NULL,
  PRIMARY KEY (account_id, granularity, bucket_start, meter)
);
CREATE TABLE ratings (
  id {text} PRIMARY KEY CHECK (id LIKE 'rat\\_%' ESCAPE '\\'),
  event_id {text} NOT NULL REFERENCES usage_events (id),
  edge integer NOT NULL CHECK (edge >= 0),
  seller_account_id {text} NOT NULL REFERENCES accounts (id),
  buyer_account_id {text} NOT NULL REFERENCES accounts (id),
  rule_version_id {text} REFERENCES rule_versions (id),
  rule_digest {text},
  input_digest {text},
  output_digest {text},
  engine {text},
  buyer_plan {text},
  period_start bigint,
  period_quantity bigint,
  period_lines bigint,
  fuel bigint,
  cost bigint NOT NULL,
  price bigint NOT NULL,
  currency {text} NOT NULL,
  line_items {json} NOT NULL,
  created_at {time} NOT NULL,
  UNIQUE (event_id, edge),
  CHECK ((rule_version_id IS NULL) = (rule_digest IS NULL)),
  CHECK ((rule_version_id IS NULL) = (input_digest IS NULL)),
  CHECK ((rule_version_id IS NULL) = (output_digest IS NULL)),
  CHECK ((rule_version_id IS NULL) = (engine IS NULL)),
  CHECK ((rule_version_id IS NULL) = (buyer_plan IS NULL)),
  CHECK ((rule_version_id IS NULL) = (period_start IS NULL)),
  CHECK ((rule_version_id IS NULL) = (period_quantity IS NULL)),
  CHECK ((rule_version_id IS NULL) = (period_lines IS NULL)),
  CHECK (rule_version_id IS NOT NULL OR price = cost)
);
CREATE INDEX ratings_seller ON ratings (seller_account_id, id);
CREATE INDEX ratings_buyer ON ratings (buyer_account_id, id);
CREATE INDEX ratings_rule ON ratings (rule_version_id, id);
";
