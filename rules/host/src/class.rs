//! The two classes of rules, and what a component of each may look like. Knows
//! neither the engine nor how the structure of a component is read.

use serde::{Deserialize, Serialize};

/// What a rule costs to compile and to call. It follows from the structure of
/// the component: what fits within the bounds of `Small` is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleClass {
    /// Machine code of a typed language, like Rust or C: a call takes microseconds.
    Small,
    /// It brings an interpreter, for JavaScript or Python: a call takes up to
    /// milliseconds, and compiling up to a minute.
    Interpreter,
}

impl RuleClass {
    /// Its name, lowercase.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Interpreter => "interpreter",
        }
    }

    pub(crate) fn structure(self) -> &'static Structure {
        match self {
            Self::Small => &SMALL,
            Self::Interpreter => &INTERPRETER,
        }
    }
}

/// Most of each that one component may have, counted over all that is nested in it.
/// These are far above what a compiler makes, and far below what keeps the
/// engine's compiler busy.
#[derive(Debug)]
pub(crate) struct Structure {
    pub(crate) depth: u32,
    pub(crate) components: u32,
    pub(crate) modules: u32,
    pub(crate) functions: u32,
    pub(crate) types: u32,
    pub(crate) globals: u32,
    /// Data and element segments.
    pub(crate) segments: u32,
    /// Imports, exports and aliases.
    pub(crate) names: u32,
    pub(crate) function_bytes: usize,
    pub(crate) locals: u32,
    pub(crate) nesting: usize,
    /// Loops around each other: what is live in all of them is what makes compiling slow.
    pub(crate) loops: u32,
    /// Targets of branch tables.
    pub(crate) branches: u32,
    pub(crate) memories: u32,
    pub(crate) tables: u32,
    pub(crate) table_elements: usize,
    pub(crate) core_instances: u32,
    /// What it may export beside its world: what made it calls that to set it up,
    /// and nobody does after.
    pub(crate) extra_exports: &'static [&'static str],
}

/// Those of a typed language have one module with a memory, and a few small ones
/// that wire it up.
const SMALL: Structure = Structure {
    depth: 3,
    components: 8,
    modules: 8,
    functions: 5_000,
    types: 2_000,
    globals: 1_000,
    segments: 2_000,
    names: 2_000,
    function_bytes: 128 << 10,
    locals: 1_500,
    nesting: 400,
    loops: 64,
    branches: 20_000,
    memories: 1,
    tables: 4,
    table_elements: 10_000,
    core_instances: 8,
    extra_exports: &[],
};

/// What QuickJS by componentize-qjs and CPython by componentize-py have, and some room.
/// Their functions are long but have few locals and loops.
const INTERPRETER: Structure = Structure {
    depth: 6,
    components: 40,
    modules: 48,
    functions: 20_000,
    types: 5_000,
    globals: 2_000,
    segments: 8_000,
    names: 12_000,
    function_bytes: 512 << 10,
    locals: 400,
    nesting: 1_000,
    loops: 40,
    branches: 60_000,
    memories: 4,
    tables: 16,
    table_elements: 10_000,
    core_instances: 64,
    extra_exports: &["init", "exports"],
};
