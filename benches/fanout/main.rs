//! Live updates to many: what each of N subscribers is told of each event, how soon, on how much of a processor and in
//! how much memory; Canopy beside graphql-ws on Node, in turns.
//!
//! `cargo bench --bench fanout -- --help`. The subscribers run in this process, on one thread, for both servers alike.
//! Latency is counted from the instant that an event was due, so that a server that takes events late is not flattered.

mod servers;
mod subscribers;

use std::error::Error;
use std::time::{Duration, Instant};

use clap::Parser;
use servers::{Kind, Server};
use subscribers::Subscribers;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Measures live updates to many subscribers.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  cargo bench --bench fanout\n  cargo bench --bench fanout -- --only canopy --subscribers 10000 --rate 0"
)]
struct Options {
    /// Subscribers, each on a socket of its own.
    #[arg(long, default_value_t = 2000)]
    subscribers: usize,
    /// Events a second, each for all subscribers. 0: they are told of one event, and then rest.
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// How long each turn is measured.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How often each server has its turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only this server.
    #[arg(long)]
    only: Option<Kind>,
    /// What `cargo bench` passes.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One turn of one server.
struct Turn {
    delivered: f64,
    p50: Duration,
    p99: Duration,
    /// Processors in use.
    processors: f64,
    /// What one subscriber more takes, in KiB.
    each: f64,
    /// Memory of the process in KiB, while all rest and at the end.
    silent: u64,
    after: u64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> Result<()> {
    let kinds: Vec<Kind> = match options.only {
        Some(kind) => vec![kind],
        None => vec![Kind::Canopy, Kind::GraphqlWs],
    };
    println!(
        "{} subscribers, {} events/s to each: {} deliveries/s are offered for {} s.\n",
        options.subscribers,
        options.rate,
        options.subscribers * options.rate as usize,
        options.seconds
    );
    println!(
        "| round | server | deliveries/s | p50 ms | p99 ms | processors | MiB at rest | KiB a subscriber | MiB at the end |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut turns: Vec<(Kind, Turn)> = Vec::new();
    for round in 1..=options.rounds {
        for kind in &kinds {
            let turn = turn(*kind, options).await?;
            print(round, *kind, &turn);
            turns.push((*kind, turn));
        }
    }
    if options.only.is_none() && options.rate > 0 {
        compare(&turns);
    }
    Ok(())
}

async fn turn(kind: Kind, options: &Options) -> Result<Turn> {
    let server = Server::start(kind).await?;
    let mut subscribers = Subscribers::new();
    // The first of them make the server grow what it has once, such as its pools; what one costs, the others tell.
    let first = options.subscribers / 10;
    subscribers.join(&server, first).await?;
    let before = server.memory();
    subscribers.join(&server, options.subscribers - first).await?;
    let silent = server.memory();
    let (processor, started) = (server.processor(), Instant::now());
    let latencies = subscribers
        .listen(&server, options.rate, Duration::from_secs(options.seconds))
        .await?;
    let elapsed = started.elapsed().as_secs_f64();
    Ok(Turn {
        delivered: latencies.len() as f64 / elapsed,
        p50: at(&latencies, 0.50),
        p99: at(&latencies, 0.99),
        processors: (server.processor() - processor).as_secs_f64() / elapsed,
        each: silent.saturating_sub(before) as f64 / (options.subscribers - first) as f64,
        silent,
        after: server.memory(),
    })
}

fn print(round: usize, kind: Kind, turn: &Turn) {
    println!(
        "| {round} | {} | {:.0} | {:.1} | {:.1} | {:.2} | {:.0} | {:.1} | {:.0} |",
        kind.name(),
        turn.delivered,
        turn.p50.as_secs_f64() * 1e3,
        turn.p99.as_secs_f64() * 1e3,
        turn.processors,
        turn.silent as f64 / 1024.0,
        turn.each,
        turn.after as f64 / 1024.0,
    );
}

/// The medians of the rounds, as ratios.
fn compare(turns: &[(Kind, Turn)]) {
    let median = |kind: Kind, of: fn(&Turn) -> f64| {
        let mut all: Vec<f64> = turns
            .iter()
            .filter(|(own, _)| *own == kind)
            .map(|(_, turn)| of(turn))
            .collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let ratio = |of: fn(&Turn) -> f64| median(Kind::Canopy, of) / median(Kind::GraphqlWs, of);
    println!(
        "\nCanopy to graphql-ws, medians: {:.2} of its deliveries, {:.3} of its p99.",
        ratio(|turn| turn.delivered),
        ratio(|turn| turn.p99.as_secs_f64()),
    );
}

/// The value below which this share of the sorted latencies lies.
fn at(sorted: &[u32], share: f64) -> Duration {
    let place = (sorted.len().saturating_sub(1)) as f64 * share;
    Duration::from_micros(sorted.get(place as usize).copied().unwrap_or(0).into())
}
