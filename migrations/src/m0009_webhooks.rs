//! Where webhooks go, what is to be sent there, and what became of it.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, WEBHOOKS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "webhook_attempts",
            "webhook_deliveries",
            "webhook_secrets",
            "webhook_endpoints",
        ] {
            dialect::run(manager, &format!("DROP TABLE {table};")).await?;
        }
        Ok(())
    }
}

/// Secrets are kept as they are, because whoever signs needs them; nothing reads them together with an endpoint. Of an
/// endpoint's secrets the one that does not expire is the present one.
const WEBHOOKS: &str = "
CREATE TABLE webhook_endpoints (
  id {text} PRIMARY KEY CHECK (id LIKE 'whe\\_%' ESCAPE '\\'),
  account_id {text} NOT NULL REFERENCES accounts (id),
  url {text} NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
  description {text} NOT NULL CHECK (length(description) <= 500),
  enabled boolean NOT NULL,
  include_descendants boolean NOT NULL,
  event_types {json} NOT NULL,
  previous_secret_until {time},
  created_by {text} NOT NULL,
  created_at {time} NOT NULL,
  updated_at {time} NOT NULL
);
CREATE INDEX webhook_endpoints_account ON webhook_endpoints (account_id, id);
CREATE TABLE webhook_secrets (
  endpoint_id {text} NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
  secret {text} NOT NULL CHECK (secret LIKE 'whsec\\_%' ESCAPE '\\'),
  created_at {time} NOT NULL,
  expires_at {time},
  PRIMARY KEY (endpoint_id, secret)
);
CREATE UNIQUE INDEX webhook_secrets_present ON webhook_secrets (endpoint_id) WHERE expires_at IS NULL;
CREATE TABLE webhook_deliveries (
  id {text} PRIMARY KEY CHECK (id LIKE 'whd\\_%' ESCAPE '\\'),
  endpoint_id {text} NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
  event_type {text} NOT NULL,
  subject {text} NOT NULL,
  body {text} NOT NULL,
  status {text} NOT NULL CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED')),
  attempts integer NOT NULL CHECK (attempts >= 0),
  next_attempt_at {time},
  since {time} NOT NULL,
  created_at {time} NOT NULL,
  ended_at {time},
  CHECK ((status = 'PENDING') = (next_attempt_at IS NOT NULL)),
  CHECK ((status = 'PENDING') = (ended_at IS NULL))
);
CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE status = 'PENDING';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE status <> 'PENDING';
CREATE TABLE webhook_attempts (
  id {text} PRIMARY KEY CHECK (id LIKE 'wha\\_%' ESCAPE '\\'),
  delivery_id {text} NOT NULL REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
  started_at {time} NOT NULL,
  duration_ms integer NOT NULL,
  status_code integer,
  error {text},
  response {text}
);
CREATE INDEX webhook_attempts_delivery ON webhook_attempts (delivery_id, id);
";
