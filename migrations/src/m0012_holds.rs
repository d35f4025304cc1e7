//! Holds: credits that are reserved for usage to come.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, HOLDS).await?;
        dialect::append_only(manager, "usage_hold_edges").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, "DROP TABLE usage_hold_edges; DROP TABLE usage_holds;").await?;
        if !dialect::is_sqlite(manager) {
            dialect::run(manager, "DROP FUNCTION usage_hold_edges_refuse();").await?;
        }
        Ok(())
    }
}

/// A hold ends once. `usage_hold_edges` says what was quoted along the chain, from what, and which credits are held for it;
/// what of a price is not held is what the buyer's parent pays.
const HOLDS: &str = "
CREATE TABLE usage_holds (
  id {text} PRIMARY KEY CHECK (id LIKE 'hld\\_%' ESCAPE '\\'),
  account_id {text} NOT NULL REFERENCES accounts (id),
  path {text} NOT NULL,
  idempotency_key {text} NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
  payload_digest {text} NOT NULL CHECK (length(payload_digest) = 43),
  meter {text} NOT NULL CHECK (length(meter) BETWEEN 1 AND 64),
  quantity bigint NOT NULL CHECK (quantity >= 0),
  attributes {text} NOT NULL,
  currency {text} NOT NULL CHECK (length(currency) = 3),
  price bigint NOT NULL CHECK (price >= 0),
  rule_version_id {text} REFERENCES rule_versions (id),
  rule_digest {text},
  status {text} NOT NULL CHECK (status IN ('HELD', 'SETTLED', 'VOIDED', 'EXPIRED')),
  created_at {time} NOT NULL,
  expires_at {time} NOT NULL,
  ended_at {time},
  event_id {text} UNIQUE,
  UNIQUE (account_id, idempotency_key),
  CHECK ((rule_version_id IS NULL) = (rule_digest IS NULL)),
  CHECK ((status = 'HELD') = (ended_at IS NULL)),
  CHECK ((status = 'SETTLED') = (event_id IS NOT NULL))
);
CREATE INDEX usage_holds_account ON usage_holds (account_id, id);
CREATE INDEX usage_holds_due ON usage_holds (expires_at) WHERE status = 'HELD';
CREATE TABLE usage_hold_edges (
  hold_id {text} NOT NULL REFERENCES usage_holds (id),
  edge integer NOT NULL CHECK (edge >= 0),
  seller_account_id {text} NOT NULL REFERENCES accounts (id),
  buyer_account_id {text} NOT NULL REFERENCES accounts (id),
  rule_version_id {text} REFERENCES rule_versions (id),
  buyer_plan {text},
  period_quantity bigint NOT NULL,
  period_lines bigint NOT NULL,
  cost bigint NOT NULL,
  price bigint NOT NULL,
  purchased bigint NOT NULL CHECK (purchased >= 0),
  pool bigint NOT NULL CHECK (pool >= 0),
  PRIMARY KEY (hold_id, edge),
  CHECK (purchased + pool <= price)
);
";
