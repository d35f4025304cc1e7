//! Dry runs of pricing rules on usage that was rated, and how far a new version may be from what was charged.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, SIMULATIONS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let cascade = if dialect::is_sqlite(manager) {
            ""
        } else {
            "CASCADE"
        };
        for table in ["rule_guards", "simulation_accounts", "simulations"] {
            dialect::run(manager, &format!("DROP TABLE {table} {cascade};")).await?;
        }
        Ok(())
    }
}

/// An account has one dry run at a time, and a version one shadow; the indexes hold that. A dry run that waits for a
/// worker has no lease; a worker that runs one keeps its lease in the future.
const SIMULATIONS: &str = "
CREATE TABLE simulations (
  id {text} PRIMARY KEY CHECK (id LIKE 'sim\\_%' ESCAPE '\\'),
  account_id {text} NOT NULL REFERENCES accounts (id),
  rule_version_id {text} NOT NULL REFERENCES rule_versions (id),
  kind {text} NOT NULL CHECK (kind IN ('DRY_RUN', 'SHADOW')),
  status {text} NOT NULL CHECK (status IN ('RUNNING', 'DONE', 'FAILED', 'CANCELLED')),
  configuration {json},
  account_ids {json} NOT NULL,
  period_from {time} NOT NULL,
  period_to {time},
  verify boolean NOT NULL,
  currency {text} NOT NULL CHECK (length(currency) = 3),
  events_total bigint NOT NULL CHECK (events_total >= 0),
  events_done bigint NOT NULL CHECK (events_done >= 0),
  failures bigint NOT NULL CHECK (failures >= 0),
  pending bigint NOT NULL CHECK (pending >= 0),
  differing bigint CHECK (differing >= 0),
  before_amount bigint NOT NULL,
  after_amount bigint NOT NULL,
  p50_change bigint,
  p95_change bigint,
  changes {json} NOT NULL,
  failure_message text,
  error text,
  position bigint,
  created_by {text} NOT NULL,
  created_at {time} NOT NULL,
  started_at {time},
  finished_at {time},
  lease_holder {text},
  lease_until {time},
  CHECK ((status = 'RUNNING') = (finished_at IS NULL)),
  CHECK ((status = 'FAILED') = (error IS NOT NULL)),
  CHECK ((kind = 'SHADOW') = (position IS NOT NULL)),
  CHECK (kind = 'SHADOW' OR period_to IS NOT NULL),
  CHECK (failures <= events_done)
);
CREATE INDEX simulations_account ON simulations (account_id, id);
CREATE INDEX simulations_version ON simulations (rule_version_id, id);
CREATE INDEX simulations_running ON simulations (kind, id) WHERE status = 'RUNNING';
CREATE UNIQUE INDEX simulations_dry_run ON simulations (account_id) WHERE status = 'RUNNING' AND kind = 'DRY_RUN';
CREATE UNIQUE INDEX simulations_shadow ON simulations (rule_version_id) WHERE status = 'RUNNING' AND kind = 'SHADOW';
CREATE TABLE simulation_accounts (
  id {text} PRIMARY KEY CHECK (id LIKE 'sma\\_%' ESCAPE '\\'),
  simulation_id {text} NOT NULL REFERENCES simulations (id) ON DELETE CASCADE,
  account_id {text} NOT NULL REFERENCES accounts (id),
  events bigint NOT NULL CHECK (events >= 0),
  failures bigint NOT NULL CHECK (failures >= 0),
  pending bigint NOT NULL CHECK (pending >= 0),
  before_amount bigint NOT NULL,
  after_amount bigint NOT NULL,
  p50_change bigint,
  p95_change bigint,
  changes {json} NOT NULL,
  UNIQUE (simulation_id, account_id),
  CHECK (failures <= events)
);
CREATE INDEX simulation_accounts_simulation ON simulation_accounts (simulation_id, id);
CREATE TABLE rule_guards (
  account_id {text} PRIMARY KEY REFERENCES accounts (id),
  max_variance bigint NOT NULL CHECK (max_variance >= 0),
  updated_at {time} NOT NULL
);
";
