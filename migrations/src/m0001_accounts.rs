//! Rules, plans, the account tree, and who may do what in it.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Accounts have plans, plans have rules, and rules have an owning account. PostgreSQL closes the circle
        // afterwards; SQLite accepts a reference to a table that is still to come.
        let sqlite = dialect::is_sqlite(manager);
        let owner = if sqlite { "REFERENCES accounts (id)" } else { "" };
        dialect::run(manager, &RULES.replace("{owner}", owner)).await?;
        dialect::run(manager, &PLANS_AND_ACCOUNTS.replace("{owner}", owner)).await?;
        if !sqlite {
            dialect::run(manager, CLOSE_THE_CIRCLE).await?;
        }
        dialect::run(manager, ACTIVATIONS).await?;
        dialect::run(manager, RULE_RECORDS).await?;
        dialect::append_only(manager, "rule_changes").await?;
        dialect::run(manager, POSITIONS).await?;
        dialect::append_only(manager, "account_positions").await?;
        dialect::run(manager, PEOPLE).await?;
        dialect::run(manager, PERMISSIONS_AND_LIMITS).await?;
        told_by_the_account(manager, "restrictions", "permission_levels", ["key", "level"]).await?;
        told_by_the_account(manager, "limits_set", "account_limits", ["resource", "maximum"]).await?;
        dialect::run(manager, if sqlite { COUNTS_SQLITE } else { COUNTS_POSTGRES }).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let cascade = if dialect::is_sqlite(manager) {
            ""
        } else {
            "CASCADE"
        };
        for table in [
            "account_limits",
            "permission_levels",
            "api_key_documents",
            "api_keys",
            "members",
            "users",
            "rule_failures",
            "rule_checks",
            "rule_changes",
            "rule_activations",
            "account_positions",
            "accounts",
            "plans",
            "rule_versions",
            "rule_artifacts",
        ] {
            dialect::run(manager, &format!("DROP TABLE {table} {cascade};")).await?;
        }
        if !dialect::is_sqlite(manager) {
            dialect::run(manager, "DROP FUNCTION rule_changes_refuse();").await?;
            dialect::run(manager, "DROP FUNCTION account_positions_refuse();").await?;
            dialect::run(manager, "DROP FUNCTION restrictions_follow();").await?;
            dialect::run(manager, "DROP FUNCTION limits_set_follow();").await?;
            dialect::run(manager, "DROP FUNCTION member_count_follow();").await?;
            dialect::run(manager, "DROP FUNCTION subaccount_count_follow();").await?;
        }
        Ok(())
    }
}

const RULES: &str = "
CREATE TABLE rule_artifacts (
  digest {text} PRIMARY KEY CHECK (length(digest) = 64),
  wasm {bytes} NOT NULL,
  configuration_schema {json},
  created_at {time} NOT NULL
);
CREATE TABLE rule_versions (
  id {text} PRIMARY KEY CHECK (id LIKE 'rul\\_%' ESCAPE '\\'),
  owner_account_id {text} {owner},
  kind {text} NOT NULL CHECK (kind IN ('PRICING', 'LIMITS')),
  name {text} NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  version integer NOT NULL CHECK (version > 0),
  digest {text} NOT NULL REFERENCES rule_artifacts (digest),
  size_bytes bigint NOT NULL CHECK (size_bytes > 0),
  class {text} NOT NULL CHECK (class IN ('SMALL', 'INTERPRETER')),
  status {text} NOT NULL
    CHECK (status IN ('DRAFT', 'CHECKED', 'SHADOW', 'ACTIVE', 'RETIRED', 'QUARANTINED')),
  configuration {json} NOT NULL,
  failure_policy {text} NOT NULL
    CHECK (failure_policy IN ('DENY', 'KEEP_PENDING', 'PARENT_RULE', 'LAST_GOOD')),
  created_by {text} NOT NULL,
  created_at {time} NOT NULL,
  CHECK (kind = 'PRICING' OR failure_policy <> 'KEEP_PENDING')
);
CREATE UNIQUE INDEX rule_versions_name ON rule_versions (owner_account_id, name, version);
CREATE UNIQUE INDEX rule_versions_builtin ON rule_versions (name, version) WHERE owner_account_id IS NULL;
CREATE INDEX rule_versions_owner ON rule_versions (owner_account_id, id);
CREATE INDEX rule_versions_digest ON rule_versions (digest);
CREATE UNIQUE INDEX rule_versions_shadow ON rule_versions (owner_account_id, kind) WHERE status = 'SHADOW';
";

const PLANS_AND_ACCOUNTS: &str = "
CREATE TABLE plans (
  id {text} PRIMARY KEY CHECK (id LIKE 'pln\\_%' ESCAPE '\\'),
  owner_account_id {text} {owner},
  name {text} NOT NULL CHECK (length(name) BETWEEN 2 AND 64),
  description text NOT NULL,
  limits_rule_version_id {text} NOT NULL REFERENCES rule_versions (id),
  limits_configuration {json} NOT NULL,
  meters {json} NOT NULL DEFAULT '{}',
  created_at {time} NOT NULL
);
CREATE INDEX plans_owner ON plans (owner_account_id);
CREATE INDEX plans_rule ON plans (limits_rule_version_id);
CREATE TABLE accounts (
  id {text} PRIMARY KEY CHECK (id LIKE 'acc\\_%' ESCAPE '\\'),
  parent_id {text} REFERENCES accounts (id),
  path {text} NOT NULL UNIQUE,
  depth integer NOT NULL CHECK (depth >= 0),
  kind {text} NOT NULL CHECK (kind IN ('PLATFORM', 'MAIN', 'SUBACCOUNT')),
  name text NOT NULL CHECK (length(name) BETWEEN 2 AND 120),
  status {text} NOT NULL CHECK (status IN ('ACTIVE', 'SUSPENDED', 'CLOSED')),
  currency {text} NOT NULL CHECK (length(currency) = 3),
  time_zone {text} NOT NULL DEFAULT 'UTC' CHECK (length(time_zone) BETWEEN 2 AND 64),
  plan_id {text} REFERENCES plans (id),
  plan_inherited boolean NOT NULL,
  billing_mode {text} NOT NULL CHECK (billing_mode IN ('OWN', 'PARENT')),
  credit_mode {text} NOT NULL CHECK (credit_mode IN ('MANUAL', 'RESELLING')),
  external_ref {text},
  created_at {time} NOT NULL,
  updated_at {time} NOT NULL,
  restrictions {text} NOT NULL DEFAULT '',
  limits_set {text} NOT NULL DEFAULT '',
  member_count bigint NOT NULL DEFAULT 0 CHECK (member_count >= 0),
  subaccount_count bigint NOT NULL DEFAULT 0 CHECK (subaccount_count >= 0),
  CHECK ((parent_id IS NULL) = (depth = 0)),
  CHECK (kind <> 'PLATFORM' OR parent_id IS NULL),
  CHECK (kind <> 'SUBACCOUNT' OR parent_id IS NOT NULL),
  CHECK (kind = 'PLATFORM' OR plan_id IS NOT NULL),
  CHECK (kind = 'SUBACCOUNT' OR billing_mode = 'OWN'),
  CHECK (NOT plan_inherited OR parent_id IS NOT NULL),
  CHECK (path LIKE '%' || id || '/')
);
CREATE INDEX accounts_children ON accounts (parent_id, id, status);
CREATE INDEX accounts_plan ON accounts (plan_id);
CREATE UNIQUE INDEX accounts_external_ref ON accounts (parent_id, external_ref) WHERE external_ref IS NOT NULL;
";

/// Where accounts stood before they were moved, with all below them: at `path` up to the instant `until`, and since the move
/// before, if there was one.
const POSITIONS: &str = "
CREATE TABLE account_positions (
  account_id {text} NOT NULL REFERENCES accounts (id),
  until {time} NOT NULL,
  path {text} NOT NULL CHECK (path LIKE '%' || account_id || '/'),
  PRIMARY KEY (account_id, until)
);
";

const CLOSE_THE_CIRCLE: &str = "
ALTER TABLE rule_versions ADD FOREIGN KEY (owner_account_id) REFERENCES accounts (id);
ALTER TABLE plans ADD FOREIGN KEY (owner_account_id) REFERENCES accounts (id);
";

const ACTIVATIONS: &str = "
CREATE TABLE rule_activations (
  id {text} PRIMARY KEY CHECK (id LIKE 'act\\_%' ESCAPE '\\'),
  account_id {text} NOT NULL REFERENCES accounts (id),
  kind {text} NOT NULL CHECK (kind IN ('PRICING', 'LIMITS')),
  rule_version_id {text} NOT NULL REFERENCES rule_versions (id),
  last_good_version_id {text} REFERENCES rule_versions (id),
  activated_by {text} NOT NULL,
  activated_at {time} NOT NULL,
  retired_at {time},
  CHECK (last_good_version_id <> rule_version_id)
);
CREATE UNIQUE INDEX rule_activations_live ON rule_activations (account_id, kind) WHERE retired_at IS NULL;
CREATE INDEX rule_activations_account ON rule_activations (account_id, id);
CREATE INDEX rule_activations_version ON rule_activations (rule_version_id);
CREATE INDEX rule_activations_last_good ON rule_activations (last_good_version_id);
";

/// `failures` is how many led to a quarantine. `subject` tells what a rule failed on, so that a line that is priced
/// again and again fails once; `counted` is false for what cannot lead to a quarantine.
const RULE_RECORDS: &str = "
CREATE TABLE rule_changes (
  id {text} PRIMARY KEY CHECK (id LIKE 'rch\\_%' ESCAPE '\\'),
  rule_version_id {text} NOT NULL REFERENCES rule_versions (id),
  account_id {text} NOT NULL REFERENCES accounts (id),
  from_status {text},
  to_status {text} NOT NULL
    CHECK (to_status IN ('DRAFT', 'CHECKED', 'SHADOW', 'ACTIVE', 'RETIRED', 'QUARANTINED')),
  changed_by {text} NOT NULL,
  reason text CHECK (length(reason) BETWEEN 1 AND 500),
  failures integer CHECK (failures > 0),
  changed_at {time} NOT NULL,
  CHECK ((to_status = 'QUARANTINED') = (failures IS NOT NULL))
);
CREATE INDEX rule_changes_version ON rule_changes (rule_version_id, id);
CREATE INDEX rule_changes_account ON rule_changes (account_id, id);
CREATE TABLE rule_checks (
  rule_version_id {text} PRIMARY KEY REFERENCES rule_versions (id),
  report {json} NOT NULL,
  checked_at {time} NOT NULL
);
CREATE TABLE rule_failures (
  id {text} PRIMARY KEY CHECK (id LIKE 'rfl\\_%' ESCAPE '\\'),
  rule_version_id {text} NOT NULL REFERENCES rule_versions (id),
  account_id {text} NOT NULL REFERENCES accounts (id),
  subject {text} NOT NULL,
  kind {text} NOT NULL,
  message text NOT NULL,
  logs {json} NOT NULL,
  input {json},
  counted boolean NOT NULL,
  failed_at {time} NOT NULL,
  UNIQUE (rule_version_id, subject)
);
CREATE INDEX rule_failures_version ON rule_failures (rule_version_id, id);
CREATE INDEX rule_failures_account ON rule_failures (account_id, id);
";

const PEOPLE: &str = "
CREATE TABLE users (
  id {text} PRIMARY KEY CHECK (id LIKE 'usr\\_%' ESCAPE '\\'),
  email {text} NOT NULL UNIQUE CHECK (email = lower(email) AND email LIKE '%_@_%'),
  name text NOT NULL,
  password_hash text,
  token_version integer NOT NULL,
  tokens_revoked_at {time},
  created_at {time} NOT NULL,
  last_sign_in_at {time}
);
CREATE TABLE members (
  id {text} PRIMARY KEY CHECK (id LIKE 'mem\\_%' ESCAPE '\\'),
  account_id {text} NOT NULL REFERENCES accounts (id),
  user_id {text} NOT NULL REFERENCES users (id),
  role {text} NOT NULL CHECK (role IN ('OWNER', 'ADMIN', 'AGENCY_ADMIN', 'MEMBER', 'VIEWER')),
  created_at {time} NOT NULL,
  UNIQUE (account_id, user_id)
);
CREATE INDEX members_account ON members (account_id, id);
CREATE INDEX members_user ON members (user_id, id);
CREATE TABLE api_keys (
  id {text} PRIMARY KEY CHECK (id LIKE 'key\\_%' ESCAPE '\\'),
  account_id {text} NOT NULL REFERENCES accounts (id),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
  prefix {text} NOT NULL,
  secret_hash {text} NOT NULL UNIQUE CHECK (length(secret_hash) = 64),
  levels {json} NOT NULL,
  created_by {text} NOT NULL,
  created_at {time} NOT NULL,
  expires_at {time},
  allowed_ips {json} NOT NULL,
  last_used_at {time},
  revoked_at {time},
  persisted_only boolean NOT NULL,
  documents_version integer NOT NULL CHECK (documents_version >= 0)
);
CREATE INDEX api_keys_account ON api_keys (account_id, id);
CREATE TABLE api_key_documents (
  api_key_id {text} NOT NULL REFERENCES api_keys (id),
  hash {text} NOT NULL CHECK (length(hash) = 64),
  document text NOT NULL,
  registered_at {time} NOT NULL,
  PRIMARY KEY (api_key_id, hash)
);
";

/// The levels that each key allows are checked here as well as in the code: N is NONE, R READ, L LIMITED, F FULL.
const PERMISSIONS_AND_LIMITS: &str = "
CREATE TABLE permission_levels (
  account_id {text} NOT NULL REFERENCES accounts (id),
  key {text} NOT NULL,
  level {text} NOT NULL,
  updated_at {time} NOT NULL,
  PRIMARY KEY (account_id, key),
  CHECK (
    (key = 'CONVERSATIONS' AND level IN ('NONE', 'READ'))
    OR (key = 'ACCOUNT' AND level IN ('NONE', 'LIMITED', 'FULL'))
    OR (key IN ('BILLING', 'USAGE') AND level IN ('NONE', 'FULL'))
    OR (level IN ('NONE', 'READ', 'FULL') AND key IN (
      'TASKS', 'AGENTS', 'AGENT_GENERAL', 'AGENT_PROMPT', 'AGENT_KNOWLEDGE', 'AGENT_TOOLS', 'AGENT_CALL_FLOW',
      'AGENT_ANALYTICS', 'AGENT_NOTIFICATIONS', 'KNOWLEDGE_BASES', 'TELEPHONY', 'PHONE_NUMBERS', 'SIP_TRUNKS',
      'COMPLIANCE_PROFILES', 'CAMPAIGNS_AND_CONTACTS', 'SETTINGS', 'MEMBERS', 'SUBACCOUNTS', 'TRUST_CENTER',
      'SCHEDULES', 'DEVELOPERS', 'INTEGRATIONS', 'API_KEYS', 'WEBHOOKS'))
  )
);
CREATE TABLE account_limits (
  account_id {text} NOT NULL REFERENCES accounts (id),
  resource {text} NOT NULL CHECK (length(resource) BETWEEN 1 AND 64),
  maximum bigint NOT NULL CHECK (maximum >= 0),
  updated_at {time} NOT NULL,
  PRIMARY KEY (account_id, resource)
);
";

/// Keep how many members an account has, and how many children that are not closed. What an account may have depends on
/// the counts of all above it, and a platform has children by the thousand.
const COUNTS_SQLITE: &str = "
CREATE TRIGGER member_count_more AFTER INSERT ON members
BEGIN UPDATE accounts SET member_count = member_count + 1 WHERE id = NEW.account_id; END;
CREATE TRIGGER member_count_less AFTER DELETE ON members
BEGIN UPDATE accounts SET member_count = member_count - 1 WHERE id = OLD.account_id; END;
CREATE TRIGGER subaccount_count_more AFTER INSERT ON accounts WHEN NEW.status <> 'CLOSED'
BEGIN UPDATE accounts SET subaccount_count = subaccount_count + 1 WHERE id = NEW.parent_id; END;
CREATE TRIGGER subaccount_count_change AFTER UPDATE OF status, parent_id ON accounts
BEGIN
  UPDATE accounts SET subaccount_count = subaccount_count - 1 WHERE id = OLD.parent_id AND OLD.status <> 'CLOSED';
  UPDATE accounts SET subaccount_count = subaccount_count + 1 WHERE id = NEW.parent_id AND NEW.status <> 'CLOSED';
END;
";

const COUNTS_POSTGRES: &str = "
CREATE FUNCTION member_count_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts a SET member_count = a.member_count + CASE TG_OP WHEN 'INSERT' THEN c.members ELSE -c.members END
  FROM (SELECT account_id, count(*) AS members FROM changed GROUP BY account_id) c WHERE a.id = c.account_id;
  RETURN NULL;
END $$;
CREATE TRIGGER member_count_more AFTER INSERT ON members
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION member_count_follow();
CREATE TRIGGER member_count_less AFTER DELETE ON members
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION member_count_follow();
CREATE FUNCTION subaccount_count_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    UPDATE accounts a SET subaccount_count = a.subaccount_count + c.children
    FROM (SELECT parent_id, count(*) AS children FROM changed WHERE status <> 'CLOSED' GROUP BY parent_id) c
    WHERE a.id = c.parent_id;
  ELSE
    UPDATE accounts SET subaccount_count = subaccount_count - 1 WHERE id = OLD.parent_id AND OLD.status <> 'CLOSED';
    UPDATE accounts SET subaccount_count = subaccount_count + 1 WHERE id = NEW.parent_id AND NEW.status <> 'CLOSED';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER subaccount_count_more AFTER INSERT ON accounts
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subaccount_count_follow();
CREATE TRIGGER subaccount_count_change AFTER UPDATE OF status, parent_id ON accounts FOR EACH ROW
  WHEN ((OLD.status, OLD.parent_id) IS DISTINCT FROM (NEW.status, NEW.parent_id))
  EXECUTE FUNCTION subaccount_count_follow();
";

/// Lets a column of `accounts` say again what the rows of an account in `table` say, as `NAME=VALUE,NAME=VALUE` in the
/// order of the names: a page of accounts is then read with it at no cost. The database keeps it, so that both never
/// differ.
async fn told_by_the_account(
    manager: &SchemaManager<'_>,
    column: &str,
    table: &str,
    [name, value]: [&str; 2],
) -> Result<(), DbErr> {
    let follow = |of: &str| {
        format!(
            "UPDATE accounts SET {column} = coalesce(
               (SELECT string_agg(own.{name} || '=' || own.{value}, ',' ORDER BY own.{name})
                FROM {table} AS own WHERE own.account_id = accounts.id), '')
             WHERE id IN ({of});"
        )
    };
    let events = [("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")];
    if dialect::is_sqlite(manager) {
        let trigger = |(event, row): (&str, &str)| {
            let follow = follow(&format!("{row}.account_id"));
            format!("CREATE TRIGGER {table}_{event} AFTER {event} ON {table} BEGIN {follow} END;")
        };
        return dialect::run(manager, &events.map(trigger).concat()).await;
    }
    let follow = follow("SELECT account_id FROM changed");
    let function = format!(
        "CREATE FUNCTION {column}_follow() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN {follow} RETURN NULL; END $$;"
    );
    let trigger = |(event, row): (&str, &str)| {
        format!(
            "CREATE TRIGGER {table}_{event} AFTER {event} ON {table}
               REFERENCING {row} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {column}_follow();"
        )
    };
    dialect::run(manager, &(function + &events.map(trigger).concat())).await
}
