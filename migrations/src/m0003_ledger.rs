//! The ledger, and billing that can move.
//!
//! A posting is one row with a debit and a credit side, so each row balances by construction. A trigger adds it
//! to the totals of both accounts, and a check on the totals refuses to overdraw a wallet.

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
  kind {text} NOT NULL CHECK (kind IN ('PURCHASED', 'POOL', 'REVENUE', 'RECEIVABLE', 'FUNDING')),
  currency {text} NOT NULL CHECK (length(currency) = 3),
  debits bigint NOT NULL DEFAULT 0 CHECK (debits >= 0),
  credits bigint NOT NULL DEFAULT 0 CHECK (credits >= 0),
  created_at {time} NOT NULL,
  UNIQUE (account_id, kind, currency),
  CONSTRAINT wallet_not_negative CHECK (kind NOT IN ('PURCHASED', 'POOL') OR credits >= debits)
);
CREATE TABLE postings (
  id {text} PRIMARY KEY CHECK (id LIKE 'pst\\_%' ESCAPE '\\'),
  kind {text} NOT NULL CHECK (kind IN ('USAGE', 'GRANT', 'STARTER_GRANT', 'PURCHASE')),
  debit_id {text} NOT NULL REFERENCES ledger_accounts (id),
  credit_id {text} NOT NULL REFERENCES ledger_accounts (id),
  amount bigint NOT NULL CHECK (amount > 0),
  currency {text} NOT NULL,
  rating_id {text} REFERENCES ratings (id),
  created_at {time} NOT NULL,
  CHECK (debit_id <> credit_id),
  CHECK ((kind = 'USAGE') = (rating_id IS NOT NULL))
);
CREATE INDEX postings_debit ON postings (debit_id, id);
CREATE INDEX postings_credit ON postings (credit_id, id);
CREATE INDEX postings_rating ON postings (rating_id);
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
BEGIN
  UPDATE ledger_accounts SET debits = debits + NEW.amount WHERE id = NEW.debit_id AND currency = NEW.currency;
  IF NOT FOUND THEN RAISE EXCEPTION 'a posting has one currency'; END IF;
  UPDATE ledger_accounts SET credits = credits + NEW.amount WHERE id = NEW.credit_id AND currency = NEW.currency;
  IF NOT FOUND THEN RAISE EXCEPTION 'a posting has one currency'; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER postings_apply AFTER INSERT ON postings FOR EACH ROW EXECUTE FUNCTION postings_apply();
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
