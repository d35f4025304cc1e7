//! What a component may look like, checked on its bytes before anything else
//! reads them: linear in their number, and without the engine. The bounds are far
//! above what a compiler for a typed language makes, and far below what keeps
//! the engine's compiler busy.

use wasmparser::{
    ComponentExternalKind, ElementItems, Encoding, FunctionBody, Operator, Parser, Payload, TableInit,
    Validator, WasmFeatures,
};

use crate::contract::RuleKind;
use crate::engine::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};
use crate::error::{RuleError, quoted};
use crate::width;

/// The interfaces that the two worlds export.
pub(crate) const PRICING_INTERFACE: &str = "canopy:rules/pricing-rule@1.0.0";
pub(crate) const LIMITS_INTERFACE: &str = "canopy:rules/limits-rule@1.0.0";

const MAX_DEPTH: u32 = 3;
const MAX_COMPONENTS: u32 = 8;
const MAX_MODULES: u32 = 8;
const MAX_FUNCTIONS: u32 = 5_000;
const MAX_TYPES: u32 = 2_000;
const MAX_GLOBALS: u32 = 1_000;
const MAX_SEGMENTS: u32 = 2_000;
const MAX_NAMES: u32 = 2_000;
const MAX_FUNCTION_BYTES: usize = 128 << 10;
const MAX_LOCALS: u32 = 1_500;
const MAX_NESTING: u32 = 400;
const MAX_BRANCHES: u32 = 20_000;
const PAGE: u64 = 64 << 10;

/// What a rule may use of WebAssembly: no threads, no relaxed SIMD, no garbage
/// collection, no exceptions, no 64-bit memory, one memory.
fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::GC_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::BULK_MEMORY_OPT
        | WasmFeatures::CALL_INDIRECT_OVERLONG
        | WasmFeatures::SIMD
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::FLOATS
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::COMPONENT_MODEL
}

/// Refuses what is not a component of one of the two worlds within the bounds.
pub(crate) fn validate(wasm: &[u8], memory: usize) -> Result<RuleKind, RuleError> {
    let mut shape = Shape {
        memory: memory as u64,
        ..Shape::default()
    };
    for payload in Parser::new(0).parse_all(wasm) {
        shape.payload(&payload.map_err(malformed)?)?;
    }
    width::check(wasm)?;
    Validator::new_with_features(features())
        .validate_all(wasm)
        .map_err(malformed)?;
    shape.kind()
}

fn malformed(error: wasmparser::BinaryReaderError) -> RuleError {
    RuleError::Invalid(format!("{} at byte {}", quoted(error.message()), error.offset()))
}

fn invalid(text: impl Into<String>) -> RuleError {
    RuleError::Invalid(text.into())
}

/// What was seen so far.
#[derive(Default)]
struct Shape {
    memory: u64,
    depth: u32,
    components: u32,
    modules: u32,
    functions: u32,
    types: u32,
    globals: u32,
    segments: u32,
    names: u32,
    memories: u32,
    tables: u32,
    instances: u32,
    branches: u32,
    worlds: Vec<RuleKind>,
    stray: Option<String>,
}

/// Adds to a count and refuses what is beyond the bound.
fn count(what: &str, total: &mut u32, more: u32, bound: u32) -> Result<(), RuleError> {
    *total = total.saturating_add(more);
    if *total > bound {
        return Err(invalid(format!("it has more than {bound} {what}")));
    }
    Ok(())
}

impl Shape {
    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), RuleError> {
        match payload {
            Payload::Version { encoding, .. } => self.enter(*encoding),
            Payload::End(_) => {
                self.depth -= 1;
                Ok(())
            }
            Payload::TypeSection(s) => count("types", &mut self.types, s.count(), MAX_TYPES),
            Payload::CoreTypeSection(s) => count("types", &mut self.types, s.count(), MAX_TYPES),
            Payload::ComponentTypeSection(s) => count("types", &mut self.types, s.count(), MAX_TYPES),
            Payload::FunctionSection(s) => count("functions", &mut self.functions, s.count(), MAX_FUNCTIONS),
            Payload::GlobalSection(s) => count("globals", &mut self.globals, s.count(), MAX_GLOBALS),
            Payload::DataSection(s) => count("data segments", &mut self.segments, s.count(), MAX_SEGMENTS),
            Payload::ImportSection(s) => count("names", &mut self.names, s.count(), MAX_NAMES),
            Payload::ExportSection(s) => count("names", &mut self.names, s.count(), MAX_NAMES),
            Payload::ComponentAliasSection(s) => count("names", &mut self.names, s.count(), MAX_NAMES),
            Payload::ComponentCanonicalSection(s) => count("names", &mut self.names, s.count(), MAX_NAMES),
            Payload::InstanceSection(s) => count(
                "core instances",
                &mut self.instances,
                s.count(),
                4 * MAX_CORE_INSTANCES,
            ),
            Payload::ComponentInstanceSection(s) => count("names", &mut self.names, s.count(), MAX_NAMES),
            Payload::MemorySection(s) => self.memories(s),
            Payload::TableSection(s) => self.tables(s),
            Payload::ElementSection(s) => self.elements(s),
            Payload::CodeSectionEntry(body) => self.function(body).map_err(Fault::into_error),
            Payload::ComponentImportSection(s) => self.imports(s),
            Payload::ComponentExportSection(s) => self.exports(s),
            Payload::ComponentStartSection { .. } => Err(invalid("it has a component start function")),
            Payload::TagSection(_) => Err(invalid("it uses exceptions")),
            Payload::UnknownSection { .. } => Err(invalid("it has an unknown section")),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, encoding: Encoding) -> Result<(), RuleError> {
        if self.depth == 0 && encoding == Encoding::Module {
            return Err(RuleError::WrongWorld(
                "this is a core module, not a component".into(),
            ));
        }
        count("levels of components", &mut self.depth, 1, MAX_DEPTH)?;
        match encoding {
            Encoding::Module => count("modules", &mut self.modules, 1, MAX_MODULES),
            Encoding::Component => count("components", &mut self.components, 1, MAX_COMPONENTS),
        }
    }

    fn memories(&mut self, section: &wasmparser::MemorySectionReader<'_>) -> Result<(), RuleError> {
        count("memories", &mut self.memories, section.count(), MAX_MEMORIES)?;
        for memory in section.clone() {
            let memory = memory.map_err(malformed)?;
            if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
                return Err(invalid("its memory is shared, of 64 bits or of unusual pages"));
            }
            if memory.initial.saturating_mul(PAGE) > self.memory {
                return Err(invalid(format!(
                    "its memory begins with more than {} bytes",
                    self.memory
                )));
            }
        }
        Ok(())
    }

    fn tables(&mut self, section: &wasmparser::TableSectionReader<'_>) -> Result<(), RuleError> {
        count("tables", &mut self.tables, section.count(), MAX_TABLES)?;
        for table in section.clone() {
            let table = table.map_err(malformed)?;
            if table.ty.initial > MAX_TABLE_ELEMENTS as u64 || !matches!(table.init, TableInit::RefNull) {
                return Err(invalid(format!(
                    "a table begins with more than {MAX_TABLE_ELEMENTS} elements"
                )));
            }
        }
        Ok(())
    }

    fn elements(&mut self, section: &wasmparser::ElementSectionReader<'_>) -> Result<(), RuleError> {
        count(
            "element segments",
            &mut self.segments,
            section.count(),
            MAX_SEGMENTS,
        )?;
        for element in section.clone() {
            let items = match element.map_err(malformed)?.items {
                ElementItems::Functions(items) => items.count(),
                ElementItems::Expressions(_, items) => items.count(),
            };
            if items as usize > MAX_TABLE_ELEMENTS {
                return Err(invalid(format!(
                    "a segment has more than {MAX_TABLE_ELEMENTS} elements"
                )));
            }
        }
        Ok(())
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), Fault> {
        if body.range().len() > MAX_FUNCTION_BYTES {
            return Err(Fault::Bound(format!(
                "a function is larger than {MAX_FUNCTION_BYTES} bytes"
            )));
        }
        let mut locals: u32 = 0;
        for group in body.get_locals_reader()? {
            locals = locals.saturating_add(group?.0);
        }
        if locals > MAX_LOCALS {
            return Err(Fault::Bound(format!(
                "a function has more than {MAX_LOCALS} locals"
            )));
        }
        let mut nesting: u32 = 0;
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => nesting += 1,
                Operator::End => nesting = nesting.saturating_sub(1),
                Operator::BrTable { targets } => {
                    self.branches = self.branches.saturating_add(targets.len());
                }
                _ => {}
            }
            if nesting > MAX_NESTING {
                return Err(Fault::Bound(format!(
                    "a function is nested deeper than {MAX_NESTING} blocks"
                )));
            }
        }
        if self.branches > MAX_BRANCHES {
            return Err(Fault::Bound(format!(
                "its branch tables have more than {MAX_BRANCHES} targets"
            )));
        }
        Ok(())
    }

    /// Components inside may import: their imports are what is around them.
    fn imports(&mut self, section: &wasmparser::ComponentImportSectionReader<'_>) -> Result<(), RuleError> {
        count("names", &mut self.names, section.count(), MAX_NAMES)?;
        if self.depth > 1 {
            return Ok(());
        }
        match section.clone().into_iter().next() {
            None => Ok(()),
            Some(import) => Err(RuleError::ForbiddenImport(quoted(
                import.map_err(malformed)?.name.name,
            ))),
        }
    }

    fn exports(&mut self, section: &wasmparser::ComponentExportSectionReader<'_>) -> Result<(), RuleError> {
        count("names", &mut self.names, section.count(), MAX_NAMES)?;
        if self.depth > 1 {
            return Ok(());
        }
        for export in section.clone() {
            let export = export.map_err(malformed)?;
            match (export.kind, export.name.name) {
                (ComponentExternalKind::Instance, PRICING_INTERFACE) => self.worlds.push(RuleKind::Pricing),
                (ComponentExternalKind::Instance, LIMITS_INTERFACE) => self.worlds.push(RuleKind::Limits),
                (_, name) => self.stray = Some(quoted(name)),
            }
        }
        Ok(())
    }

    fn kind(&self) -> Result<RuleKind, RuleError> {
        match (self.worlds.as_slice(), &self.stray) {
            ([kind], None) => Ok(*kind),
            (_, Some(name)) => Err(RuleError::WrongWorld(format!(
                "it exports `{name}`, which is in neither"
            ))),
            ([], None) => Err(RuleError::WrongWorld("it exports nothing".into())),
            _ => Err(RuleError::WrongWorld("it is of both".into())),
        }
    }
}

/// Why a function is refused.
enum Fault {
    Malformed(wasmparser::BinaryReaderError),
    Bound(String),
}

impl From<wasmparser::BinaryReaderError> for Fault {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Malformed(error)
    }
}

impl Fault {
    fn into_error(self) -> RuleError {
        match self {
            Self::Malformed(error) => malformed(error),
            Self::Bound(text) => invalid(text),
        }
    }
}
