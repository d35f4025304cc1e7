//! Usage events, what they add up to by quarter of an hour, day and month, and what each seller charged for them.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let terms = if dialect::is_sqlite(manager) {
            CHANGES_SQLITE
        } else {
            CHANGES_POSTGRES
        };
        dialect::run(manager, TERMS).await?;
        dialect::run(manager, terms).await?;
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
        for (trigger, table) in CHANGES {
            let on = if dialect::is_sqlite(manager) {
                String::new()
            } else {
                format!("ON {table}")
            };
            dialect::run(manager, &format!("DROP TRIGGER {trigger} {on};")).await?;
        }
        if !dialect::is_sqlite(manager) {
            dialect::run(manager, DROP_FUNCTIONS).await?;
        }
        dialect::run(manager, "DROP TABLE tree_terms;").await
    }
}

/// A row for each tree: `version` grows with each change of what prices in it depend on, and of who may record usage
/// there. Who records usage locks the row for reading, and so knows that the prices still hold without reading a row of each
/// account. Months that end before `closed_until` are closed; closing one counts as a change.
const TERMS: &str = "
CREATE TABLE tree_terms (
  root_id {text} PRIMARY KEY REFERENCES accounts (id),
  version bigint NOT NULL,
  closed_until {time}
);
";

/// The triggers that count, and what they look at.
const CHANGES: [(&str, &str); 6] = [
    ("tree_terms_planted", "accounts"),
    ("tree_terms_account", "accounts"),
    ("tree_terms_activated", "rule_activations"),
    ("tree_terms_retired", "rule_activations"),
    ("tree_terms_rule", "rule_versions"),
    ("tree_terms_plan", "plans"),
];

const CHANGES_SQLITE: &str = "
CREATE TRIGGER tree_terms_planted AFTER INSERT ON accounts WHEN NEW.parent_id IS NULL
BEGIN
  INSERT INTO tree_terms (root_id, version) VALUES (NEW.id, 1);
END;
CREATE TRIGGER tree_terms_account AFTER UPDATE OF path, status, currency, plan_id, billing_mode, credit_mode, restrictions
ON accounts
BEGIN
  INSERT INTO tree_terms (root_id, version) SELECT NEW.id, 0 WHERE NEW.parent_id IS NULL ON CONFLICT DO NOTHING;
  UPDATE tree_terms SET version = version + 1 WHERE root_id IN
    (substr(OLD.path, 1, instr(OLD.path, '/') - 1), substr(NEW.path, 1, instr(NEW.path, '/') - 1));
END;
CREATE TRIGGER tree_terms_activated AFTER INSERT ON rule_activations
BEGIN
  UPDATE tree_terms SET version = version + 1 WHERE root_id IN
    (SELECT substr(path, 1, instr(path, '/') - 1) FROM accounts WHERE id = NEW.account_id);
END;
CREATE TRIGGER tree_terms_retired AFTER UPDATE ON rule_activations
BEGIN
  UPDATE tree_terms SET version = version + 1 WHERE root_id IN
    (SELECT substr(path, 1, instr(path, '/') - 1) FROM accounts WHERE id IN (OLD.account_id, NEW.account_id));
END;
CREATE TRIGGER tree_terms_rule AFTER UPDATE ON rule_versions
BEGIN
  UPDATE tree_terms SET version = version + 1 WHERE root_id IN
    (SELECT substr(a.path, 1, instr(a.path, '/') - 1) FROM rule_activations r JOIN accounts a ON a.id = r.account_id
     WHERE r.retired_at IS NULL AND NEW.id IN (r.rule_version_id, r.last_good_version_id));
END;
CREATE TRIGGER tree_terms_plan AFTER UPDATE ON plans
BEGIN
  UPDATE tree_terms SET version = version + 1;
END;
";

const CHANGES_POSTGRES: &str = "
CREATE FUNCTION tree_terms_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_NAME = 'tree_terms_planted' THEN
    INSERT INTO tree_terms (root_id, version) VALUES (NEW.id, 1);
  ELSIF TG_NAME = 'tree_terms_account' THEN
    IF NEW.parent_id IS NULL THEN
      INSERT INTO tree_terms (root_id, version) VALUES (NEW.id, 0) ON CONFLICT DO NOTHING;
    END IF;
    UPDATE tree_terms SET version = version + 1
      WHERE root_id IN (split_part(OLD.path, '/', 1), split_part(NEW.path, '/', 1));
  ELSIF TG_NAME = 'tree_terms_rule' THEN
    UPDATE tree_terms SET version = version + 1 WHERE root_id IN
      (SELECT split_part(a.path, '/', 1) FROM rule_activations r JOIN accounts a ON a.id = r.account_id
       WHERE r.retired_at IS NULL AND NEW.id IN (r.rule_version_id, r.last_good_version_id));
  ELSIF TG_NAME = 'tree_terms_plan' THEN
    UPDATE tree_terms SET version = version + 1;
  ELSE
    UPDATE tree_terms SET version = version + 1 WHERE root_id IN
      (SELECT split_part(path, '/', 1) FROM accounts WHERE id = NEW.account_id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER tree_terms_planted AFTER INSERT ON accounts
  FOR EACH ROW WHEN (NEW.parent_id IS NULL) EXECUTE FUNCTION tree_terms_count();
CREATE TRIGGER tree_terms_account AFTER UPDATE OF path, status, currency, plan_id, billing_mode, credit_mode, restrictions
  ON accounts FOR EACH ROW
  WHEN ((OLD.path, OLD.status, OLD.currency, OLD.plan_id, OLD.billing_mode, OLD.credit_mode, OLD.restrictions)
    IS DISTINCT FROM (NEW.path, NEW.status, NEW.currency, NEW.plan_id, NEW.billing_mode, NEW.credit_mode, NEW.restrictions))
  EXECUTE FUNCTION tree_terms_count();
CREATE TRIGGER tree_terms_activated AFTER INSERT ON rule_activations FOR EACH ROW EXECUTE FUNCTION tree_terms_count();
CREATE TRIGGER tree_terms_retired AFTER UPDATE ON rule_activations FOR EACH ROW EXECUTE FUNCTION tree_terms_count();
CREATE TRIGGER tree_terms_rule AFTER UPDATE ON rule_versions FOR EACH ROW EXECUTE FUNCTION tree_terms_count();
CREATE TRIGGER tree_terms_plan AFTER UPDATE ON plans FOR EACH STATEMENT EXECUTE FUNCTION tree_terms_count();
";

const DROP_FUNCTIONS: &str = "DROP FUNCTION tree_terms_count();";

/// Rows that are written by the thousand name others without a foreign key, which would look each of them up again:
/// the transaction that writes them has locked the terms of the tree that they are in, and neither accounts nor rules are
/// ever deleted.
///
/// `batch_id` and `place` say with which others an event was recorded, and in which order. The sums of an account are its
/// own and, as `tree_`, those of everything at and below it.
///
/// A correction is an event of its own that names the one that it corrects: each is taken out, and replaced, at most once,
/// and each rating is taken back at most once. Both indexes have no entry for what was never corrected.
const USAGE: &str = "
CREATE TABLE usage_events (
  id {text} PRIMARY KEY CHECK (id LIKE 'evt\\_%' ESCAPE '\\'),
  account_id {text} NOT NULL,
  path {text} NOT NULL,
  batch_id {text} NOT NULL CHECK (batch_id LIKE 'bat\\_%' ESCAPE '\\'),
  place integer NOT NULL CHECK (place >= 0),
  idempotency_key {text} NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
  payload_digest {text} NOT NULL CHECK (length(payload_digest) = 64),
  meter {text} NOT NULL CHECK (length(meter) BETWEEN 1 AND 64),
  quantity bigint NOT NULL,
  occurred_at {time} NOT NULL,
  recorded_at {time} NOT NULL,
  attributes {text} NOT NULL,
  rating_status {text} NOT NULL CHECK (rating_status IN ('PENDING', 'RATED', 'VOIDED')),
  rating_attempts integer NOT NULL DEFAULT 0,
  correction {text} CHECK (correction IN ('REVERSAL', 'REPLACEMENT')),
  corrects_id {text},
  reason {text},
  corrected_by {text},
  counted_at {time},
  adjusts {time},
  UNIQUE (account_id, idempotency_key),
  CHECK (quantity >= 0 OR correction IS NOT NULL AND correction = 'REVERSAL'),
  CHECK ((correction IS NULL) = (corrects_id IS NULL)),
  CHECK ((correction IS NULL) = (reason IS NULL)),
  CHECK ((correction IS NULL) = (corrected_by IS NULL)),
  CHECK ((counted_at IS NULL) = (adjusts IS NULL))
);
CREATE INDEX usage_events_account ON usage_events (account_id, id);
CREATE INDEX usage_events_pending ON usage_events (rating_attempts, id) WHERE rating_status = 'PENDING';
CREATE UNIQUE INDEX usage_events_corrections ON usage_events (corrects_id, correction) WHERE corrects_id IS NOT NULL;
CREATE TABLE usage_aggregates (
  account_id {text} NOT NULL REFERENCES accounts (id),
  granularity {text} NOT NULL CHECK (granularity IN ('QUARTER', 'DAY', 'MONTH')),
  bucket_start {time} NOT NULL,
  meter {text} NOT NULL,
  quantity bigint NOT NULL,
  events bigint NOT NULL,
  amount bigint NOT NULL,
  tree_quantity bigint NOT NULL,
  tree_events bigint NOT NULL,
  tree_amount bigint NOT NULL,
  PRIMARY KEY (account_id, granularity, bucket_start, meter)
) {roomy};
CREATE TABLE ratings (
  id {text} PRIMARY KEY CHECK (id LIKE 'rat\\_%' ESCAPE '\\'),
  event_id {text} NOT NULL,
  edge integer NOT NULL CHECK (edge >= 0),
  batch_id {text} NOT NULL,
  reverses_id {text},
  seller_account_id {text} NOT NULL,
  buyer_account_id {text} NOT NULL,
  rule_version_id {text},
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
  counted_at {time},
  UNIQUE (event_id, edge),
  CHECK ((rule_version_id IS NULL) = (rule_digest IS NULL)),
  CHECK ((rule_version_id IS NULL) = (input_digest IS NULL)),
  CHECK ((rule_version_id IS NULL) = (output_digest IS NULL)),
  CHECK ((rule_version_id IS NULL) = (engine IS NULL)),
  CHECK ((rule_version_id IS NULL) = (buyer_plan IS NULL)),
  CHECK ((rule_version_id IS NULL) = (period_start IS NULL)),
  CHECK ((rule_version_id IS NULL) = (period_quantity IS NULL)),
  CHECK ((rule_version_id IS NULL) = (period_lines IS NULL)),
  CHECK (rule_version_id IS NOT NULL OR price = cost OR reverses_id IS NOT NULL),
  CHECK (rule_version_id IS NULL OR reverses_id IS NULL)
);
CREATE INDEX ratings_seller ON ratings (seller_account_id, id);
CREATE INDEX ratings_buyer ON ratings (buyer_account_id, id);
CREATE INDEX ratings_rule ON ratings (rule_version_id, id);
CREATE UNIQUE INDEX ratings_reversed ON ratings (reverses_id) WHERE reverses_id IS NOT NULL;
";
