//! The figures as a table, as JSON, and as a page of docs/benchmarks.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::figures::{median, processor};
use crate::load::Loaded;
use crate::plot;
use crate::wide::{self, Timed};

/// One measurement of one server and query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Requests a second.
    rate: f64,
    /// Milliseconds.
    p50: f64,
    p99: f64,
    /// Milliseconds of processor for each request.
    server: f64,
    database: f64,
    /// Resident, in MiB.
    memory: f64,
    /// Of a body.
    bytes: f64,
}

impl Measured {
    pub(crate) fn new(loaded: &Loaded, server: Duration, database: Duration, memory: u64) -> Self {
        let requests = loaded.latencies.len();
        let at = |percent: usize| loaded.latencies[(requests * percent / 100).min(requests - 1)];
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        Self {
            rate: requests as f64 / loaded.elapsed.as_secs_f64(),
            p50: millis(at(50)),
            p99: millis(at(99)),
            server: millis(server) / requests as f64,
            database: millis(database) / requests as f64,
            memory: memory as f64 / 1024.0,
            bytes: loaded.bytes as f64 / requests as f64,
        }
    }

    fn json(&self) -> Value {
        json!({
            "requestsPerSecond": self.rate, "p50Ms": self.p50, "p99Ms": self.p99, "serverCpuMs": self.server,
            "databaseCpuMs": self.database, "memoryMib": self.memory, "bodyBytes": self.bytes,
        })
    }
}

/// Medians of one server and query, and its part of the floor's.
pub(crate) struct Row {
    pub(crate) server: &'static str,
    median: Measured,
    least: f64,
    most: f64,
    /// Medians of what each round comes to beside the floor of the same round.
    pub(crate) share: f64,
    p99: f64,
    processor: f64,
}

/// What each server came to, in each round.
type Servers = Vec<(&'static str, Vec<Measured>)>;

pub(crate) struct Report {
    trees: u32,
    connections: usize,
    rounds: usize,
    secs: f64,
    /// By query and server, in the order in which they came first; then by round.
    all: Vec<(String, Servers)>,
    /// What is long and deep.
    pub(crate) wide: Vec<Timed>,
}

impl Report {
    pub(crate) fn new(trees: u32, connections: usize, rounds: usize, secs: f64) -> Self {
        Self {
            trees,
            connections,
            rounds,
            secs,
            all: Vec::new(),
            wide: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, size: &str, server: &'static str, measured: Measured) {
        let place = self
            .all
            .iter()
            .position(|(own, _)| own == size)
            .unwrap_or_else(|| {
                self.all.push((size.to_owned(), Vec::new()));
                self.all.len() - 1
            });
        let servers = &mut self.all[place].1;
        match servers.iter_mut().find(|(own, _)| *own == server) {
            Some((_, rounds)) => rounds.push(measured),
            None => servers.push((server, vec![measured])),
        }
    }

    /// The rows of a query, the quickest first.
    pub(crate) fn rows(&self, servers: &[(&'static str, Vec<Measured>)]) -> Vec<Row> {
        let floor = servers.iter().find(|(name, _)| *name == "floor");
        let floor = floor.map_or(&[] as &[Measured], |(_, rounds)| rounds);
        let mut rows: Vec<Row> = servers
            .iter()
            .map(|(server, rounds)| row(server, rounds, floor))
            .collect();
        rows.sort_by(|one, other| other.median.rate.total_cmp(&one.median.rate));
        rows
    }

    /// Markdown, a table for each query.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for (size, servers) in &self.all {
            let _ = writeln!(
                text,
                "\n### {size}\n\n| server | requests/s (least to most) | of the floor | p50 ms | p99 ms | p99, of the floor | \
                 server CPU ms | database CPU ms | CPU, of the floor | MiB | body bytes |\n\
                 |---|---|---|---|---|---|---|---|---|---|---|"
            );
            for row in self.rows(servers) {
                let own = row.median;
                let _ = writeln!(
                    text,
                    "| {} | {:.0} ({:.0} to {:.0}) | {:.2} | {:.2} | {:.2} | {:.2} | {:.3} | {:.3} | {:.2} | {:.0} | {:.0} |",
                    row.server,
                    own.rate,
                    row.least,
                    row.most,
                    row.share,
                    own.p50,
                    own.p99,
                    row.p99,
                    own.server,
                    own.database,
                    row.processor,
                    own.memory,
                    own.bytes
                );
            }
        }
        if !self.wide.is_empty() {
            text.push_str(&wide::table(&self.wide));
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let sizes = self.all.iter().map(|(size, servers)| {
            let rows = self.rows(servers).into_iter().map(|row| {
                let rounds = servers.iter().find(|(name, _)| *name == row.server);
                let rounds = rounds.into_iter().flat_map(|(_, rounds)| rounds);
                json!({
                    "server": row.server, "median": row.median.json(), "shareOfFloor": row.share,
                    "p99OfFloor": row.p99, "cpuOfFloor": row.processor,
                    "rounds": rounds.map(Measured::json).collect::<Vec<_>>(),
                })
            });
            (size.clone(), rows.collect::<Value>())
        });
        json!({
            "trees": self.trees, "connections": self.connections, "rounds": self.rounds, "secs": self.secs,
            "queries": sizes.collect::<serde_json::Map<_, _>>(),
            "wide": self.wide.iter().map(Timed::json).collect::<Vec<_>>(),
        })
    }

    /// Writes the page and its picture.
    pub(crate) fn publish(&self) -> Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks");
        let bars: Vec<(String, Vec<Row>)> = self
            .all
            .iter()
            .map(|(size, servers)| (size.clone(), self.rows(servers)))
            .collect();
        std::fs::write(folder.join("nested.svg"), plot::shares(&bars))?;
        let page = format!(
            "{HEAD}\n{}, {} processors; PostgreSQL, servers and load on the same machine.\n{} trees of 30 accounts. {} \
             connections, {} rounds of {} s, medians.\n{}",
            processor(),
            std::thread::available_parallelism()?,
            self.trees,
            self.connections,
            self.rounds,
            self.secs,
            self.table()
        );
        std::fs::write(folder.join("nested.md"), page).context("cannot write docs/benchmarks/nested.md")
    }
}

const HEAD: &str = "\
# Nested reads beside one SQL statement

Written by `cargo bench --bench nested -- --publish`. The queries are those of benches/nested/queries: an account with its
plan and members (S); its 25 subaccounts with their limits (M); all of it, with permissions, usage and billing (L). The data
is what `canopy bench seed` writes.

The floor is one prepared SQL statement that builds the whole JSON, whose bytes a small HTTP handler passes on; it looks at
nobody's rights. Canopy runs as it is shipped, with an API key, authorization, limits and costs. Each server may have 8
connections to the database. All answers were found equal, before and after.

![Requests a second, as a part of the floor's](nested.svg)
";

fn row(server: &'static str, rounds: &[Measured], floor: &[Measured]) -> Row {
    let of = |part: fn(&Measured) -> f64| median(rounds.iter().map(part));
    let beside = |part: fn(&Measured) -> f64| {
        median(
            rounds
                .iter()
                .zip(floor)
                .map(|(own, floor)| part(own) / part(floor)),
        )
    };
    let rates = || rounds.iter().map(|round| round.rate);
    Row {
        server,
        median: Measured {
            rate: of(|own| own.rate),
            p50: of(|own| own.p50),
            p99: of(|own| own.p99),
            server: of(|own| own.server),
            database: of(|own| own.database),
            memory: of(|own| own.memory),
            bytes: of(|own| own.bytes),
        },
        least: rates().fold(f64::INFINITY, f64::min),
        most: rates().fold(0.0, f64::max),
        share: beside(|own| own.rate),
        p99: beside(|own| own.p99),
        processor: beside(|own| own.server + own.database),
    }
}
