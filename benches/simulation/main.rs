//! A dry run of one month of usage: how many events a second, on how much of a processor, in how much memory.
//!
//! `cargo bench --bench simulation` makes a database of its own (SQLite in a temporary folder, or a new database on
//! the server that CANOPY_BENCH_DATABASE_URL names), fills it with a month of usage with real receipts, asks first
//! whether an unchanged rule answers as it did to the byte, and then measures. CANOPY_BENCH_EVENTS (1000000) and
//! CANOPY_BENCH_ACCOUNTS (1000) change the size.

mod measure;
mod seed;
#[path = "../setup/seller.rs"]
mod seller;

use std::error::Error;

use canopy_domain::Domain;
use canopy_domain::entity::simulation::SimulationStatus;
use canopy_domain::simulation::SimulateRule;

use measure::Meter;
use seed::Seeded;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

fn number(name: &str, default: usize) -> usize {
    let given = std::env::var(name).ok().and_then(|text| text.parse().ok());
    given.unwrap_or(default)
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let (events, accounts) = (
        number("CANOPY_BENCH_EVENTS", 1_000_000),
        number("CANOPY_BENCH_ACCOUNTS", 1_000),
    );
    let seeded = seed::make(events, accounts).await?;
    let events = seeded.events;
    println!(
        "{}: {events} events of {accounts} accounts in {}",
        seeded.database, seeded.month
    );

    let verify = simulate(&seeded, true, None).await?;
    println!(
        "  unchanged rule, each answer compared with its receipt: {}",
        verify.rate(events)
    );
    for page in ["cold", "warm"] {
        let floor = Meter::start();
        let read = seeded
            .domain
            .read_for_simulation(&seeded.seller, seeded.from)
            .await?;
        assert_eq!(read, events as u64, "the floor reads what a dry run reads");
        println!(
            "  floor: only reading the same pages ({page}): {}",
            floor.stop().rate(events)
        );
    }
    for _ in 0..3 {
        let run = simulate(&seeded, false, Some(seed::other_tiers())).await?;
        println!("  dry run of other tiers: {}", run.rate(events));
    }
    measure::calls(&seeded).await?;
    Ok(())
}

/// A dry run of the whole month, which must price each event; with `verify` each answer is the receipt's.
async fn simulate(
    seeded: &Seeded,
    verify: bool,
    configuration: Option<serde_json::Value>,
) -> Result<measure::Measured> {
    let input = SimulateRule {
        rule_version_id: seeded.rule.clone(),
        configuration,
        account_ids: Vec::new(),
        from: seeded.from,
        to: seeded.to,
        verify,
    };
    let domain: &Domain = &seeded.domain;
    let begun = domain
        .simulate_rule(&seeded.actor, input, None)
        .await?
        .value
        .row
        .id;
    let meter = Meter::start();
    assert!(
        domain.run_simulation("bench").await?,
        "there is a dry run to take"
    );
    let measured = meter.stop();
    let row = domain.simulation(&seeded.actor, &begun).await?.row;
    assert_eq!(row.status, SimulationStatus::Done, "{:?}", row.error);
    assert_eq!(
        (row.events_done, row.failures),
        (seeded.events as i64, 0),
        "{:?}",
        row.failure_message
    );
    if verify {
        assert_eq!(
            row.differing,
            Some(0),
            "an unchanged rule answers as it did to the byte"
        );
        assert_eq!(row.before_amount, row.after_amount);
    }
    Ok(measured)
}
