//! The engine's settings, and the clock that stops what fuel does not. Knows no
//! rule.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy,
};

use crate::class::RuleClass;
use crate::settings::ClassSettings;

const STACK: usize = 512 << 10;
const GUARD: u64 = 64 << 10;

/// Sparse data beyond this is not laid out in the artifact: a kilobyte of wasm
/// could otherwise make sixteen megabytes.
const DENSE_IMAGE: u64 = 64 << 10;

/// How much of a memory or table stays where it is after a call and is put back by hand: giving pages back to the
/// kernel and faulting them in again costs more, and more yet on two threads. As much as a call usually touches.
fn keep_resident(class: RuleClass) -> usize {
    match class {
        RuleClass::Small => 64 << 10,
        RuleClass::Interpreter => 512 << 10,
    }
}

/// What of the settings the compiled code depends on: the same in the process
/// that compiles and in the one that runs.
fn common(class: RuleClass, memory: usize) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .wasm_component_model(true)
        .wasm_memory64(false)
        // What the engine itself makes to carry a text from one memory to another
        // has both. A module of a rule's own has one: `validate` sees to it.
        .wasm_multi_memory(class.structure().memories > 1)
        .wasm_relaxed_simd(false)
        .relaxed_simd_deterministic(true)
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(STACK)
        .memory_reservation(memory as u64)
        .memory_guard_size(GUARD)
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(DENSE_IMAGE)
        .generate_address_map(false)
        .wasm_backtrace_max_frames(None)
        .native_unwind_info(false);
    config
}

/// An engine that only compiles. The pool would reserve address space that the
/// compiler's process is not given.
pub(crate) fn compiling(class: RuleClass, memory: usize) -> wasmtime::Result<Engine> {
    let mut config = common(class, memory);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

/// An engine that runs calls in a pool.
pub(crate) fn running(class: RuleClass, settings: &ClassSettings) -> wasmtime::Result<Engine> {
    let (bounds, places) = (class.structure(), settings.places);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(places)
        .total_core_instances(places * bounds.core_instances)
        .total_memories(places * bounds.memories)
        .total_tables(places * bounds.tables)
        .max_core_instances_per_component(bounds.core_instances)
        .max_memories_per_component(bounds.memories)
        .max_memories_per_module(bounds.memories)
        .max_tables_per_component(bounds.tables)
        .max_tables_per_module(bounds.tables)
        .max_memory_size(settings.memory)
        .table_elements(bounds.table_elements)
        .max_core_instance_size(1 << 20)
        .max_component_instance_size(1 << 20)
        .max_unused_warm_slots(places)
        .linear_memory_keep_resident(keep_resident(class))
        .table_keep_resident(keep_resident(class))
        .pagemap_scan(Enabled::Auto);
    let mut config = common(class, settings.memory);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// The engine and its version, for receipts: `wasmtime` and three numbers.
pub const ENGINE: &str = match std::str::from_utf8(&NAME) {
    Ok(name) => name,
    Err(_) => panic!("a version is text"),
};

const NAME: [u8; ENGINE_NAME.len() + wasmtime_environ::VERSION.len()] = joined();
const ENGINE_NAME: &str = "wasmtime ";

const fn joined<const N: usize>() -> [u8; N] {
    let (name, version) = (ENGINE_NAME.as_bytes(), wasmtime_environ::VERSION.as_bytes());
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = if at < name.len() {
            name[at]
        } else {
            version[at - name.len()]
        };
        at += 1;
    }
    bytes
}

/// Names an engine's version and settings: code compiled for another one is not
/// to be loaded.
pub(crate) fn fingerprint(engine: &Engine) -> [u8; 32] {
    struct Into(Sha256);
    impl Hasher for Into {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            unreachable!("only the whole digest is used")
        }
    }
    let mut hasher = Into(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// Length of a tick of the engine's clock.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// So many ticks without a call, and the clock stops until the next.
const IDLE_TICKS: u32 = 500;

/// The clock that interrupts calls: a thread that ticks while there are calls.
pub(crate) struct Clock {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    started: AtomicU64,
    ended: AtomicU64,
    asleep: AtomicBool,
    closed: AtomicBool,
}

impl Clock {
    pub(crate) fn start(engines: &[&Engine]) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let engines: Vec<_> = engines.iter().map(|engine| engine.weak()).collect();
        let seen = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("canopy-rule-clock".into())
            .spawn(move || {
                let mut idle = 0;
                let mut last = 0;
                while !seen.closed.load(Ordering::SeqCst) {
                    std::thread::sleep(TICK);
                    for engine in &engines {
                        let Some(engine) = engine.upgrade() else { return };
                        engine.increment_epoch();
                    }
                    let started = seen.started.load(Ordering::SeqCst);
                    let busy = started != last || seen.ended.load(Ordering::SeqCst) != started;
                    idle = if busy { 0 } else { idle + 1 };
                    last = started;
                    if idle >= IDLE_TICKS {
                        seen.asleep.store(true, Ordering::SeqCst);
                        // A call that started in between has seen `asleep` or is seen here.
                        if seen.started.load(Ordering::SeqCst) == last && !seen.closed.load(Ordering::SeqCst)
                        {
                            std::thread::park();
                        }
                        seen.asleep.store(false, Ordering::SeqCst);
                        idle = 0;
                    }
                }
            })?;
        Ok(Self {
            shared,
            thread: thread.thread().clone(),
        })
    }

    /// The clock ticks as long as the answer lives.
    pub(crate) fn watch(&self) -> Watch<'_> {
        self.shared.started.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Watch(&self.shared)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

pub(crate) struct Watch<'a>(&'a Shared);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_compiled_apart_fits_the_engine_that_runs_it() {
        let small = ClassSettings {
            places: 1,
            ..ClassSettings::small()
        };
        let interpreter = ClassSettings {
            places: 1,
            ..ClassSettings::interpreter()
        };
        for (class, settings) in [(RuleClass::Small, small), (RuleClass::Interpreter, interpreter)] {
            let here = fingerprint(&running(class, &settings).unwrap());
            let apart = |memory| fingerprint(&compiling(class, memory).unwrap());
            assert_eq!(here, apart(settings.memory));
            assert_ne!(here, apart(settings.memory * 2));
        }
    }

    #[test]
    fn the_engine_is_named_as_it_is_built() {
        let lock = include_str!("../../../Cargo.lock");
        let (_, entry) = lock.split_once("name = \"wasmtime\"\nversion = \"").unwrap();
        let (version, _) = entry.split_once('"').unwrap();
        assert_eq!(ENGINE, format!("wasmtime {version}"));
    }

    #[test]
    fn the_clock_sleeps_when_there_are_no_calls_and_wakes_for_one() {
        let class = ClassSettings {
            places: 1,
            ..ClassSettings::small()
        };
        let engine = running(RuleClass::Small, &class).unwrap();
        let clock = Clock::start(&[&engine]).unwrap();
        let until = |asleep| {
            let bound = std::time::Instant::now() + Duration::from_secs(30);
            while clock.shared.asleep.load(Ordering::SeqCst) != asleep {
                assert!(std::time::Instant::now() < bound, "the clock did not change");
                std::thread::yield_now();
            }
        };
        until(true);
        let watch = clock.watch();
        until(false);
        drop(watch);
        until(true);
    }
}
