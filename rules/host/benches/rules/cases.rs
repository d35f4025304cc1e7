//! What is measured, in turns.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Duration;

use canopy_rules_host::testing::bench::{Reused, isolated};
use canopy_rules_host::{Host, PricingInput};
use tokio::runtime::Runtime;

use crate::guests::{Guest, rust_batch};
use crate::peer::Peer;
use crate::report::Report;
use crate::{native, repeated};

const ROUNDS: usize = 7;
const TIME: Duration = Duration::from_millis(60);
/// Calls in a round, however long they take.
const LEAST: usize = 3;
const BATCHES: [usize; 3] = [1, 10, 1000];

/// Calls before an instance that is used again is made anew: a rule's allocator frees nothing.
fn reuses(lines: usize) -> usize {
    if lines > 10 { 1 } else { 100 }
}

/// Its name, its lines, and a round of it.
type Case<'a> = (String, usize, Box<dyn FnMut() -> Vec<Duration> + 'a>);

/// Calls on one thread.
pub(crate) fn calls(
    host: &Host,
    runtime: &Runtime,
    guests: &[Guest],
    peer: Option<&RefCell<Peer>>,
    report: &mut Report,
) {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for lines in BATCHES {
        let input = rust_batch(lines);
        let prices = isolated(&guests[0].rule, &input);
        assert_eq!(prices, native::price(&input), "the guest in Rust and its sources");
        let work = move || drop(black_box(native::price(black_box(&input))));
        cases.push(case(format!("native, {lines} lines"), lines, work));
    }
    for guest in guests {
        for lines in BATCHES {
            cases.extend(of_guest(host, runtime, guest, lines));
        }
    }
    if let Some(peer) = peer {
        for (batch, lines) in BATCHES.into_iter().enumerate() {
            cases.extend(of_peer(peer, &guests[0], batch, lines));
        }
    }
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for ((_, _, round), times) in cases.iter_mut().zip(&mut times) {
            times.extend(round());
        }
    }
    for ((name, lines, _), times) in cases.iter().zip(times) {
        report.time(name, times, *lines);
    }
}

fn case<'a>(name: String, lines: usize, mut work: impl FnMut() + 'a) -> Case<'a> {
    (name, lines, Box::new(move || repeated(TIME, LEAST, &mut work)))
}

fn of_guest<'a>(host: &'a Host, runtime: &'a Runtime, guest: &'a Guest, lines: usize) -> Vec<Case<'a>> {
    let name = |what: &str| format!("{}: {what}, {lines} lines", guest.name);
    let input = guest.batch(lines);
    let forever: &'static PricingInput = Box::leak(Box::new(input.clone()));
    let mut reused = (Reused::new(&guest.rule), 0);
    let again = move || {
        if reused.1 == reuses(lines) {
            reused = (Reused::new(&guest.rule), 0);
        }
        reused.1 += 1;
        drop(black_box(reused.0.call(forever)));
    };
    let alone = move || drop(black_box(isolated(&guest.rule, forever)));
    let whole = move || {
        let outcome = runtime.block_on(host.price(&guest.rule, input.clone()));
        drop(black_box(outcome.unwrap()));
    };
    vec![
        case(name("reused instance"), lines, again),
        case(name("isolated call"), lines, alone),
        case(name("whole call with digests"), lines, whole),
    ]
}

/// The same rule in another embedding; first of all it must price as our guest does.
fn of_peer<'a>(peer: &'a RefCell<Peer>, rust: &Guest, batch: usize, lines: usize) -> Vec<Case<'a>> {
    let input = rust_batch(lines);
    let prices = peer.borrow_mut().batch(&input);
    assert_eq!(
        prices,
        isolated(&rust.rule, &input),
        "the peer and the guest in Rust"
    );
    let case = |what: &str, calls_per_instance: usize| -> Case<'a> {
        let name = format!("wasmer, JSON: {what}, {lines} lines");
        let round = move || peer.borrow_mut().time(batch, calls_per_instance, TIME, LEAST);
        (name, lines, Box::new(round))
    };
    vec![case("reused instance", reuses(lines)), case("isolated call", 1)]
}

/// The native call and isolated calls of one line, on one thread and on two, in turns: what two threads cost beside
/// each other is in part the machine's, and the native call shows how much of it.
pub(crate) fn threads(runtime: &Runtime, guests: &[Guest], report: &mut Report) {
    let input = rust_batch(1);
    let native = || drop(black_box(native::price(black_box(&input))));
    on_threads("native", runtime, &native, report);
    for guest in guests {
        let input = guest.batch(1);
        let alone = || drop(black_box(isolated(&guest.rule, &input)));
        on_threads(&format!("{}: isolated call", guest.name), runtime, &alone, report);
    }
}

fn on_threads(name: &str, runtime: &Runtime, call: &(impl Fn() + Sync), report: &mut Report) {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (threads, times) in times.iter_mut().enumerate().map(|(at, times)| (at + 1, times)) {
            let barrier = Barrier::new(threads);
            let work = || {
                let _runtime = runtime.enter();
                barrier.wait();
                repeated(TIME, LEAST, call)
            };
            std::thread::scope(|scope| {
                let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
                for thread in running {
                    times.extend(thread.join().unwrap());
                }
            });
        }
    }
    let [one, two] = times;
    let one = report.time(&format!("{name}, 1 thread"), one, 1);
    let two = report.time(&format!("{name}, 2 threads"), two, 1);
    report.number(&format!("{name}, two threads to one, ratio"), two / one);
}
