//! What a call of a rule takes: `cargo bench -p canopy-rules-host --bench rules`. All cases run in turns in one
//! process, round after round, so that a busy machine is busy for each of them. A table on a terminal, JSON elsewhere.

#![expect(clippy::unwrap_used, reason = "a benchmark ends by a panic")]

mod cases;
mod guests;
mod native;
mod report;

use std::time::{Duration, Instant};

use canopy_rules_host::testing::bench;
use canopy_rules_host::{CacheSettings, CompilerCommand, Host, HostSettings};

use crate::guests::Guest;
use crate::report::Report;

/// Distinct loaded rules, to see what one takes in memory.
const LOADED: usize = 300;

fn main() {
    let cache = tempfile::tempdir().unwrap();
    let host = host(cache.path());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (guests, missing) = runtime.block_on(guests::all(&host));
    let mut report = Report::default();
    for text in missing {
        report.missing(text);
    }
    cases::calls(&host, &runtime, &guests, &mut report);
    cases::threads(&guests, &mut report);
    for guest in &guests {
        load_from_cache(cache.path(), &runtime, guest, &mut report);
    }
    memory(&host, &guests[0], &mut report);
    report.print();
}

fn host(cache: &std::path::Path) -> Host {
    let mut settings = HostSettings::new(CompilerCommand {
        program: env!("CARGO_BIN_EXE_canopy-rule-compiler").into(),
        args: vec![],
    });
    settings.cache = Some(CacheSettings {
        folder: cache.into(),
        key: [7; 32],
        files: 100,
    });
    Host::new(settings).unwrap()
}

/// From the bytes of the component to a rule that can be called, when it was compiled before.
fn load_from_cache(
    cache: &std::path::Path,
    runtime: &tokio::runtime::Runtime,
    guest: &Guest,
    report: &mut Report,
) {
    let mut times = Vec::new();
    for _ in 0..9 {
        let host = host(cache);
        let begin = Instant::now();
        runtime.block_on(host.prepare(guest.wasm.clone())).unwrap();
        times.push(begin.elapsed());
    }
    report.time(&format!("{}: load from the cache", guest.name), times, 1);
}

/// Resident memory of a rule that is loaded and called no more.
fn memory(host: &Host, guest: &Guest, report: &mut Report) {
    let before = resident();
    let rules: Vec<_> = (0..LOADED).map(|_| bench::again(host, &guest.rule)).collect();
    let each = resident().saturating_sub(before) / rules.len();
    report.number("resident memory of a loaded idle rule, KiB", each as f64 / 1024.0);
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}

/// Repeats for so long, at least so often.
fn repeated(time: Duration, least: usize, mut work: impl FnMut()) -> Vec<Duration> {
    let end = Instant::now() + time;
    let mut times = Vec::new();
    while times.len() < least || Instant::now() < end {
        let begin = Instant::now();
        work();
        times.push(begin.elapsed());
    }
    times
}
