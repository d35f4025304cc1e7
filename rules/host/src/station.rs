//! The engines of a class. Two calls in one engine meet at the locks of its pool, and each waits for the other as
//! long as it works. So there are several, and a call goes to the one that its thread had last, or to one where
//! nobody is. Knows no rule.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::call::CallState;
use crate::class::RuleClass;
use crate::engine;
use crate::log;
use crate::settings::ClassSettings;

thread_local! {
    /// Where this thread's last call was.
    static LAST: Cell<usize> = const { Cell::new(0) };
}

/// An engine with its pool.
pub(crate) struct Station {
    pub(crate) engine: Engine,
    /// Defines what a rule may import.
    pub(crate) linker: Linker<CallState>,
    calls: Calls,
}

/// Calls that are in a station: on a cache line of their own, since each call writes it.
#[derive(Default)]
#[repr(align(128))]
struct Calls(AtomicUsize);

/// All engines of a class: with the same settings, so that one's code fits the others.
pub(crate) struct Stations(Vec<Station>);

impl Stations {
    /// As many as asked for, at least one.
    pub(crate) fn open(class: RuleClass, settings: &ClassSettings, count: usize) -> wasmtime::Result<Self> {
        let open = |_| {
            let engine = engine::running(class, settings)?;
            let mut linker = Linker::new(&engine);
            log::define(&mut linker)?;
            Ok(Station {
                engine,
                linker,
                calls: Calls::default(),
            })
        };
        (0..count.max(1))
            .map(open)
            .collect::<wasmtime::Result<_>>()
            .map(Self)
    }

    pub(crate) fn all(&self) -> &[Station] {
        &self.0
    }

    /// Where everything is loaded first.
    pub(crate) fn first(&self) -> &Station {
        &self.0[0]
    }

    /// A station for a call of this thread.
    pub(crate) fn enter(&self) -> Visit<'_> {
        let last = LAST.get() % self.0.len();
        let order = (last..self.0.len()).chain(0..last);
        let free = order
            .into_iter()
            .find(|&at| self.0[at].calls.0.load(Ordering::Relaxed) == 0);
        let at = free.unwrap_or(last);
        LAST.set(at);
        self.visit(at)
    }

    /// The first station, whoever is there.
    pub(crate) fn enter_first(&self) -> Visit<'_> {
        self.visit(0)
    }

    fn visit(&self, at: usize) -> Visit<'_> {
        let calls = &self.0[at].calls.0;
        calls.fetch_add(1, Ordering::Relaxed);
        Visit { at, calls }
    }
}

/// The time that a call spends in a station.
pub(crate) struct Visit<'a> {
    /// The station's place among all.
    pub(crate) at: usize,
    calls: &'a AtomicUsize,
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_goes_where_nobody_is() {
        let settings = ClassSettings {
            places: 1,
            ..ClassSettings::small()
        };
        let stations = Stations::open(RuleClass::Small, &settings, 2).unwrap();
        let alone = stations.enter().at;
        assert_eq!(stations.enter().at, alone, "a thread keeps its station");
        let visits = [stations.enter(), stations.enter()];
        assert_ne!(visits[0].at, visits[1].at);
        let third = stations.enter();
        assert!(third.at < 2, "when all are taken they are shared");
    }
}
