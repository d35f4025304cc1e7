//! Time, processor time and memory of this process, from /proc.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use canopy_domain::rules_host::{PeriodTotals, PricingAccount, PricingInput, UsageLine};

use crate::Result;
use crate::seed::Seeded;

/// Ticks of /proc/self/stat in a second, on every Linux that matters.
const TICKS: u64 = 100;

/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(5);

pub(crate) struct Meter {
    started: Instant,
    processor: Duration,
    /// Watches the memory until this is dropped.
    watching: mpsc::Sender<()>,
    watch: JoinHandle<u64>,
}

pub(crate) struct Measured {
    wall: Duration,
    processor: Duration,
    /// The most memory of its own at once, in KiB: without pages of files, which are the kernel's to take back.
    peak: u64,
}

impl Meter {
    pub(crate) fn start() -> Self {
        let (watching, ended) = mpsc::channel();
        let watch = thread::spawn(move || {
            let mut peak = memory();
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                peak = peak.max(memory());
            }
            peak
        });
        Self {
            processor: processor(),
            started: Instant::now(),
            watching,
            watch,
        }
    }

    pub(crate) fn stop(self) -> Measured {
        let (wall, processor) = (self.started.elapsed(), processor() - self.processor);
        drop(self.watching);
        Measured {
            wall,
            processor,
            peak: self.watch.join().unwrap_or(0),
        }
    }
}

impl Measured {
    pub(crate) fn rate(&self, events: usize) -> String {
        let a_second = |time: Duration| events as f64 / time.as_secs_f64();
        format!(
            "{:.0} events/s, {:.0} events/s per core ({:.2} s, {:.2} s of processor), peak {} MiB",
            a_second(self.wall),
            a_second(self.processor),
            self.wall.as_secs_f64(),
            self.processor.as_secs_f64(),
            self.peak >> 10
        )
    }
}

/// Processor time of all threads so far.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// In KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// What a call of 1000 lines takes, without and with the digests of a receipt, and what one line of it takes alone.
pub(crate) async fn calls(seeded: &Seeded) -> Result<()> {
    const TIMES: u32 = 200;
    let rule = seeded.host.prepare(seeded.wasm.clone()).await?;
    let (thousand, one) = (input(seeded, 1_000), input(seeded, 1));
    let mut times = Vec::new();
    for (input, digests) in [(&thousand, false), (&thousand, true), (&one, false)] {
        let mut spent = Duration::ZERO;
        for _ in 0..TIMES {
            let input = input.clone();
            let begin = Instant::now();
            match digests {
                true => drop(seeded.host.price(&rule, input).await?),
                false => drop(seeded.host.examine_pricing(&rule, input).await.result?),
            }
            spent += begin.elapsed();
        }
        times.push(spent / TIMES);
    }
    let begin = Instant::now();
    for _ in 0..TIMES {
        drop(std::hint::black_box(&thousand).clone());
    }
    let clone = begin.elapsed() / TIMES;
    println!(
        "  one call of 1000 lines: {:?}; with the digests of the call: {:?}; one line alone: {:?}; copying the \
         question: {clone:?}",
        times[0], times[1], times[2]
    );
    Ok(())
}

fn input(seeded: &Seeded, lines: i64) -> PricingInput {
    let configuration = seed_configuration();
    let mut input = PricingInput::new(seeded.seller.path.to_string(), "USD", configuration);
    for line in 0..lines {
        let account = input.account(PricingAccount {
            path: format!("{}acc_{:026}/", seeded.seller.path, line / 8),
            buyer: format!("acc_{:026}", line / 8),
            buyer_plan: "pln_connector".to_owned(),
        });
        input.lines.push(UsageLine {
            account,
            meter: "call_minutes".to_owned(),
            quantity: 1_000_000 + line,
            cost: 0,
            occurred_at: 1_767_225_600,
            attributes: Some(r#"{"direction":"inbound","region":"eu-west"}"#.to_owned()),
            period: PeriodTotals {
                start: 1_767_225_600,
                quantity: line * 1_000_000,
                lines: line,
            },
        });
    }
    input
}

fn seed_configuration() -> String {
    crate::seller::tiers().to_string()
}
