//! Thresholds on usage, and when they were crossed.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let changes = if dialect::is_sqlite(manager) {
            CHANGES_SQLITE
        } else {
            CHANGES_POSTGRES
        };
        dialect::run(manager, ALERTS).await?;
        dialect::run(manager, changes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, "DROP INDEX outbox_alerts;").await?;
        for table in ["usage_alert_crossings", "usage_alerts"] {
            dialect::run(manager, &format!("DROP TABLE {table};")).await?;
        }
        if !dialect::is_sqlite(manager) {
            dialect::run(manager, "DROP FUNCTION tree_terms_alert();").await?;
        }
        Ok(())
    }
}

/// A crossing does not name its alert by a foreign key: who records usage has locked the terms of the tree, for which whoever
/// deletes an alert waits, and a second lock in another order would be a circle.
const ALERTS: &str = "
CREATE TABLE usage_alerts (
  id {text} PRIMARY KEY CHECK (id LIKE 'alr\\_%' ESCAPE '\\'),
  account_id {text} NOT NULL REFERENCES accounts (id),
  name {text} NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
  meter {text} NOT NULL CHECK (length(meter) BETWEEN 1 AND 64),
  period {text} NOT NULL CHECK (period IN ('DAY', 'MONTH')),
  include_descendants boolean NOT NULL,
  quantity bigint CHECK (quantity > 0),
  amount bigint CHECK (amount > 0),
  currency {text} NOT NULL,
  revision integer NOT NULL CHECK (revision > 0),
  created_by {text} NOT NULL,
  created_at {time} NOT NULL,
  updated_at {time} NOT NULL,
  CHECK ((quantity IS NULL) <> (amount IS NULL))
);
CREATE INDEX usage_alerts_account ON usage_alerts (account_id, id);
CREATE TABLE usage_alert_crossings (
  id {text} PRIMARY KEY CHECK (id LIKE 'alc\\_%' ESCAPE '\\'),
  alert_id {text} NOT NULL,
  revision integer NOT NULL,
  name {text} NOT NULL,
  account_id {text} NOT NULL REFERENCES accounts (id),
  meter {text} NOT NULL,
  period {text} NOT NULL,
  period_start {time} NOT NULL,
  include_descendants boolean NOT NULL,
  threshold_quantity bigint,
  threshold_amount bigint,
  quantity bigint NOT NULL,
  amount bigint NOT NULL,
  currency {text} NOT NULL,
  crossed_at {time} NOT NULL,
  UNIQUE (alert_id, revision, period_start)
);
CREATE INDEX usage_alert_crossings_alert ON usage_alert_crossings (alert_id, id);
CREATE INDEX outbox_alerts ON outbox (position) WHERE topic = 'alert';
";

/// Who records usage goes by the alerts that were there when its facts were read, so that they are terms of the tree.
const CHANGES_SQLITE: &str = "
CREATE TRIGGER tree_terms_alert_made AFTER INSERT ON usage_alerts
BEGIN
  UPDATE tree_terms SET version = version + 1 WHERE root_id IN
    (SELECT substr(path, 1, instr(path, '/') - 1) FROM accounts WHERE id = NEW.account_id);
END;
CREATE TRIGGER tree_terms_alert_changed AFTER UPDATE ON usage_alerts
BEGIN
  UPDATE tree_terms SET version = version + 1 WHERE root_id IN
    (SELECT substr(path, 1, instr(path, '/') - 1) FROM accounts WHERE id IN (OLD.account_id, NEW.account_id));
END;
CREATE TRIGGER tree_terms_alert_gone AFTER DELETE ON usage_alerts
BEGIN
  UPDATE tree_terms SET version = version + 1 WHERE root_id IN
    (SELECT substr(path, 1, instr(path, '/') - 1) FROM accounts WHERE id = OLD.account_id);
END;
";

const CHANGES_POSTGRES: &str = "
CREATE FUNCTION tree_terms_alert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tree_terms_changed(ARRAY(SELECT path FROM accounts WHERE id IN (OLD.account_id, NEW.account_id)));
  RETURN NULL;
END $$;
CREATE TRIGGER tree_terms_alert AFTER INSERT OR UPDATE OR DELETE ON usage_alerts
  FOR EACH ROW EXECUTE FUNCTION tree_terms_alert();
";
