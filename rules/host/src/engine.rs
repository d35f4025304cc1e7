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

use crate::settings::ClassSettings;

/// What runs the rules, as receipts name it. A test holds it against Cargo.lock.
pub const ENGINE: &str = "wasmtime 48.0.8";

/// Bounds on the parts of one component. Those of a typed language have one
/// module with a memory, and a few small ones that wire it up.
pub(crate) const MAX_CORE_INSTANCES: u32 = 8;
pub(crate) const MAX_MEMORIES: u32 = 1;
pub(crate) const MAX_TABLES: u32 = 4;
pub(crate) const MAX_TABLE_ELEMENTS: usize = 10_000;

const STACK: usize = 512 << 10;
const GUARD: u64 = 64 << 10;
const KEEP_RESIDENT: usize = 64 << 10;

/// Sparse data beyond this is not laid out in the artifact: a kilobyte of wasm
/// could otherwise make sixteen megabytes.
const DENSE_IMAGE: u64 = 64 << 10;

/// What of the settings the compiled code depends on: the same in the process
/// that compiles and in the one that runs.
fn common(memory: usize) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .wasm_component_model(true)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
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
pub(crate) fn compiling(memory: usize) -> wasmtime::Result<Engine> {
    let mut config = common(memory);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

/// An engine that runs calls in a pool.
pub(crate) fn running(class: &ClassSettings) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(class.places)
        .total_core_instances(class.places * MAX_CORE_INSTANCES)
        .total_memories(class.places * MAX_MEMORIES)
        .total_tables(class.places * MAX_TABLES)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_memories_per_module(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_tables_per_module(MAX_TABLES)
        .max_memory_size(class.memory)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_core_instance_size(1 << 20)
        .max_component_instance_size(1 << 20)
        .max_unused_warm_slots(class.places)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    let mut config = common(class.memory);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
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
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (seen, engine) = (Arc::clone(&shared), engine.weak());
        let thread = std::thread::Builder::new()
            .name("canopy-rule-clock".into())
            .spawn(move || {
                let mut idle = 0;
                let mut last = 0;
                while !seen.closed.load(Ordering::SeqCst) {
                    std::thread::sleep(TICK);
                    let Some(engine) = engine.upgrade() else { return };
                    engine.increment_epoch();
                    drop(engine);
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
        let class = ClassSettings {
            places: 1,
            ..ClassSettings::small()
        };
        let here = fingerprint(&running(&class).unwrap());
        assert_eq!(here, fingerprint(&compiling(class.memory).unwrap()));
        assert_ne!(here, fingerprint(&compiling(class.memory * 2).unwrap()));
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
        let engine = running(&class).unwrap();
        let clock = Clock::start(&engine).unwrap();
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
