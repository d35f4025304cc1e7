//! The ledger, and billing that can move.
//!
//! A posting is one row with a debit and a credit side, so each row balances by construction. A trigger adds it
//! to the totals of both accounts, and a check on the totals refuses to overdraw a wallet. What a batch of usage moves
//! between the same two accounts is one posting; `batch_id` leads to the ratings that it settles, or takes back.
//! What a hold reserves is moved to an account of the ledger of its own, so that nothing else can spend it.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, LEDGER).await?;
        dialect::append_only(manager, "postings").await?;
        let apply = if dialect::is_sqlite(manager) {
            APPLY_SQLITE
        } else {
            APPLY_POSTGRES
        };
        dialect::run(manager, apply).await?;
        dialect::run(manager, BILLING_TRANSFERS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let cascade = if dialect::is_sqlite(manager) {
            ""
        } else {
            "CASCADE"
        };
        for table in ["billing_transfers", "postings", "ledger_accounts"] {
            dialect::run(manager, &format!("DROP TABLE {table} {cascade};")).await?;
        }
        if !dialect::is_sqlite(manager) {
            dialect::run(
                manager,
                "DROP FUNCTION postings_refuse(); DROP FUNCTION postings_apply();",
            )
            .await?;
        }
        Ok(())
    }
}

const LEDGER: &str = "
CREATE TABLE ledger_accounts (
  id {text} PRIMARY KEY CHECK (id LIKE 'lac\\_%' ESCAPE '\\'),
  account_id {text} NOT NULL REFERENCES accounts (id),
  kind {text} NOT NULL CHECK (kind IN ('PURCHASED', 'POOL', 'HELD', 'REVENUE', 'RECEIVABLE', 'FUNDING')),
  currency {text} NOT NULL CHECK (length(currency) = 3),
  debits bigint NOT NULL DEFAULT 0 CHECK (debits >= 0),
  credits bigint NOT NULL DEFAULT 0 CHECK (credits >= 0),
  created_at {time} NOT NULL,
  UNIQUE (account_id, kind, currency),
  CONSTRAINT wallet_not_negative CHECK (kind NOT IN ('PURCHASED', 'POOL', 'HELD') OR credits >= debits)
) {roomy};
CREATE TABLE postings (
  id {text} PRIMARY KEY CHECK (id LIKE 'pst\\_%' ESCAPE '\\'),
  kind {text} NOT NULL CHECK (kind IN ('USAGE', 'REVERSAL', 'GRANT', 'STARTER_GRANT', 'PURCHASE', 'RETURN', 'HOLD', 'RELEASE')),
  debit_id {text} NOT NULL REFERENCES ledger_accounts (id),
  credit_id {text} NOT NULL REFERENCES ledger_accounts (id),
  amount bigint NOT NULL CHECK (amount > 0),
  currency {text} NOT NULL,
  batch_id {text},
  hold_id {text},
  created_at {time} NOT NULL,
  CHECK (debit_id <> credit_id),
  CHECK ((kind IN ('HOLD', 'RELEASE')) = (hold_id IS NOT NULL)),
  CHECK ((kind IN ('USAGE', 'REVERSAL')) = (batch_id IS NOT NULL))
);
CREATE INDEX postings_debit ON postings (debit_id, id);
CREATE INDEX postings_credit ON postings (credit_id, id);
CREATE INDEX postings_batch ON postings (batch_id);
";

const APPLY_SQLITE: &str = "
CREATE TRIGGER postings_currency BEFORE INSERT ON postings
WHEN (SELECT count(*) FROM ledger_accounts
      WHERE id IN (NEW.debit_id, NEW.credit_id) AND currency = NEW.currency) <> 2
BEGIN SELECT RAISE(ABORT, 'a posting has one currency'); END;
CREATE TRIGGER postings_apply AFTER INSERT ON postings
BEGIN
  UPDATE ledger_accounts SET debits = debits + NEW.amount WHERE id = NEW.debit_id;
  UPDATE ledger_accounts SET credits = credits + NEW.amount WHERE id = NEW.credit_id;
END;
";

const APPLY_POSTGRES: &str = "
CREATE FUNCTION postings_apply() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  moved bigint;
BEGIN
  WITH sides AS (
    SELECT debit_id AS id, currency, sum(amount) AS debits, 0 AS credits FROM written GROUP BY debit_id, currency
    UNION ALL
    SELECT credit_id, currency, 0, sum(amount) FROM written GROUP BY credit_id, currency
  ), totals AS (
    SELECT id, currency, sum(debits) AS debits, sum(credits) AS credits FROM sides GROUP BY id, currency
  ), applied AS (
    UPDATE ledger_accounts l SET debits = l.debits + t.debits, credits = l.credits + t.credits
    FROM totals t WHERE l.id = t.id AND l.currency = t.currency RETURNING l.id
  )
  SELECT (SELECT count(*) FROM totals) - (SELECT count(*) FROM applied) INTO moved;
  IF moved <> 0 THEN RAISE EXCEPTION 'a posting has one currency'; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER postings_apply AFTER INSERT ON postings
  REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION postings_apply();
";

const BILLING_TRANSFERS: &str = "
CREATE TABLE billing_transfers (
  id {text} PRIMARY KEY CHECK (id LIKE 'btr\\_%' ESCAPE '\\'),
  account_id {text} NOT NULL REFERENCES accounts (id),
  status {text} NOT NULL CHECK (status IN ('IN_PROGRESS', 'COMPLETED', 'CANCELLED', 'EXPIRED')),
  keep_agency_access boolean NOT NULL,
  started_by {text} NOT NULL,
  started_at {time} NOT NULL,
  grace_ends_at {time} NOT NULL,
  ended_at {time},
  CHECK ((status = 'IN_PROGRESS') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX billing_transfers_open ON billing_transfers (account_id) WHERE status = 'IN_PROGRESS';
CREATE INDEX billing_transfers_account ON billing_transfers (account_id, id);
";
