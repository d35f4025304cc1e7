//! Nested reads beside the floor and the peers: how many requests a second, how late, on how much of a processor.
//!
//! `cargo bench --bench nested` starts a PostgreSQL of its own, fills it by `canopy bench seed`, and starts on it the
//! gateway as it is shipped, the floor (one SQL statement whose JSON is passed on), and GraphQL servers as people write
//! them. It asks first whether all answer alike, and then measures all of them in each round, in changing order.
//! `-- --prepare` builds the floor and the peers; those that are not there are skipped, loudly. `-- --help` tells more.

mod alike;
mod check;
#[path = "../setup/figures.rs"]
mod figures;
mod load;
mod plot;
#[path = "../setup/port.rs"]
mod port;
#[path = "../setup/postgres.rs"]
mod postgres;
#[path = "../setup/process.rs"]
mod process;
mod report;
mod script;
mod servers;
mod wide;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::Value;

use crate::load::Load;
use crate::postgres::{Durability, Postgres};
use crate::process::Usage;
use crate::report::{Measured, Report};
use crate::servers::Served;

/// Nested reads: Canopy beside one SQL statement and other GraphQL servers.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:\n  \
    cargo bench --bench nested -- --prepare\n  \
    cargo bench --bench nested -- --rounds 3 --secs 4 --json nested.json\n  \
    cargo bench --bench nested -- --only canopy,floor --sizes S --secs 2")]
struct Options {
    /// Build the floor and the peers first: cargo and npm.
    #[arg(long)]
    prepare: bool,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 4.0)]
    secs: f64,
    /// How many connections ask at once, each again as soon as it was answered.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Which queries.
    #[arg(long, value_delimiter = ',', default_value = "S,M,L")]
    sizes: Vec<String>,
    /// Which servers; all if not given. The floor is always there.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How many trees the forest has.
    #[arg(long, default_value_t = 200)]
    trees: u32,
    /// Write all figures there, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write docs/benchmarks/nested.md and nested.svg.
    #[arg(long)]
    publish: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The forest as it was seeded.
struct Forest {
    roots: Vec<String>,
    key: String,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if options.prepare {
        servers::prepare()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> Result<()> {
    let postgres = Postgres::start(Durability::Lost).await?;
    let forest = seed(&postgres, options.trees).await?;
    let mut served = Vec::new();
    for server in servers::chosen(&options.only)? {
        match server.missing() {
            Some(why) => eprintln!("SKIPPED: {} ({why}; --prepare builds it)", server.name),
            None => served.push(Served::start(server, &postgres, &forest.key).await?),
        }
    }
    ensure!(
        served.iter().any(|server| server.name() == "floor"),
        "there is no floor to compare with"
    );
    check::all_alike(&served, &options.sizes, &forest.roots).await?;
    println!("All servers answer alike.");
    let mut report = measure(options, &postgres, &served, &forest).await?;
    check::all_alike(&served, &options.sizes, &forest.roots).await?;
    if let Some(canopy) = served.iter().find(|server| server.name() == "canopy") {
        report.wide = wide::measure(canopy, &postgres).await?;
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

async fn seed(postgres: &Postgres, trees: u32) -> Result<Forest> {
    let mut seed = tokio::process::Command::new(env!("CARGO_BIN_EXE_canopy"));
    seed.args([
        "bench",
        "seed",
        "--trees",
        &trees.to_string(),
        "--database-url",
        &postgres.url,
    ])
    .env("CANOPY__RULES__CACHE_DIR", "none")
    .env("CANOPY__LOG__FILTER", "error")
    .stderr(std::process::Stdio::inherit());
    let output = seed.output().await.context("cannot start canopy bench seed")?;
    ensure!(output.status.success(), "canopy bench seed failed");
    let text = String::from_utf8(output.stdout)?;
    let told: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let roots = told["roots"].as_array().into_iter().flatten();
    Ok(Forest {
        roots: roots.filter_map(text).collect(),
        key: text(&told["keys"]["platform"]).context("canopy bench seed tells a key")?,
    })
}

/// Each round asks each query of each server, who begins changes.
async fn measure(
    options: &Options,
    postgres: &Postgres,
    served: &[Served],
    forest: &Forest,
) -> Result<Report> {
    let mut report = Report::new(options.trees, options.connections, options.rounds, options.secs);
    for round in 0..=options.rounds {
        for size in &options.sizes {
            for turn in 0..served.len() {
                let server = &served[(turn + round) % served.len()];
                // The first round warms up: compilers, prepared statements, caches.
                let secs = if round == 0 {
                    options.secs.min(1.0)
                } else {
                    options.secs
                };
                let load = Load {
                    requests: server.requests(size, &forest.roots)?,
                    port: server.port,
                    connections: options.connections,
                    length: Duration::from_secs_f64(secs),
                };
                let measured = one(load, postgres, server)
                    .await
                    .with_context(|| format!("{} answering {size}", server.name()))?;
                if round > 0 {
                    report.add(size, server.name(), measured);
                }
            }
        }
        eprintln!("round {round} of {}", options.rounds);
    }
    Ok(report)
}

async fn one(load: Load, postgres: &Postgres, server: &Served) -> Result<Measured> {
    let before = (Usage::of(server.pid)?, postgres.processor()?);
    let loaded = tokio::task::spawn_blocking(move || load.run()).await??;
    let after = (Usage::of(server.pid)?, postgres.processor()?);
    Ok(Measured::new(
        &loaded,
        after.0.processor.saturating_sub(before.0.processor),
        after.1.saturating_sub(before.1),
        after.0.memory,
    ))
}
