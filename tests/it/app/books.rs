//! Looking into the database behind the curtain: rows, counts, and whether the books balance.

use canopy_domain::entity::{RatingId, rating, usage_event};
use canopy_domain::recount::Checked;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, FromQueryResult, JsonValue, QueryOrder, Statement};
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

    /// Lets events and their prices be changed, as somebody could who owns the database.
    pub(crate) async fn allow_forging(&self) {
        let allow = match on_postgres() {
            true => "ALTER TABLE usage_events DISABLE TRIGGER usage_events_no_update",
            false => "DROP TRIGGER usage_events_no_update",
        };
        self.tamper(allow).await.expect("the trigger is there");
    }

    /// Changes a rating behind the domain's back: what its event keeps of all its prices, and its place among them.
    pub(crate) async fn forge(&self, rating: &str, forgery: impl FnOnce(&mut Value)) {
        let rating = RatingId::parse(rating).expect("the id of a rating");
        let events = usage_event::Entity::find_by_id(rating.event().clone());
        let event = events.one(&self.probe).await.expect("a read").expect("its event");
        let text = rating.to_string();
        let edge = text
            .rsplit('_')
            .next()
            .and_then(|edge| edge.parse::<usize>().ok());
        let mut stored: Value = serde_json::from_str(&event.ratings.expect("its prices")).expect("JSON");
        forgery(&mut stored["edges"][edge.expect("its place")]);
        let sql = format!(
            "UPDATE usage_events SET ratings = '{stored}' WHERE id = '{}'",
            event.id
        );
        self.tamper(&sql).await.expect("forging was allowed");
    }

    /// The ratings of all events, in the order of their ids.
    pub(crate) async fn ratings(&self) -> Vec<(usage_event::Model, Vec<rating::Model>)> {
        let events = usage_event::Entity::find().order_by_asc(usage_event::Column::Id);
        let events = events.all(&self.probe).await.expect("a read");
        let rated = |event| {
            let ratings = rating::of(&event).expect("prices that can be read");
            (event, ratings)
        };
        events.into_iter().map(rated).collect()
    }

    /// Asserts that all is kept as its parts come to: debits are credits, totals are the sums of the postings, no wallet is
    /// below zero, each rating was paid once and in full, each sum is that of its events.
    pub(crate) async fn assert_balanced(&self) {
        for check in self.recount().await {
            assert!(check.differing == 0, "{}: {:#?}", check.what, check.differences);
        }
    }

    pub(crate) async fn recount(&self) -> Vec<Checked> {
        self.domain
            .recount_usage(&|_| ())
            .await
            .expect("the books can be read")
    }

    /// The same, and that each event is told once by the outbox, as RECORDED or CORRECTED.
    pub(crate) async fn assert_counted_once(&self) {
        let rows = self.rows(UNTOLD).await;
        assert!(
            rows.is_empty(),
            "events that the outbox does not tell of exactly once: {rows:#?}"
        );
        self.assert_balanced().await;
    }
}

const WRITTEN: [&str; 23] = [
    "accounts",
    "account_positions",
    "members",
    "permission_levels",
    "account_limits",
    "rule_versions",
    "rule_artifacts",
    "rule_activations",
    "usage_events",
    "usage_aggregates",
    "usage_open_quarters",
    "usage_holds",
    "usage_hold_edges",
    "rated_batches",
    "ledger_accounts",
    "postings",
    "outbox",
    "audit_log",
    "simulations",
    "usage_alerts",
    "webhook_endpoints",
    "webhook_deliveries",
    "idempotency_records",
];

/// Events that are not recorded, or correct another, exactly once in the outbox.
const UNTOLD: &str = "
SELECT e.id FROM usage_events e WHERE 1 <> (
  SELECT count(*) FROM outbox o
  WHERE o.topic = 'usage' AND CAST(o.payload AS text) LIKE '%' || e.batch_id || '%'
    AND CAST(o.payload AS text) LIKE CASE WHEN e.correction IS NULL THEN '%\"RECORDED\"%' ELSE '%\"CORRECTED\"%' END
    AND e.place < o.events)";
