//! A rule's code in the engines of its class: in the first from the beginning, in another from the first call there.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use wasmtime::component::{ComponentExportIndex, InstancePre};

use crate::call::CallState;
use crate::code;
use crate::contract::RuleKind;
use crate::error::{RuleError, quoted};
use crate::pool::Pool;
use crate::station::{Station, Stations, Visit};
use crate::validate::{LIMITS_INTERFACE, PRICING_INTERFACE};

/// A rule in one engine.
pub(crate) struct Wired {
    pub(crate) pre: InstancePre<CallState>,
    /// The function of the world.
    pub(crate) function: ComponentExportIndex,
}

/// A rule in all of them.
pub(crate) struct Wiring {
    stations: Arc<Stations>,
    folder: PathBuf,
    kind: RuleKind,
    first: Wired,
    others: Vec<Other>,
}

#[derive(Default)]
struct Other {
    asked: AtomicBool,
    wired: OnceLock<Wired>,
}

impl Wiring {
    /// Loads compiled code into the first engine.
    pub(crate) fn new(pool: &Pool, kind: RuleKind, code: &[u8]) -> Result<Arc<Self>, RuleError> {
        let stations = Arc::clone(&pool.stations);
        let others = stations.all().iter().skip(1).map(|_| Other::default());
        Ok(Arc::new(Self {
            first: Wired::new(stations.first(), kind, code, &pool.folder)?,
            others: others.collect(),
            folder: pool.folder.clone(),
            stations,
            kind,
        }))
    }

    /// The engine for a call of this thread. Where the rule is not loaded yet it is called in the first engine, and
    /// loaded meanwhile.
    pub(crate) fn enter(self: &Arc<Self>) -> (&Wired, Visit<'_>) {
        let visit = self.stations.enter();
        let Some(other) = visit.at.checked_sub(1).map(|at| &self.others[at]) else {
            return (&self.first, visit);
        };
        if let Some(wired) = other.wired.get() {
            return (wired, visit);
        }
        if !other.asked.swap(true, Ordering::Relaxed) {
            self.load_beside(visit.at);
        }
        drop(visit);
        (&self.first, self.stations.enter_first())
    }

    /// The machine code, as it was loaded.
    pub(crate) fn code(&self) -> Result<Vec<u8>, RuleError> {
        let code = self.first.pre.component().serialize();
        code.map_err(|error| RuleError::unavailable(format!("{error:#}")))
    }

    /// Loads the rule at a station too, on a thread beside the workers. Without them all calls stay where they are.
    fn load_beside(self: &Arc<Self>, at: usize) {
        let Ok(workers) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let wiring = Arc::clone(self);
        workers.spawn_blocking(move || {
            let load =
                |code: Vec<u8>| Wired::new(&wiring.stations.all()[at], wiring.kind, &code, &wiring.folder);
            match wiring.code().and_then(load) {
                Ok(wired) => drop(wiring.others[at - 1].wired.set(wired)),
                Err(error) => tracing::warn!(%error, "a rule cannot be loaded into another engine"),
            }
        });
    }
}

impl Wired {
    fn new(
        station: &Station,
        kind: RuleKind,
        code: &[u8],
        folder: &std::path::Path,
    ) -> Result<Self, RuleError> {
        // The seal was good, so what is left to refuse is what the pool has no room for.
        let component = code::load(&station.engine, code, folder).map_err(|error| {
            tracing::warn!(error = format!("{error:#}"), "a compiled rule does not load");
            RuleError::Invalid("it needs more instances, memories or tables than a rule may have".into())
        })?;
        let pre = station
            .linker
            .instantiate_pre(&component)
            .map_err(|error| RuleError::Invalid(quoted(&format!("{error:#}"))))?;
        let (interface, function) = match kind {
            RuleKind::Pricing => (PRICING_INTERFACE, "price"),
            RuleKind::Limits => (LIMITS_INTERFACE, "evaluate"),
        };
        let interface = component.get_export_index(None, interface);
        let function = interface
            .and_then(|interface| component.get_export_index(Some(&interface), function))
            .ok_or_else(|| RuleError::WrongWorld(format!("it does not export the function `{function}`")))?;
        Ok(Self { pre, function })
    }
}
