//! What a call of a rule takes: `cargo bench -p canopy-rules-host --bench rules`. All cases run in turns in one
//! process, round after round, so that a busy machine is busy for each of them. A table on a terminal, JSON elsewhere.
//! `-- calls`, `-- threads`, `-- load` and `-- memory` run a part alone.
//!
//! The native call is made of the sources of the built-in rule `tiered-pricing`, so it is the logic of the guest in Rust.
//! The other embedding is a program of its own, benches/peer, with that rule as its guest; it is asked in the same
//! rounds. `cargo xtask peer` builds both into target/bench-rules. Without them its rows are missing, as are those of a
//! language whose guest is.

#![expect(clippy::unwrap_used, reason = "a benchmark ends by a panic")]

extern crate alloc;
// The rule's sources name the SDK: here it is this crate, and the contract's types are the host's own. As a dependency
// the rule would bring wit-bindgen into the workspace, and turn on a feature of serde_json for all of it.
extern crate self as canopy_rules_sdk;

mod cases;
#[expect(unreachable_pub, unused_imports, reason = "a module of the SDK")]
#[path = "../../../sdk/rust/src/config.rs"]
mod config;
#[path = "../../../builtin/tiered-pricing/src/configuration.rs"]
mod configuration;
mod guests;
#[expect(unreachable_pub, unused_imports, dead_code, reason = "a module of the SDK")]
#[path = "../../../sdk/rust/src/money.rs"]
mod money;
mod native;
mod peer;
#[path = "../../../builtin/tiered-pricing/src/price.rs"]
mod price;
mod pricing {
    pub(crate) use canopy_rules_host::{LineItem, PricedLine, UsageLine};
}
mod report;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use canopy_rules_host::testing::bench;
use canopy_rules_host::{CacheSettings, CompilerCommand, Host, HostSettings, LoadedRule};

use crate::guests::Guest;
use crate::peer::Peer;
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
    let mut report = Report::default();
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|word| word == part);
    // First, as later there is memory that was used and is free, and would count for nothing.
    if wanted("memory") {
        let rule = runtime.block_on(guests::rust(&host)).rule;
        memory(&host, &rule, &mut report);
    }
    let (guests, missing) = runtime.block_on(guests::all(&host));
    for text in missing {
        report.missing(text);
    }
    if wanted("calls") {
        let peer = match Peer::start(&guests::folder()) {
            Ok(peer) => Some(RefCell::new(peer)),
            Err(how) => {
                report.missing(how);
                None
            }
        };
        cases::calls(&host, &runtime, &guests, peer.as_ref(), &mut report);
    }
    if wanted("threads") {
        cases::threads(&runtime, &guests, &mut report);
    }
    if wanted("load") {
        for guest in &guests {
            load_from_cache(cache.path(), &runtime, guest, &mut report);
        }
    }
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

/// Memory of a rule that is loaded and called no more: its own, and that of pages of files, which the kernel takes
/// back when it needs them.
fn memory(host: &Host, rule: &LoadedRule, report: &mut Report) {
    let kinds = ["RssAnon:", "RssFile:"];
    let before = kinds.map(resident);
    let rules: Vec<_> = (0..LOADED).map(|_| bench::again(host, rule)).collect();
    let after = kinds.map(resident);
    let [own, files] = [0, 1].map(|kind| (after[kind] - before[kind]) / rules.len() as f64);
    report.number("memory of a loaded idle rule, KiB", own);
    report.number("pages of its code in memory after loading, KiB", files);
}

/// Memory of this process, in KiB.
fn resident(kind: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(kind));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.unwrap_or(0.0)
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
