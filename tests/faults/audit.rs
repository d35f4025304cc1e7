//! What must hold at the end: what the clients were told, what the API answers and what the tables say is the same, each
//! subscriber heard each event once and in order, and the books balance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sea_orm::{
    ConnectionTrait, Database, DatabaseConnection, DbBackend, FromQueryResult, JsonValue, Statement,
};
use serde_json::{Value, json};

use crate::clients::Sent;
use crate::watchers::Watcher;
use crate::{Arena, until};

/// How long what was recorded may take to be told and rated once all is well.
const SETTLED: Duration = Duration::from_secs(60);

const SUMS: &str = "query ($id: ID!) { account(id: $id) {
  own: usage(granularity: HOUR) { totals { meter quantity events } }
  all: usage(granularity: HOUR, includeDescendants: true) { totals { meter quantity events } }
} }";

pub(crate) struct Audit {
    arena: Arc<Arena>,
    db: DatabaseConnection,
}

impl Audit {
    pub(crate) async fn open(arena: &Arc<Arena>) -> Result<Self> {
        let port = arena.postgres.lock().await.port;
        let mut options = sea_orm::ConnectOptions::new(crate::backends::Postgres::url(port));
        options.max_connections(2).sqlx_logging(false);
        Ok(Self {
            arena: Arc::clone(arena),
            db: Database::connect(options).await?,
        })
    }

    async fn rows(&self, sql: &str) -> Result<Vec<Value>> {
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let rows = JsonValue::find_by_statement(statement).all(&self.db).await;
        rows.with_context(|| sql.to_owned())
    }

    pub(crate) async fn number(&self, sql: &str) -> Result<u64> {
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let row = self.db.query_one_raw(statement).await?.context("no row")?;
        Ok(u64::try_from(row.try_get_by_index::<i64>(0)?)?)
    }

    /// Waits until the top watcher knows of all that is recorded by now.
    pub(crate) async fn heard(&self, top: &Watcher) -> Result<()> {
        let recorded = self.number("SELECT count(*) FROM usage_events").await?;
        let heard = until("the news of all that was recorded", SETTLED, || async {
            (top.recorded() >= recorded).then_some(())
        });
        heard
            .await
            .with_context(|| format!("{recorded} were recorded, {} were told", top.recorded()))
    }

    /// All of it, after the clients have stopped.
    pub(crate) async fn everything(&self, sent: &[Sent], watchers: &[Arc<Watcher>]) -> Result<()> {
        until("all to be rated", SETTLED, || async {
            let pending = self
                .number("SELECT count(*) FROM usage_events WHERE rating_status = 'PENDING'")
                .await;
            pending.is_ok_and(|pending| pending == 0).then_some(())
        })
        .await?;
        self.events(sent).await?;
        self.sums(sent).await?;
        for watcher in watchers {
            let name = self.arena.world.places[watcher.place].name;
            self.log(watcher)
                .await
                .with_context(|| format!("the subscriber of {name}"))?;
        }
        self.books().await
    }

    /// Each event that a client was told is counted is there once, and no other.
    async fn events(&self, sent: &[Sent]) -> Result<()> {
        let rows = self
            .rows("SELECT account_id, idempotency_key AS key, meter, quantity FROM usage_events")
            .await?;
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let mut stored = BTreeMap::new();
        for row in &rows {
            let what = (
                text(row, "account_id"),
                text(row, "meter"),
                row["quantity"].as_u64().unwrap_or_default(),
            );
            if stored
                .insert((what.0, text(row, "key")), (what.1, what.2))
                .is_some()
            {
                bail!("an event is there twice: {row}");
            }
        }
        for event in sent.iter().filter(|event| event.counted) {
            let id = self.arena.world.places[event.place].id.clone();
            let found = stored.remove(&(id, event.key.clone()));
            let wanted = (event.meter.to_owned(), event.quantity * 1_000_000);
            ensure!(
                found.as_ref() == Some(&wanted),
                "{event:?} is stored as {found:?}"
            );
        }
        ensure!(
            stored.is_empty(),
            "{} events that nobody was told of: {stored:?}",
            stored.len()
        );
        Ok(())
    }

    /// The sums of each node, of each account alone and with those below, are the clients' own.
    async fn sums(&self, sent: &[Sent]) -> Result<()> {
        let places = &self.arena.world.places;
        for node in &self.arena.nodes {
            for place in places {
                let request = self
                    .arena
                    .streams
                    .post(format!("{}/graphql", node.base))
                    .bearer_auth(&place.key);
                let body = json!({"query": SUMS, "variables": {"id": place.id}});
                let answer: Value = request.json(&body).send().await?.json().await?;
                for (field, below) in [("own", false), ("all", true)] {
                    let counted = sent.iter().filter(|event| event.counted);
                    let mut wanted = BTreeMap::<String, (u64, u64)>::new();
                    for event in counted {
                        let at = &places[event.place].path;
                        if *at == place.path || (below && at.starts_with(&place.path)) {
                            let sum = wanted.entry(event.meter.to_owned()).or_default();
                            *sum = (sum.0 + event.quantity, sum.1 + 1);
                        }
                    }
                    let totals = answer["data"]["account"][field]["totals"].as_array();
                    let totals = totals.with_context(|| format!("{} says {answer}", node.name))?;
                    let total = |total: &Value| {
                        let quantity = total["quantity"].as_str().and_then(|text| text.parse().ok());
                        let meter = total["meter"].as_str().unwrap_or_default().to_owned();
                        (
                            meter,
                            (
                                quantity.unwrap_or(u64::MAX),
                                total["events"].as_u64().unwrap_or(u64::MAX),
                            ),
                        )
                    };
                    let told: BTreeMap<_, _> = totals.iter().map(total).collect();
                    let (name, node) = (place.name, &node.name);
                    ensure!(
                        told == wanted,
                        "{field} usage of {name} at {node}: {told:?}, clients counted {wanted:?}"
                    );
                }
            }
        }
        Ok(())
    }

    /// Each event below the watched account was told once, in order, and nothing else was.
    async fn log(&self, watcher: &Watcher) -> Result<()> {
        let place = &self.arena.world.places[watcher.place];
        let scope = if watcher.below {
            format!("path LIKE '{}%'", place.path)
        } else {
            format!("account_id = '{}'", place.id)
        };
        let rows = self
            .rows(&format!("SELECT id FROM usage_events WHERE {scope}"))
            .await?;
        let stored: BTreeSet<String> = rows
            .iter()
            .filter_map(|row| row["id"].as_str())
            .map(str::to_owned)
            .collect();
        let all = stored.len() as u64;
        let heard = until("the whole log", SETTLED, || async {
            (watcher.recorded() >= all).then_some(())
        })
        .await;
        let log = watcher.log();
        let mut told = BTreeSet::new();
        for pair in log.windows(2) {
            ensure!(
                pair[0].position < pair[1].position,
                "out of order: {:?} before {:?}",
                pair[0],
                pair[1]
            );
        }
        for update in log.iter().filter(|update| update.recorded) {
            ensure!(told.insert(update.event.clone()), "told twice: {update:?}");
        }
        let missed: Vec<_> = stored.difference(&told).take(5).collect();
        let foreign: Vec<_> = told.difference(&stored).take(5).collect();
        ensure!(
            missed.is_empty() && foreign.is_empty(),
            "not told: {missed:?}; not there: {foreign:?}"
        );
        heard
    }

    /// As an operator would look.
    async fn books(&self) -> Result<()> {
        let port = self.arena.postgres.lock().await.port;
        let url = crate::backends::Postgres::url(port);
        let mut verify = tokio::process::Command::new(env!("CARGO_BIN_EXE_canopy"));
        verify.args(["verify", "usage", "--database-url", &url]);
        let ran = verify.output().await.context("cannot start canopy verify")?;
        ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        Ok(())
    }
}
