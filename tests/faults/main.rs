//! Faults: three nodes on one PostgreSQL and one NATS, clients that retry, subscribers that resume, and whatever a seed
//! draws to go wrong. At the end each event must have counted exactly once.
//!
//! `cargo test --test faults -- run --seed 7 --faults 200`. Without `run` it does nothing, so that `cargo test` stays
//! quick; `cargo xtask test --only faults` runs a few. A failure names its seed, which draws the same faults again.

mod audit;
mod backends;
mod blows;
mod clients;
mod draw;
mod nodes;
mod proxy;
mod spends;
mod watchers;
mod world;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use futures_util::future::try_join_all;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::audit::Audit;
use crate::backends::{Nats, Postgres};
use crate::blows::Step;
use crate::clients::{Client, Sent, Tally};
use crate::draw::Draw;
use crate::nodes::Node;
use crate::watchers::Watcher;
use crate::world::World;

/// How long the service may take to answer again after a fault.
const RECOVERED: Duration = Duration::from_secs(90);
/// So many batches are answered between two faults at least.
const BETWEEN: u64 = 5;

/// Deals faults to a system of three nodes and checks that nothing was lost or counted twice.
#[derive(Parser)]
struct Options {
    /// What to draw the faults from. Any number if not given; it is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// How many faults.
    #[arg(long, default_value_t = 200)]
    faults: usize,
    /// How many clients record usage.
    #[arg(long, default_value_t = 20)]
    clients: usize,
    /// How long a client waits between two batches, in milliseconds.
    #[arg(long, default_value_t = 200)]
    pace: u64,
    /// How often the last credit is spent from all nodes at once.
    #[arg(long, default_value_t = 1000)]
    spends: u64,
    /// Where the logs of all processes go. A temporary directory if not given, which stays after a failure.
    #[arg(long)]
    logs: Option<std::path::PathBuf>,
}

/// All that takes part.
pub(crate) struct Arena {
    pub(crate) postgres: Mutex<Postgres>,
    pub(crate) nats: Mutex<Nats>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) world: World,
    pub(crate) tally: Tally,
    pub(crate) streams: reqwest::Client,
}

/// Asks again and again until there is an answer, at most for `limit`.
pub(crate) async fn until<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Option<T>>,
{
    let mut turns = tokio::time::interval(Duration::from_millis(20));
    let asking = async {
        loop {
            turns.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(limit, asking).await;
    answer.with_context(|| format!("waited {limit:?} for {what}"))
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).map(String::as_str) != Some("run") {
        eprintln!(
            "faults: nothing to do; `cargo test --test faults -- run --seed 7 --faults 20` deals faults"
        );
        return ExitCode::SUCCESS;
    }
    arguments.remove(1);
    let options = Options::parse_from(arguments);
    let seed = options.seed.unwrap_or_else(|| rand::random::<u64>() >> 32);
    eprintln!(
        "seed {seed}: {} faults, {} clients",
        options.faults, options.clients
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime can be made");
    let ran = runtime.block_on(async {
        tokio::select! {
            ran = run(&options, seed) => ran,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        }
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED with --seed {seed} --faults {}: {error:#}", options.faults);
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options, seed: u64) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("canopy-faults-").tempdir()?;
    let logs = match &options.logs {
        Some(logs) => logs.clone(),
        None => tempfile::Builder::new()
            .prefix("canopy-faults-logs-")
            .tempdir()?
            .keep(),
    };
    std::fs::create_dir_all(&logs)?;
    eprintln!("the logs of all processes are in {}", logs.display());
    let began = Instant::now();
    let arena = Arc::new(arena(folder.path(), &logs).await?);
    try_join_all(arena.nodes.iter().map(Node::ensure)).await?;
    eprintln!("{:>6.1} s  three nodes serve", began.elapsed().as_secs_f64());

    let (stop, stop_watching) = (CancellationToken::new(), CancellationToken::new());
    let watched = [
        (0, true),
        (1, true),
        (1, false),
        (2, false),
        (3, true),
        (4, true),
        (5, false),
    ];
    let watchers = watched.map(|(place, below)| Watcher::new(&arena, place, below));
    let mut watching = JoinSet::new();
    for watcher in &watchers {
        watching.spawn(Arc::clone(watcher).run(stop_watching.clone()));
    }
    let mut recording = JoinSet::new();
    for number in 0..options.clients {
        let client = Client {
            arena: Arc::clone(&arena),
            number,
            draw: Draw::new(seed, 1 + number as u64),
            http: canopy::tls::client_builder().build()?,
        };
        recording.spawn(client.run(Duration::from_millis(options.pace), stop.clone()));
    }
    let audit = Audit::open(&arena).await?;
    let mut dealt = BTreeMap::<&'static str, u64>::new();
    let dealing = deal(&arena, options, seed, (&audit, &watchers[0]), &mut dealt);
    tokio::select! {
        done = dealing => done?,
        early = recording.join_next() => bail!("a client gave up: {:?}", early.map(|ended| ended.map(|sent| sent.map(|sent| sent.len())))),
        early = watching.join_next() => bail!("a subscriber gave up: {early:?}"),
    }
    stop.cancel();
    let mut sent: Vec<Sent> = Vec::new();
    while let Some(client) = recording.join_next().await {
        sent.extend(client??);
    }
    eprintln!(
        "{:>6.1} s  the clients have stopped; checking {} events",
        began.elapsed().as_secs_f64(),
        sent.len()
    );
    audit.everything(&sent, &watchers).await?;
    stop_watching.cancel();
    while let Some(watcher) = watching.join_next().await {
        watcher??;
    }
    spends::run(&arena, &audit, options.spends).await?;
    summarize(options, seed, began, &arena, &watchers, &sent, &dealt);
    if options.logs.is_none() {
        // They were kept for a failure.
        let _ = std::fs::remove_dir_all(&logs);
    }
    Ok(())
}

async fn arena(folder: &std::path::Path, logs: &std::path::Path) -> Result<Arena> {
    let (postgres, nats) = (Postgres::start(logs).await?, Nats::start(logs).await?);
    let world = World::make(postgres.port, &folder.join("rules")).await?;
    let mut nodes = Vec::new();
    for index in 0..3 {
        nodes.push(Node::new(index, postgres.port, nats.port, folder, logs).await?);
    }
    Ok(Arena {
        postgres: Mutex::new(postgres),
        nats: Mutex::new(nats),
        nodes,
        world,
        tally: Tally::default(),
        streams: canopy::tls::client_builder().build()?,
    })
}

async fn deal(
    arena: &Arena,
    options: &Options,
    seed: u64,
    (audit, top): (&Audit, &Watcher),
    dealt: &mut BTreeMap<&'static str, u64>,
) -> Result<()> {
    let mut draw = Draw::new(seed, 0);
    let (mut count, began) = (0, Instant::now());
    while count < options.faults {
        let step = Step::draw(&mut draw, arena.nodes.len());
        let number = count + 1;
        let at = began.elapsed().as_secs_f64();
        eprintln!(
            "{at:>6.1} s  {number:>3}/{}  {:?} for {:?}",
            options.faults, step.blows, step.lasts
        );
        let context = || format!("fault {number} of seed {seed}: {step:?}");
        for blow in &step.blows {
            blow.deal(arena).await.with_context(context)?;
            *dealt.entry(blow.kind()).or_default() += 1;
            count += 1;
        }
        // The fault itself takes this long.
        let _ = tokio::time::timeout(step.lasts, std::future::pending::<()>()).await;
        for blow in &step.blows {
            blow.heal(arena).await.with_context(context)?;
        }
        recovered(arena).await.with_context(context)?;
        audit.heard(top).await.with_context(context)?;
    }
    Ok(())
}

/// Waits until each node is ready and clients are answered.
async fn recovered(arena: &Arena) -> Result<()> {
    let ready = try_join_all(arena.nodes.iter().map(Node::ensure)).await;
    if let Err(error) = ready {
        let mut states = Vec::new();
        for node in &arena.nodes {
            states.push(format!("{}: {}", node.name, node.readiness().await));
        }
        return Err(error.context(states.join("\n")));
    }
    let wanted = arena.tally.answered.load(Ordering::Relaxed) + BETWEEN;
    until("the clients to be answered", RECOVERED, || async {
        (arena.tally.answered.load(Ordering::Relaxed) >= wanted).then_some(())
    })
    .await
}

fn summarize(
    options: &Options,
    seed: u64,
    began: Instant,
    arena: &Arena,
    watchers: &[Arc<Watcher>],
    sent: &[Sent],
    dealt: &BTreeMap<&'static str, u64>,
) {
    let tally = &arena.tally;
    let counted = sent.iter().filter(|event| event.counted).count();
    let moves: u64 = watchers
        .iter()
        .map(|watcher| *watcher.moves.lock().expect("nobody panicked"))
        .sum();
    let told: usize = watchers.iter().map(|watcher| watcher.log().len()).sum();
    let summary = json!({
        "seed": seed,
        "seconds": began.elapsed().as_secs(),
        "faults": dealt.values().sum::<u64>(),
        "byKind": dealt,
        "clients": options.clients,
        "batches": tally.answered.load(Ordering::Relaxed),
        "tries": tally.tries.load(Ordering::Relaxed),
        "events": { "counted": counted, "withoutCredits": sent.len() - counted },
        "replayed": tally.replayed.load(Ordering::Relaxed),
        "refused": tally.refused.load(Ordering::Relaxed),
        "subscribers": { "streams": watchers.len(), "moved": moves, "updates": told },
        "lastCreditRounds": options.spends,
    });
    if std::io::stdout().is_terminal() {
        println!("{summary:#}");
    } else {
        println!("{summary}");
    }
}
