//! What is measured, in turns.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Duration;

use canopy_rules_host::testing::bench::{Reused, isolated};
use canopy_rules_host::{Host, PricingInput};
use tokio::runtime::Runtime;

use crate::guests::{Guest, native_input};
use crate::report::Report;
use crate::{native, repeated};

const ROUNDS: usize = 7;
const TIME: Duration = Duration::from_millis(60);
const BATCHES: [usize; 3] = [1, 10, 1000];

/// Calls before an instance that is used again is made anew: a rule's allocator frees nothing.
const REUSES: usize = 100;

type Case<'a> = (String, usize, Box<dyn FnMut() + 'a>);

/// Calls on one thread.
pub(crate) fn calls(host: &Host, runtime: &Runtime, guests: &[Guest], report: &mut Report) {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for lines in BATCHES {
        let input = native_input(lines);
        let work = move || drop(black_box(native::price(black_box(&input))));
        cases.push((format!("native, {lines} lines"), lines, Box::new(work)));
    }
    for guest in guests {
        for lines in BATCHES {
            cases.extend(of_guest(host, runtime, guest, lines));
        }
    }
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for ((_, _, work), times) in cases.iter_mut().zip(&mut times) {
            times.extend(repeated(TIME, 3, work));
        }
    }
    for ((name, lines, _), times) in cases.iter().zip(times) {
        report.time(name, times, *lines);
    }
}

fn of_guest<'a>(host: &'a Host, runtime: &'a Runtime, guest: &'a Guest, lines: usize) -> Vec<Case<'a>> {
    let name = |what: &str| format!("{}: {what}, {lines} lines", guest.name);
    let input = guest.batch(lines);
    let forever: &'static PricingInput = Box::leak(Box::new(input.clone()));
    let mut reused = (Reused::new(&guest.rule), 0);
    let reuses = if lines > 10 { 1 } else { REUSES };
    let again = move || {
        if reused.1 == reuses {
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
        (name("reused instance"), lines, Box::new(again)),
        (name("isolated call"), lines, Box::new(alone)),
        (name("whole call with digests"), lines, Box::new(whole)),
    ]
}

/// The native call and isolated calls of one line, on one thread and on two, in turns: what two threads cost beside
/// each other is in part the machine's, and the native call shows how much of it.
pub(crate) fn threads(runtime: &Runtime, guests: &[Guest], report: &mut Report) {
    let input = native_input(1);
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
                repeated(TIME, 3, call)
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
