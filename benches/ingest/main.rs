//! Usage that comes in beside the floor: how many events a second, how late, on how much of a processor.
//!
//! The floor is the same events by `INSERT … SELECT FROM unnest … ON CONFLICT` into a table with their keys and nothing
//! else, in batches and one by one. Canopy takes them by `POST /usage` and also checks who sends them, prices each by a
//! rule in WebAssembly, posts to the ledger, adds up, and publishes, before it answers. Both write to databases on the same
//! disk that give nothing up when the power fails, in one run, one after the other, who begins changes with each round.
//!
//! `cargo bench --bench ingest -- --help` tells more.

mod books;
mod events;
#[path = "../setup/figures.rs"]
mod figures;
mod floor;
mod load;
#[path = "../setup/port.rs"]
mod port;
#[path = "../setup/postgres.rs"]
mod postgres;
#[path = "../setup/process.rs"]
mod process;
mod report;
#[path = "../setup/seller.rs"]
mod seller;
mod served;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use crate::events::Source;
use crate::floor::Floor;
use crate::load::{Load, Pace};
use crate::postgres::{Durability, Postgres};
use crate::report::{Measured, Report};
use crate::served::Served;

/// Usage that comes in: Canopy beside bare inserts of the same events.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:\n  \
    cargo bench --bench ingest\n  \
    cargo bench --bench ingest -- --databases postgres --accounts 1000 --secs 3 --json ingest.json\n  \
    cargo bench --bench ingest -- --publish")]
pub(crate) struct Options {
    /// Which databases.
    #[arg(long, value_delimiter = ',', default_value = "postgres,sqlite")]
    databases: Vec<Kind>,
    /// How many accounts the events are of, in turns that look like chance.
    #[arg(long, default_value_t = 100)]
    accounts: usize,
    /// How many events a request has.
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// How long after they occurred events are reported, in hours.
    #[arg(long, default_value_t = 0)]
    hours_late: u32,
    /// How many connections send batches, each again as soon as it was answered: so many that nobody waits for them.
    #[arg(long, default_value_t = 128)]
    connections: usize,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 5.0)]
    secs: f64,
    /// Write all figures there, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write docs/benchmarks/ingest.md.
    #[arg(long)]
    publish: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A database that Canopy runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Postgres,
    Sqlite,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        }
    }
}

/// Connections of those that send one event at a time: enough that some always wait while a commit is on its way.
const SINGLE: usize = 64;
/// Connections that send single events beside a half load, and how many of them a second: enough that none waits for an
/// answer to the one before.
const PROBES: (usize, f64) = (32, 100.0);

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> Result<()> {
    let mut report = Report::new(options);
    for kind in &options.databases {
        measure(options, *kind, &mut report)
            .await
            .with_context(|| kind.name().to_owned())?;
    }
    println!("{}", report.table());
    if let Some(file) = &options.json {
        std::fs::write(file, report.json().to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if options.publish {
        report.publish()?;
    }
    Ok(())
}

async fn measure(options: &Options, kind: Kind, report: &mut Report) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("canopy-bench-ingest-")
        .tempdir()?;
    let postgres = match kind {
        Kind::Postgres => Some(Postgres::start(Durability::Kept).await?),
        Kind::Sqlite => None,
    };
    let file = |name: &str| format!("sqlite://{}?mode=rwc", folder.path().join(name).display());
    let url = postgres
        .as_ref()
        .map_or_else(|| file("canopy.db"), |postgres| postgres.url.clone());
    let database = seller::database(&url).await?;
    let seller = seller::Seller::settle(&database, seller::host()?, "pln_itellico").await?;
    seller.price().await?;
    let clients = seller.clients(options.accounts).await?;
    let key = served::key(&seller).await?;
    let served = Served::start(&url, folder.path(), key).await?;
    let floor = match &postgres {
        Some(postgres) => Floor::Postgres(postgres.url.clone()),
        None => Floor::Sqlite(folder.path().join("floor.db")),
    };
    let source = Arc::new(Source::new(
        clients.iter().map(|client| client.id.to_string()),
        chrono::Duration::hours(options.hours_late.into()),
    ));
    let bench = Bench {
        options,
        kind,
        floor,
        served,
        postgres,
        source,
    };
    for round in 0..=options.rounds {
        bench.round(round, report).await?;
        eprintln!("{}: round {round} of {}", kind.name(), options.rounds);
    }
    let sent = bench.source.given();
    books::balance(&database, &seller.account.id, &sent).await?;
    println!("{}: {sent}; the books balance.", kind.name());
    Ok(())
}

/// What is measured on one database.
struct Bench<'a> {
    options: &'a Options,
    kind: Kind,
    floor: Floor,
    // Ends before the database that it works on.
    served: Served,
    postgres: Option<Postgres>,
    source: Arc<Source>,
}

impl Bench<'_> {
    /// The first round, which is nobody's, warms up.
    async fn round(&self, round: usize, report: &mut Report) -> Result<()> {
        let mut add = |name: &'static str, measured: Vec<Measured>| {
            if round > 0 {
                report.add(self.kind.name(), name, measured);
            }
        };
        for turn in 0..2 {
            if usize::is_multiple_of(turn + round, 2) {
                add("floor, 500 at a time", vec![self.floor(500, 2).await?]);
                add("floor, one at a time", vec![self.floor(1, 8).await?]);
            } else {
                let options = self.options;
                let full = self
                    .canopy(options.connections, options.batch, Pace::Full)
                    .await?;
                let rate = full.rate;
                add("canopy, in batches", vec![full]);
                add(
                    "canopy, one at a time",
                    vec![self.canopy(SINGLE, 1, Pace::Full).await?],
                );
                let (batches, single) = self.half(rate / 2.0).await?;
                add("canopy, batches at half load", vec![batches]);
                add("canopy, single events beside them", vec![single]);
            }
        }
        Ok(())
    }

    fn length(&self) -> Duration {
        Duration::from_secs_f64(self.options.secs)
    }

    async fn floor(&self, batch: usize, writers: usize) -> Result<Measured> {
        let processor = self.processor()?;
        let loaded = self
            .floor
            .run(&self.source, batch, writers, self.length())
            .await?;
        let spent = self.processor()?.saturating_sub(processor);
        Ok(Measured::new(&loaded, Duration::ZERO, spent, 0))
    }

    async fn canopy(&self, connections: usize, batch: usize, pace: Pace) -> Result<Measured> {
        let before = (process::Usage::of(self.served.pid)?, self.processor()?);
        let load = self.load(connections, batch, pace);
        let loaded = tokio::task::spawn_blocking(move || load.run()).await??;
        let after = (process::Usage::of(self.served.pid)?, self.processor()?);
        Ok(Measured::new(
            &loaded,
            after.0.processor.saturating_sub(before.0.processor),
            after.1.saturating_sub(before.1),
            after.0.memory,
        ))
    }

    /// Batches at this rate of events, and single events beside them.
    async fn half(&self, rate: f64) -> Result<(Measured, Measured)> {
        let (connections, probes) = PROBES;
        let probe = self.load(connections, 1, Pace::Even(probes));
        let probe = tokio::task::spawn_blocking(move || probe.run());
        let batches = self
            .canopy(self.options.connections, self.options.batch, Pace::Even(rate))
            .await?;
        let probed = probe.await??;
        Ok((batches, Measured::new(&probed, Duration::ZERO, Duration::ZERO, 0)))
    }

    fn load(&self, connections: usize, batch: usize, pace: Pace) -> Load {
        Load {
            source: Arc::clone(&self.source),
            key: self.served.key.clone(),
            port: self.served.port,
            connections,
            batch,
            pace,
            length: self.length(),
        }
    }

    /// Processor time of the database's own processes; SQLite has none.
    fn processor(&self) -> Result<Duration> {
        self.postgres
            .as_ref()
            .map_or(Ok(Duration::ZERO), Postgres::processor)
    }
}
