//! Looking into the database behind the curtain: rows, counts, and whether the books balance.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, JsonValue, Statement};
use serde_json::Value;

use super::App;
use super::database::on_postgres;

impl App {
    /// The rows of a statement, as JSON.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Value> {
        let statement = Statement::from_string(self.probe.get_database_backend(), sql);
        let rows = JsonValue::find_by_statement(statement).all(&self.probe).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The one number that a statement answers.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(self.probe.get_database_backend(), sql);
        let row = self.probe.query_one_raw(statement).await;
        let row = row
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .expect("a row");
        row.try_get_by_index::<i64>(0).expect("a number")
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table}")).await
    }

    /// How many rows each of the tables that a mutation may write to has.
    pub(crate) async fn counts(&self) -> Vec<(&'static str, i64)> {
        let mut counts = Vec::with_capacity(WRITTEN.len());
        for table in WRITTEN {
            counts.push((table, self.count(table).await));
        }
        counts
    }

    /// Changes the database past the domain.
    pub(crate) async fn tamper(&self, sql: &str) -> Result<(), DbErr> {
        self.probe.execute_unprepared(sql).await.map(drop)
    }

    /// Lets ratings be changed, as somebody could who owns the database.
    pub(crate) async fn allow_forging(&self) {
        let allow = match on_postgres() {
            true => "ALTER TABLE ratings DISABLE TRIGGER ratings_append_only",
            false => "DROP TRIGGER ratings_no_update",
        };
        self.tamper(allow).await.expect("the trigger is there");
    }

    /// Asserts that the ledger balances: debits are credits in each currency, the totals are the sums of the
    /// postings, no wallet is below zero, and each rating that cost something was paid once and in full.
    pub(crate) async fn assert_balanced(&self) {
        for (what, sql) in IMBALANCES {
            let rows = self.rows(sql).await;
            assert!(rows.is_empty(), "{what}: {rows:#?}");
        }
    }

    /// Asserts that each event has its rows once: a rating per edge, one RECORDED in the outbox, and its part of
    /// each aggregate.
    pub(crate) async fn assert_counted_once(&self) {
        let rows = self.rows(UNTOLD).await;
        assert!(
            rows.is_empty(),
            "events without exactly one RECORDED in the outbox: {rows:#?}"
        );
        self.assert_summed().await;
    }

    /// The same without the outbox: asserts that each event has a rating per edge if it is rated, and its part of each
    /// aggregate.
    pub(crate) async fn assert_summed(&self) {
        for (what, sql) in MISCOUNTS {
            let rows = self.rows(sql).await;
            assert!(rows.is_empty(), "{what}: {rows:#?}");
        }
    }
}

const WRITTEN: [&str; 16] = [
    "accounts",
    "members",
    "permission_levels",
    "account_limits",
    "rule_versions",
    "rule_artifacts",
    "rule_activations",
    "usage_events",
    "usage_aggregates",
    "ratings",
    "ledger_accounts",
    "postings",
    "outbox",
    "audit_log",
    "simulations",
    "idempotency_records",
];

const IMBALANCES: [(&str, &str); 6] = [
    (
        "debits and credits differ",
        "SELECT currency, CAST(sum(debits) AS bigint) AS debits, CAST(sum(credits) AS bigint) AS credits
         FROM ledger_accounts GROUP BY currency HAVING sum(debits) <> sum(credits)",
    ),
    (
        "totals are not the sums of the postings",
        "SELECT l.id, l.debits, l.credits FROM ledger_accounts l
         WHERE l.debits <> (SELECT coalesce(sum(p.amount), 0) FROM postings p WHERE p.debit_id = l.id)
            OR l.credits <> (SELECT coalesce(sum(p.amount), 0) FROM postings p WHERE p.credit_id = l.id)",
    ),
    (
        "wallets are below zero",
        "SELECT id FROM ledger_accounts WHERE kind IN ('PURCHASED', 'POOL') AND credits < debits",
    ),
    (
        "ratings are not paid once and in full",
        "SELECT r.batch_id, r.seller_account_id, r.currency, sum(r.price) AS price FROM ratings r
         GROUP BY r.batch_id, r.seller_account_id, r.currency
         HAVING sum(r.price) <> (
           SELECT coalesce(sum(p.amount), 0) FROM postings p JOIN ledger_accounts l ON l.id = p.credit_id
           WHERE p.batch_id = r.batch_id AND p.currency = r.currency AND l.account_id = r.seller_account_id
             AND l.kind = 'REVENUE')",
    ),
    (
        "postings of usage that no rating is behind",
        "SELECT p.id FROM postings p
         WHERE p.kind = 'USAGE' AND NOT EXISTS (SELECT 1 FROM ratings r WHERE r.batch_id = p.batch_id)",
    ),
    (
        "rows that name what is not there",
        "SELECT e.id FROM usage_events e WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = e.account_id)
         UNION ALL
         SELECT r.id FROM ratings r WHERE NOT EXISTS (SELECT 1 FROM usage_events e WHERE e.id = r.event_id)
            OR NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = r.seller_account_id)
            OR NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = r.buyer_account_id)
            OR (r.rule_version_id IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM rule_versions v WHERE v.id = r.rule_version_id))",
    ),
];

/// Events without exactly one RECORDED in the outbox.
const UNTOLD: &str = "
SELECT e.id FROM usage_events e WHERE 1 <> (
  SELECT count(*) FROM outbox o
  WHERE o.topic = 'usage' AND CAST(o.payload AS text) LIKE '%' || e.batch_id || '%'
    AND CAST(o.payload AS text) LIKE '%\"RECORDED\"%' AND e.place < o.events)";

const MISCOUNTS: [(&str, &str); 4] = [
    (
        "rated events without a rating per edge",
        "SELECT e.id FROM usage_events e JOIN accounts a ON a.id = e.account_id
         WHERE (e.rating_status = 'RATED' AND a.depth <> (SELECT count(*) FROM ratings r WHERE r.event_id = e.id))
            OR (e.rating_status = 'PENDING' AND EXISTS (SELECT 1 FROM ratings r WHERE r.event_id = e.id))",
    ),
    (
        "aggregates that are not the sums of the events",
        "SELECT g.account_id, g.granularity, g.meter FROM (
           SELECT account_id, granularity, meter, sum(quantity) AS quantity, sum(events) AS events,
                  sum(amount) AS amount
           FROM usage_aggregates WHERE events > 0 GROUP BY account_id, granularity, meter) g
         WHERE g.quantity <> (SELECT coalesce(sum(e.quantity), 0) FROM usage_events e
                              WHERE e.account_id = g.account_id AND e.meter = g.meter)
            OR g.events <> (SELECT count(*) FROM usage_events e
                            WHERE e.account_id = g.account_id AND e.meter = g.meter)
            OR g.amount <> (SELECT coalesce(sum(r.price), 0) FROM usage_events e
                            JOIN ratings r ON r.event_id = e.id AND r.buyer_account_id = e.account_id
                            WHERE e.account_id = g.account_id AND e.meter = g.meter)",
    ),
    (
        "sums of trees that are not the sums of what they hold",
        "SELECT r.id, g.granularity, g.bucket_start, g.meter
         FROM accounts r JOIN usage_aggregates g ON g.account_id = r.id
         LEFT JOIN accounts a ON substr(a.path, 1, length(r.path)) = r.path
         LEFT JOIN usage_aggregates own ON own.account_id = a.id AND own.granularity = g.granularity
           AND own.bucket_start = g.bucket_start AND own.meter = g.meter
         GROUP BY r.id, g.granularity, g.bucket_start, g.meter, g.tree_quantity, g.tree_events, g.tree_amount
         HAVING g.tree_quantity <> sum(coalesce(own.quantity, 0)) OR g.tree_events <> sum(coalesce(own.events, 0))
            OR g.tree_amount <> sum(CASE WHEN a.currency = r.currency THEN coalesce(own.amount, 0) ELSE 0 END)",
    ),
    (
        "events that no aggregate counts",
        "SELECT e.id FROM usage_events e WHERE 3 <> (
           SELECT count(DISTINCT g.granularity) FROM usage_aggregates g
           WHERE g.account_id = e.account_id AND g.meter = e.meter)",
    ),
];
