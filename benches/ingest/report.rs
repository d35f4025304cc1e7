//! The figures as a table, as JSON, and as a page of docs/benchmarks.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::Options;
use crate::figures::{median, processor};
use crate::load::Loaded;

/// Beside what all rates are told.
const FLOOR: &str = "floor, 500 at a time";

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Events a second.
    pub(crate) rate: f64,
    /// Milliseconds from a request to its answer, or a transaction to its commit.
    p50: f64,
    p99: f64,
    /// Microseconds of processor for each event.
    server: f64,
    database: f64,
    /// Resident, in MiB.
    memory: f64,
}

impl Measured {
    /// `memory` in KiB.
    pub(crate) fn new(loaded: &Loaded, server: Duration, database: Duration, memory: u64) -> Self {
        let requests = loaded.latencies.len();
        let at = |percent: usize| loaded.latencies[(requests * percent / 100).min(requests - 1)];
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let events = loaded.events as f64;
        Self {
            rate: events / loaded.elapsed.as_secs_f64(),
            p50: millis(at(50)),
            p99: millis(at(99)),
            server: server.as_secs_f64() * 1e6 / events,
            database: database.as_secs_f64() * 1e6 / events,
            memory: memory as f64 / 1024.0,
        }
    }

    fn json(&self) -> Value {
        json!({
            "eventsPerSecond": self.rate, "p50Ms": self.p50, "p99Ms": self.p99, "serverCpuUs": self.server,
            "databaseCpuUs": self.database, "memoryMib": self.memory,
        })
    }
}

/// What each way of writing came to, round by round.
type Ways = Vec<(&'static str, Vec<Measured>)>;

pub(crate) struct Report {
    accounts: usize,
    batch: usize,
    hours_late: u32,
    connections: usize,
    rounds: usize,
    secs: f64,
    /// By database, in the order in which they came first.
    all: Vec<(&'static str, Ways)>,
}

impl Report {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            accounts: options.accounts,
            batch: options.batch,
            hours_late: options.hours_late,
            connections: options.connections,
            rounds: options.rounds,
            secs: options.secs,
            all: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, database: &'static str, way: &'static str, measured: Vec<Measured>) {
        let ways = entry(&mut self.all, database);
        entry(ways, way).extend(measured);
    }

    /// Markdown, a table for each database.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for (database, ways) in &self.all {
            let _ = writeln!(
                text,
                "\n### {database}\n\n| | events/s (least to most) | of the floor | p50 ms | p99 ms | server CPU µs | \
                 database CPU µs | MiB |\n|---|---|---|---|---|---|---|---|"
            );
            for (way, rounds) in ways {
                let of = |part: fn(&Measured) -> f64| median(rounds.iter().map(part));
                let rates = || rounds.iter().map(|round| round.rate);
                let _ = writeln!(
                    text,
                    "| {way} | {:.0} ({:.0} to {:.0}) | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {:.0} |",
                    of(|own| own.rate),
                    rates().fold(f64::INFINITY, f64::min),
                    rates().fold(0.0, f64::max),
                    share(ways, rounds),
                    of(|own| own.p50),
                    of(|own| own.p99),
                    of(|own| own.server),
                    of(|own| own.database),
                    of(|own| own.memory),
                );
            }
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let databases = self.all.iter().map(|(database, ways)| {
            let ways = ways.iter().map(|(way, rounds)| {
                json!({
                    "way": way, "shareOfFloor": share(ways, rounds),
                    "rounds": rounds.iter().map(Measured::json).collect::<Vec<_>>(),
                })
            });
            ((*database).to_owned(), ways.collect::<Value>())
        });
        json!({
            "accounts": self.accounts, "batch": self.batch, "hoursLate": self.hours_late, "connections": self.connections, "rounds": self.rounds, "secs": self.secs,
            "databases": databases.collect::<serde_json::Map<_, _>>(),
        })
    }

    /// Writes the page.
    pub(crate) fn publish(&self) -> Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks");
        let page = format!(
            "{HEAD}\n{}, {} processors; database, server and load on the same machine. {} accounts below one seller, {} events \
             a request on {} connections, reported {} hours late, {} rounds of {} s, medians.\n{}",
            processor(),
            std::thread::available_parallelism()?,
            self.accounts,
            self.batch,
            self.connections,
            self.hours_late,
            self.rounds,
            self.secs,
            self.table()
        );
        std::fs::write(folder.join("ingest.md"), page).context("cannot write docs/benchmarks/ingest.md")
    }
}

const HEAD: &str = "\
# Usage that comes in, beside bare inserts

Written by `cargo bench --bench ingest -- --publish`. The floor writes the same events, with their accounts and keys and
nothing else, into one table: `INSERT … SELECT FROM unnest … ON CONFLICT DO NOTHING` by two connections, 500 events in each
transaction, and one event a transaction by eight connections. On SQLite, which has one writer, there is one, and the rows
are one JSON parameter.

Canopy is sent them by `POST /usage` as CloudEvents, and answers each request when its events are durable: checked for
rights, counted once, priced by a rule in WebAssembly, posted to the ledger, added up for the account and the tree by hour,
day and month, and written to the outbox. One in twenty events was sent
before, 20,001 events ago, as by a client that had no answer. \"At half load\" batches come at half of the rate
that was reached in the same round, whatever the answers take; times are from when a request was due. Beside them come
100 events a second in requests of their own. Usage is reported as it happens, and counts in open quarters of an hour; what is
reported later (`--hours-late 1`) adds to three sums instead of one.

PostgreSQL runs with `fsync` and `synchronous_commit` on, and has 2 GiB of files of its write-ahead log before anything is
measured, as a server that has run for a while; SQLite in WAL mode with `synchronous = NORMAL`, which is what Canopy sets. Each run ends with a comparison of the books with what was answered.
";

fn entry<'l, T: Default>(list: &'l mut Vec<(&'static str, T)>, name: &'static str) -> &'l mut T {
    let place = list.iter().position(|(own, _)| *own == name);
    let place = place.unwrap_or_else(|| {
        list.push((name, T::default()));
        list.len() - 1
    });
    &mut list[place].1
}

/// The median of what each round comes to beside the floor of the same round.
fn share(ways: &Ways, rounds: &[Measured]) -> f64 {
    let floor = ways.iter().find(|(way, _)| *way == FLOOR);
    let floor = floor.map_or(&[] as &[Measured], |(_, rounds)| rounds);
    median(rounds.iter().zip(floor).map(|(own, floor)| own.rate / floor.rate))
}
