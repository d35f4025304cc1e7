//! The bounds of the sandbox. Knows no engine.

use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// A compiler that was itself compiled without optimizations takes twenty times
/// as long.
const UNOPTIMIZED: u32 = if cfg!(debug_assertions) { 10 } else { 1 };

/// Settings of a [`Host`](crate::Host). [`HostSettings::new`] has good values for
/// everything but the compiler.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// The program that compiles in its own process.
    pub compiler: CompilerCommand,
    /// Where compiled rules outlive the process. None: nowhere.
    pub cache: Option<CacheSettings>,
    /// Bounds for rules compiled to machine code from a typed language.
    pub small: ClassSettings,
    /// Bounds for rules that bring an interpreter, for JavaScript or Python.
    pub interpreter: ClassSettings,
    /// Most compiled rules kept loaded: about 30 KiB of memory each, and a mapped file for each engine that calls it.
    pub loaded_rules: usize,
    /// Engines of each class: calls in the same one slow each other down. By default one for each processor, at
    /// most four.
    pub engines: usize,
    /// Most calls at once that run beside the async workers because they are large,
    /// and as many again because their rule is slow. By default half the processors.
    pub side_calls: usize,
    /// Fuel that the rules of one owner may use in a minute; what is not used is kept for a minute. Whoever
    /// has used it up waits. None: no end.
    pub fuel_per_minute: Option<u64>,
    /// Longest wait for a free place or for fuel before a call.
    pub queue_wait: Duration,
}

impl HostSettings {
    /// The default bounds, with this compiler and no cache on disk.
    pub fn new(compiler: CompilerCommand) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            compiler,
            cache: None,
            small: ClassSettings::small(),
            interpreter: ClassSettings::interpreter(),
            loaded_rules: 1000,
            engines: processors.min(4),
            side_calls: (processors / 2).max(1),
            fuel_per_minute: Some(30_000_000_000),
            queue_wait: Duration::from_secs(5),
        }
    }
}

/// How to start a process that calls [`work_apart`](crate::work_apart) and nothing else.
#[derive(Debug, Clone)]
pub struct CompilerCommand {
    /// Path of the program, usually this one.
    pub program: PathBuf,
    /// Its arguments, for example a hidden subcommand. The environment is empty
    /// but for what the compiler needs.
    pub args: Vec<String>,
}

/// A folder for compiled rules.
#[derive(Clone)]
pub struct CacheSettings {
    /// It is made if it is not there. Only this program may write to it; what
    /// others put there is refused. The code of loaded rules lies there too, in
    /// files without a name.
    pub folder: PathBuf,
    /// Secret that authenticates what lies in the folder. With another key all
    /// of it is compiled again.
    pub key: [u8; 32],
    /// Most files; the oldest go first.
    pub files: usize,
}

impl fmt::Debug for CacheSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheSettings")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Bounds for one class of rules.
#[derive(Debug, Clone)]
pub struct ClassSettings {
    /// Largest component, in bytes.
    pub upload: usize,
    /// Largest linear memory, in bytes: a multiple of 64 KiB.
    pub memory: usize,
    /// Calls at once: places in the pool.
    pub places: u32,
    /// Fuel of a call, about one per instruction.
    pub fuel: u64,
    /// Fuel added for each line beyond the first.
    pub fuel_per_line: u64,
    /// Wall-clock bound of a call. Fuel ends nearly everything before.
    pub deadline: Duration,
    /// Largest answer of a call with one line, in bytes.
    pub answer: usize,
    /// Bytes added to the answer for each line beyond the first.
    pub answer_per_line: usize,
    /// Bounds of the compiler.
    pub compile: CompileSettings,
}

impl ClassSettings {
    /// For Rust, C and the like.
    pub fn small() -> Self {
        Self {
            upload: MIB,
            memory: 16 * MIB,
            places: 64,
            fuel: 10_000_000,
            fuel_per_line: 100_000,
            deadline: Duration::from_millis(250),
            answer: 256 << 10,
            answer_per_line: 1 << 10,
            compile: CompileSettings {
                memory: 512 * MIB,
                cpu: Duration::from_secs(5) * UNOPTIMIZED,
                deadline: Duration::from_secs(20) * UNOPTIMIZED,
                artifact: 8 * MIB,
                at_once: 2,
            },
        }
    }

    /// For JavaScript and Python, which are run by an interpreter inside the component.
    pub fn interpreter() -> Self {
        Self {
            upload: 20 * MIB,
            memory: 128 * MIB,
            places: 16,
            fuel: 200_000_000,
            fuel_per_line: 2_000_000,
            deadline: Duration::from_secs(2),
            answer: 256 << 10,
            answer_per_line: 1 << 10,
            compile: CompileSettings {
                memory: 2048 * MIB,
                cpu: Duration::from_secs(60) * UNOPTIMIZED,
                deadline: Duration::from_secs(90) * UNOPTIMIZED,
                artifact: 64 * MIB,
                at_once: 1,
            },
        }
    }
}

impl HostSettings {
    /// The largest component of any class, in bytes.
    pub fn upload(&self) -> usize {
        self.small.upload.max(self.interpreter.upload)
    }
}

/// Bounds of a compilation.
#[derive(Debug, Clone)]
pub struct CompileSettings {
    /// Address space, in bytes.
    pub memory: usize,
    /// Processor time, in whole seconds.
    pub cpu: Duration,
    /// Wall-clock time.
    pub deadline: Duration,
    /// Largest result, in bytes.
    pub artifact: usize,
    /// Compilations at once.
    pub at_once: usize,
}
