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
        dialect::run(manager, SUMS).await?;
        let kept = if dialect::is_sqlite(manager) {
            KEPT_SQLITE
        } else {
            KEPT_POSTGRES
        };
        dialect::run(manager, kept).await?;
        dialect::run(manager, &ratings(dialect::is_sqlite(manager))).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let cascade = if dialect::is_sqlite(manager) {
            ""
        } else {
            "CASCADE"
        };
        for view in ["ratings", "usage_sums"] {
            dialect::run(manager, &format!("DROP VIEW {view};")).await?;
        }
        for table in [
            "rated_batches",
            "usage_open_quarters",
            "usage_aggregates",
            "usage_events",
        ] {
            dialect::run(manager, &format!("DROP TABLE {table} {cascade};")).await?;
        }
        if !dialect::is_sqlite(manager) {
            dialect::run(manager, "DROP FUNCTION usage_events_refuse();").await?;
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

/// A row that is always locked for reading by one or another would never be free to be written, since readers do not queue
/// behind a writer. So both take an advisory lock of the tree before, which is given in the order in which it is asked for. (Six
/// readers of 50 ms after one another: a writer waited up to 15 s, and 0.06 s by the advisory lock.) A change of plans, which is
/// one of all trees, does without.
const CHANGES_POSTGRES: &str = "
CREATE FUNCTION tree_terms_shared(root text) RETURNS void LANGUAGE sql AS
$$ SELECT pg_advisory_xact_lock_shared(hashtextextended(root, 0)) $$;
CREATE FUNCTION tree_terms_alone(root text) RETURNS void LANGUAGE sql AS
$$ SELECT pg_advisory_xact_lock(hashtextextended(root, 0)) $$;
CREATE FUNCTION tree_terms_changed(paths text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  root text;
BEGIN
  FOR root IN SELECT DISTINCT split_part(path, '/', 1) FROM unnest(paths) AS path ORDER BY 1 LOOP
    PERFORM tree_terms_alone(root);
    UPDATE tree_terms SET version = version + 1 WHERE root_id = root;
  END LOOP;
END $$;
CREATE FUNCTION tree_terms_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_NAME = 'tree_terms_planted' THEN
    INSERT INTO tree_terms (root_id, version) VALUES (NEW.id, 1);
  ELSIF TG_NAME = 'tree_terms_account' THEN
    IF NEW.parent_id IS NULL THEN
      INSERT INTO tree_terms (root_id, version) VALUES (NEW.id, 0) ON CONFLICT DO NOTHING;
    END IF;
    PERFORM tree_terms_changed(ARRAY[OLD.path, NEW.path]);
  ELSIF TG_NAME = 'tree_terms_rule' THEN
    PERFORM tree_terms_changed(ARRAY(
      SELECT a.path FROM rule_activations r JOIN accounts a ON a.id = r.account_id
      WHERE r.retired_at IS NULL AND NEW.id IN (r.rule_version_id, r.last_good_version_id)));
  ELSIF TG_NAME = 'tree_terms_plan' THEN
    UPDATE tree_terms SET version = version + 1;
  ELSE
    PERFORM tree_terms_changed(ARRAY(SELECT path FROM accounts WHERE id = NEW.account_id));
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

const DROP_FUNCTIONS: &str = "
DROP FUNCTION tree_terms_count(); DROP FUNCTION tree_terms_changed(text[]);
DROP FUNCTION tree_terms_alone(text); DROP FUNCTION tree_terms_shared(text);
";

/// Rows that are written by the thousand name others without a foreign key, which would look each of them up again:
/// the transaction that writes them has locked the terms of the tree that they are in, and neither accounts nor rules are
/// ever deleted. Nor are their ids held against patterns, which took as long as an index.
///
/// `batch_id` and `place` say with which others an event was recorded, and in which order.
///
/// `ratings` are the prices of the event, edge by edge, as one text of JSON (see `canopy_entity::rating`), written by the batch
/// that recorded it, or by `rated_batch_id` later. `rated_batches` says where to find those of a seller, or by a version of a
/// rule: each batch that has any, and between which events.
///
/// A correction is an event of its own that names the one that it corrects: each is taken out, and replaced, at most once.
/// The index has no entry for what was never corrected.
const USAGE: &str = "
CREATE TABLE usage_events (
  id {text} PRIMARY KEY,
  account_id {text} NOT NULL,
  path {text} NOT NULL,
  batch_id {text} NOT NULL,
  place integer NOT NULL CHECK (place >= 0),
  idempotency_key {text} NOT NULL CHECK (octet_length(idempotency_key) BETWEEN 1 AND 255),
  payload_digest {text} NOT NULL CHECK (octet_length(payload_digest) = 43),
  meter {text} NOT NULL CHECK (octet_length(meter) BETWEEN 1 AND 64),
  quantity bigint NOT NULL,
  occurred_at {time} NOT NULL,
  recorded_at {time} NOT NULL,
  attributes {text} NOT NULL,
  rating_status {text} NOT NULL CHECK (rating_status IN ('PENDING', 'RATED', 'VOIDED')),
  rating_attempts integer NOT NULL DEFAULT 0,
  ratings {text},
  rated_batch_id {text},
  correction {text} CHECK (correction IN ('REVERSAL', 'REPLACEMENT')),
  corrects_id {text},
  reason {text},
  corrected_by {text},
  counted_at {time},
  adjusts {time},
  UNIQUE (account_id, idempotency_key),
  CHECK ((rating_status = 'RATED') = (ratings IS NOT NULL)),
  CHECK (rated_batch_id IS NULL OR ratings IS NOT NULL),
  CHECK (quantity >= 0 OR correction IS NOT NULL AND correction = 'REVERSAL'),
  CHECK ((correction IS NULL) = (corrects_id IS NULL)),
  CHECK ((correction IS NULL) = (reason IS NULL)),
  CHECK ((correction IS NULL) = (corrected_by IS NULL)),
  CHECK ((counted_at IS NULL) = (adjusts IS NULL))
);
CREATE INDEX usage_events_account ON usage_events (account_id, id);
CREATE INDEX usage_events_pending ON usage_events (rating_attempts, id) WHERE rating_status = 'PENDING';
CREATE UNIQUE INDEX usage_events_corrections ON usage_events (corrects_id, correction) WHERE corrects_id IS NOT NULL;
CREATE TABLE rated_batches (
  rated_by {text} NOT NULL,
  batch_id {text} NOT NULL,
  first_event_id {text} NOT NULL,
  last_event_id {text} NOT NULL,
  PRIMARY KEY (rated_by, batch_id),
  CHECK (first_event_id <= last_event_id)
);
";

/// What usage adds up to: sums of an account are its own and, as `tree_`, those of everything at and below it. Both stay
/// within 2^53, where numbers are exact everywhere.
///
/// Most usage is reported as it happens. Such counts in one row of `usage_open_quarters` for each account and meter, and not in
/// one for its quarter of an hour, one for its day and one for its month; once that quarter is over, the row's sums are added
/// to these. `usage_sums` is both together, and what readers read: it may have two rows for a bucket, which add up.
const SUMS: &str = "
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
  PRIMARY KEY (account_id, granularity, bucket_start, meter),
  CONSTRAINT sums_are_exact CHECK (
    tree_quantity BETWEEN -9007199254740992 AND 9007199254740992 AND tree_amount BETWEEN -9007199254740992 AND 9007199254740992)
) {roomy};
CREATE TABLE usage_open_quarters (
  account_id {text} NOT NULL,
  meter {text} NOT NULL,
  quarter_start {time} NOT NULL,
  day_start {time} NOT NULL,
  month_start {time} NOT NULL,
  quantity bigint NOT NULL,
  events bigint NOT NULL,
  amount bigint NOT NULL,
  tree_quantity bigint NOT NULL,
  tree_events bigint NOT NULL,
  tree_amount bigint NOT NULL,
  PRIMARY KEY (account_id, meter),
  CONSTRAINT sums_are_exact CHECK (
    tree_quantity BETWEEN -9007199254740992 AND 9007199254740992 AND tree_amount BETWEEN -9007199254740992 AND 9007199254740992)
) {roomy};
CREATE VIEW usage_sums AS
SELECT account_id, granularity, bucket_start, meter, quantity, events, amount, tree_quantity, tree_events, tree_amount
FROM usage_aggregates
UNION ALL
SELECT account_id, CAST('QUARTER' AS text), quarter_start, meter, quantity, events, amount, tree_quantity, tree_events, tree_amount
FROM usage_open_quarters
UNION ALL
SELECT account_id, CAST('DAY' AS text), day_start, meter, quantity, events, amount, tree_quantity, tree_events, tree_amount
FROM usage_open_quarters
UNION ALL
SELECT account_id, CAST('MONTH' AS text), month_start, meter, quantity, events, amount, tree_quantity, tree_events, tree_amount
FROM usage_open_quarters;
";

/// What was recorded stays as it is but for its price, which may come later.
const KEPT_SQLITE: &str = "
CREATE TRIGGER usage_events_no_update BEFORE UPDATE ON usage_events WHEN OLD.rating_status <> 'PENDING'
BEGIN SELECT RAISE(ABORT, 'usage_events is append-only'); END;
CREATE TRIGGER usage_events_no_delete BEFORE DELETE ON usage_events
BEGIN SELECT RAISE(ABORT, 'usage_events is append-only'); END;
";

const KEPT_POSTGRES: &str = "
CREATE FUNCTION usage_events_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'usage_events is append-only'; END $$;
CREATE TRIGGER usage_events_no_update BEFORE UPDATE ON usage_events
  FOR EACH ROW WHEN (OLD.rating_status <> 'PENDING') EXECUTE FUNCTION usage_events_refuse();
CREATE TRIGGER usage_events_no_delete BEFORE DELETE OR TRUNCATE ON usage_events
  FOR EACH STATEMENT EXECUTE FUNCTION usage_events_refuse();
";

/// The prices in the rows of events as a table of their own, for checks and for who looks into the database: a row for each
/// edge of each event that has its prices. Digests and line items are shown as they are kept. Ids of accounts are of one length,
/// so those of a path stand at fixed places.
const RATINGS: &str = "
CREATE VIEW ratings AS SELECT
  'rat_' || substr(e.id, 5) || '_' || {edge} AS id,
  e.id AS event_id,
  CAST({edge} AS integer) AS edge,
  coalesce(e.rated_batch_id, e.batch_id) AS batch_id,
  CASE e.correction WHEN 'REVERSAL' THEN 'rat_' || substr(e.corrects_id, 5) || '_' || {edge} END AS reverses_id,
  substr(e.path, CAST({edge} AS integer) * 31 + 1, 30) AS seller_account_id,
  substr(e.path, CAST({edge} AS integer) * 31 + 32, 30) AS buyer_account_id,
  {charged 2 0} AS rule_version_id,
  {charged 2 1} AS rule_digest,
  {charged 2 2} AS input_digest,
  {charged 2 3} AS output_digest,
  {charged 2 4} AS engine,
  {charged 2 5} AS buyer_plan,
  CAST({charged 2 6 0} AS bigint) AS period_start,
  CAST({charged 2 6 1} AS bigint) AS period_quantity,
  CAST({charged 2 6 2} AS bigint) AS period_lines,
  CAST({charged 2 7} AS bigint) AS fuel,
  CAST({charged 0} AS bigint) AS cost,
  CAST({charged 1} AS bigint) AS price,
  {all currency} AS currency,
  coalesce(CAST({charged 3} AS {json}), '[]') AS line_items,
  coalesce(CAST({all at} AS {time}), e.recorded_at) AS created_at,
  CAST({all counted_at} AS {time}) AS counted_at
FROM usage_events e CROSS JOIN {edges};
";

/// The view, with members of JSON as each database spells them: `{charged …}` of an edge, `{all …}` of the whole.
fn ratings(sqlite: bool) -> String {
    let (edges, edge) = match sqlite {
        true => ("json_each(e.ratings, '$.edges') AS charged", "charged.key"),
        false => (
            "LATERAL jsonb_array_elements(CAST(e.ratings AS jsonb) -> 'edges') WITH ORDINALITY AS charged (value, place)",
            "(charged.place - 1)",
        ),
    };
    let mut view = RATINGS.replace("{edges}", edges).replace("{edge}", edge);
    for (of, json) in [("{charged ", "charged.value"), ("{all ", "e.ratings")] {
        while let Some((before, rest)) = view.split_once(of) {
            let (names, after) = rest.split_once('}').expect("a bracket of ours is closed");
            view = format!("{before}{}{after}", member(sqlite, json, names));
        }
    }
    view
}

/// A member of `json`, by the names on the way to it.
fn member(sqlite: bool, json: &str, names: &str) -> String {
    let names: Vec<&str> = names.split(' ').collect();
    if sqlite {
        let path = names.iter().map(|name| match name.parse::<usize>() {
            Ok(place) => format!("[{place}]"),
            Err(_) => format!(".{name}"),
        });
        return format!("json_extract({json}, '${}')", path.collect::<String>());
    }
    let steps = names.iter().map(|name| match name.parse::<usize>() {
        Ok(place) => place.to_string(),
        Err(_) => format!("'{name}'"),
    });
    let steps: Vec<String> = steps.collect();
    let (last, above) = steps.split_last().expect("a member has a name");
    let above: String = above.iter().map(|name| format!(" -> {name}")).collect();
    format!("(CAST({json} AS jsonb){above} ->> {last})")
}
