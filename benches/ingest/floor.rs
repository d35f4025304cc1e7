//! The floor: the same events with their keys into one table, and nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use canopy_domain::entity::time::Timestamp;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement, TransactionTrait,
};
use tokio_postgres::NoTls;

use crate::events::Source;
use crate::load::Loaded;

const POSTGRES_TABLE: &str = "
DROP TABLE IF EXISTS floor_events;
CREATE TABLE floor_events (
  account_id text NOT NULL, idempotency_key text NOT NULL, meter text NOT NULL, quantity bigint NOT NULL,
  occurred_at timestamptz NOT NULL, PRIMARY KEY (account_id, idempotency_key)
);
";
const POSTGRES_BATCH: &str = "
INSERT INTO floor_events SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[])
ON CONFLICT DO NOTHING
";

const SQLITE_TABLE: &str = "
CREATE TABLE IF NOT EXISTS floor_events (
  account_id text NOT NULL, idempotency_key text NOT NULL, meter text NOT NULL, quantity bigint NOT NULL,
  occurred_at text NOT NULL, PRIMARY KEY (account_id, idempotency_key)
) WITHOUT ROWID;
DELETE FROM floor_events;
";
const SQLITE_BATCH: &str = "
INSERT INTO floor_events SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each($1)
WHERE true ON CONFLICT DO NOTHING
";

/// Where it writes.
pub(crate) enum Floor {
    /// A database's URL.
    Postgres(String),
    /// A file, by one writer at a time, as SQLite has it.
    Sqlite(PathBuf),
}

impl Floor {
    /// Writes as much as there is time for, `batch` events in each transaction.
    pub(crate) async fn run(
        &self,
        source: &Arc<Source>,
        batch: usize,
        writers: usize,
        length: Duration,
    ) -> Result<Loaded> {
        match self {
            Self::Postgres(url) => {
                let client = connect(url).await?;
                client.batch_execute(POSTGRES_TABLE).await?;
                let begin = Instant::now();
                let tasks = (0..writers).map(|_| {
                    let (url, source) = (url.clone(), Arc::clone(source));
                    tokio::spawn(async move { postgres(&url, &source, batch, begin + length).await })
                });
                let mut seen = Vec::new();
                for task in tasks.collect::<Vec<_>>() {
                    seen.push(task.await??);
                }
                Loaded::of(begin, seen)
            }
            Self::Sqlite(file) => {
                let db = sqlite(file).await?;
                let begin = Instant::now();
                let seen = one_writer(&db, source, batch, begin + length).await?;
                Loaded::of(begin, vec![seen])
            }
        }
    }
}

async fn connect(url: &str) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn postgres(url: &str, source: &Source, batch: usize, end: Instant) -> Result<Loaded> {
    let client = connect(url).await?;
    let insert = client.prepare(POSTGRES_BATCH).await?;
    let mut loaded = Loaded::default();
    loop {
        let asked = Instant::now();
        if asked >= end {
            return Ok(loaded);
        }
        let (mut accounts, mut keys, mut meters) = (Vec::new(), Vec::new(), Vec::new());
        let (mut quantities, mut times): (Vec<i64>, Vec<Timestamp>) = (Vec::new(), Vec::new());
        for event in source.take(batch) {
            accounts.push(event.account);
            keys.push(event.key);
            meters.push(event.meter);
            quantities.push(event.quantity);
            times.push(event.at);
        }
        client
            .execute(&insert, &[&accounts, &keys, &meters, &quantities, &times])
            .await?;
        loaded.latencies.push(asked.elapsed());
        loaded.events += batch as u64;
    }
}

/// One writer, with the settings that Canopy gives its own.
async fn sqlite(file: &Path) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", file.display()));
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await?;
    db.execute_unprepared(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768",
    )
    .await?;
    db.execute_unprepared(SQLITE_TABLE).await?;
    Ok(db)
}

async fn one_writer(db: &DatabaseConnection, source: &Source, batch: usize, end: Instant) -> Result<Loaded> {
    let mut loaded = Loaded::default();
    loop {
        let asked = Instant::now();
        if asked >= end {
            return Ok(loaded);
        }
        let rows: Vec<_> = source
            .take(batch)
            .map(|event| (event.account, event.key, event.meter, event.quantity, event.at))
            .collect();
        let rows = serde_json::to_string(&rows).context("rows are JSON")?;
        let insert = Statement::from_sql_and_values(DbBackend::Sqlite, SQLITE_BATCH, [rows.into()]);
        let transaction = db.begin().await?;
        transaction.execute_raw(insert).await?;
        transaction.commit().await?;
        loaded.latencies.push(asked.elapsed());
        loaded.events += batch as u64;
    }
}
