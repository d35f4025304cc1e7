//! What a component may look like, checked on its bytes before anything else
//! reads them: linear in their number, and without the engine. What fits the bounds
//! of the small class is small; what does not is held against those of the
//! interpreters.

use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, ElementItems, Encoding, FunctionBody, Operator, Parser, Payload,
    TableInit, Validator, WasmFeatures,
};

use crate::class::{RuleClass, Structure};
use crate::contract::RuleKind;
use crate::error::{RuleError, quoted};
use crate::log::LOG_INTERFACE;
use crate::settings::ClassSettings;
use crate::width;

/// The interfaces that the two worlds export.
pub(crate) const PRICING_INTERFACE: &str = "canopy:rules/pricing-rule@1.0.0";
pub(crate) const LIMITS_INTERFACE: &str = "canopy:rules/limits-rule@1.0.0";

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

/// Refuses what is not a component of one of the two worlds within the bounds of
/// one of the classes.
pub(crate) fn validate(
    wasm: &[u8],
    small: &ClassSettings,
    interpreter: &ClassSettings,
) -> Result<(RuleKind, RuleClass), RuleError> {
    let small = Class::new(RuleClass::Small, small);
    let interpreter = Class::new(RuleClass::Interpreter, interpreter);
    let shape = match Shape::read(wasm, small) {
        Err(Fault::Bound(_)) => Shape::read(wasm, interpreter),
        shape => shape,
    };
    let shape = shape.map_err(Fault::into_error)?;
    width::check(wasm)?;
    Validator::new_with_features(features())
        .validate_all(wasm)
        .map_err(malformed)?;
    Ok((shape.kind()?, shape.class.class))
}

fn malformed(error: wasmparser::BinaryReaderError) -> RuleError {
    RuleError::Invalid(format!("{} at byte {}", quoted(error.message()), error.offset()))
}

fn beyond(text: impl Into<String>) -> Fault {
    Fault::Bound(text.into())
}

/// The bounds that a component is held against.
#[derive(Clone, Copy)]
struct Class {
    class: RuleClass,
    structure: &'static Structure,
    upload: usize,
    memory: u64,
}

impl Class {
    fn new(class: RuleClass, settings: &ClassSettings) -> Self {
        Self {
            class,
            structure: class.structure(),
            upload: settings.upload,
            memory: settings.memory as u64,
        }
    }
}

/// What was seen so far.
struct Shape {
    class: Class,
    counts: Counts,
    depth: u32,
    worlds: Vec<RuleKind>,
    stray: Option<String>,
}

#[derive(Default)]
struct Counts {
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
}

/// Adds to a count and refuses what is beyond the bound.
fn count(what: &str, total: &mut u32, more: u32, bound: u32) -> Result<(), Fault> {
    *total = total.saturating_add(more);
    if *total > bound {
        return Err(beyond(format!("it has more than {bound} {what}")));
    }
    Ok(())
}

impl Shape {
    /// Reads a component up to its end or to what is beyond the bounds of the class.
    fn read(wasm: &[u8], class: Class) -> Result<Self, Fault> {
        if wasm.len() > class.upload {
            return Err(beyond(format!("it is larger than {} bytes", class.upload)));
        }
        let mut shape = Self {
            class,
            counts: Counts::default(),
            depth: 0,
            worlds: Vec::new(),
            stray: None,
        };
        for payload in Parser::new(0).parse_all(wasm) {
            shape.payload(&payload?)?;
        }
        Ok(shape)
    }

    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), Fault> {
        let (bounds, counts) = (self.class.structure, &mut self.counts);
        let mut types = |more| count("types", &mut counts.types, more, bounds.types);
        let mut names = |more| count("names", &mut counts.names, more, bounds.names);
        match payload {
            Payload::Version { encoding, .. } => self.enter(*encoding),
            Payload::End(_) => {
                self.depth -= 1;
                Ok(())
            }
            Payload::TypeSection(s) => types(s.count()),
            Payload::CoreTypeSection(s) => types(s.count()),
            Payload::ComponentTypeSection(s) => types(s.count()),
            Payload::ImportSection(s) => names(s.count()),
            Payload::ExportSection(s) => names(s.count()),
            Payload::ComponentAliasSection(s) => names(s.count()),
            Payload::ComponentCanonicalSection(s) => names(s.count()),
            Payload::ComponentInstanceSection(s) => names(s.count()),
            Payload::FunctionSection(s) => {
                count("functions", &mut counts.functions, s.count(), bounds.functions)
            }
            Payload::GlobalSection(s) => count("globals", &mut counts.globals, s.count(), bounds.globals),
            Payload::DataSection(s) => count("segments", &mut counts.segments, s.count(), bounds.segments),
            // Those that only rename exports count here too, so there may be more.
            Payload::InstanceSection(s) => {
                let bound = 4 * bounds.core_instances;
                count("core instances", &mut counts.instances, s.count(), bound)
            }
            Payload::MemorySection(s) => self.memories(s),
            Payload::TableSection(s) => self.tables(s),
            Payload::ElementSection(s) => self.elements(s),
            Payload::CodeSectionEntry(body) => self.function(body),
            Payload::ComponentImportSection(s) => self.imports(s),
            Payload::ComponentExportSection(s) => self.exports(s),
            Payload::ComponentStartSection { .. } => Err(refused("it has a component start function")),
            Payload::TagSection(_) => Err(refused("it uses exceptions")),
            Payload::UnknownSection { .. } => Err(refused("it has an unknown section")),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, encoding: Encoding) -> Result<(), Fault> {
        if self.depth == 0 && encoding == Encoding::Module {
            return Err(Fault::Refused(RuleError::WrongWorld(
                "this is a core module, not a component".into(),
            )));
        }
        let (bounds, counts) = (self.class.structure, &mut self.counts);
        count("levels of components", &mut self.depth, 1, bounds.depth)?;
        match encoding {
            Encoding::Module => count("modules", &mut counts.modules, 1, bounds.modules),
            Encoding::Component => count("components", &mut counts.components, 1, bounds.components),
        }
    }

    fn memories(&mut self, section: &wasmparser::MemorySectionReader<'_>) -> Result<(), Fault> {
        let bound = self.class.structure.memories;
        count("memories", &mut self.counts.memories, section.count(), bound)?;
        for memory in section.clone() {
            let memory = memory?;
            if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
                return Err(refused("its memory is shared, of 64 bits or of unusual pages"));
            }
            let bound = self.class.memory;
            if memory.initial.saturating_mul(PAGE) > bound {
                return Err(beyond(format!("its memory begins with more than {bound} bytes")));
            }
        }
        Ok(())
    }

    fn tables(&mut self, section: &wasmparser::TableSectionReader<'_>) -> Result<(), Fault> {
        let bounds = self.class.structure;
        count("tables", &mut self.counts.tables, section.count(), bounds.tables)?;
        for table in section.clone() {
            let table = table?;
            if !matches!(table.init, TableInit::RefNull) {
                return Err(refused("a table begins with something in it"));
            }
            if table.ty.initial > bounds.table_elements as u64 {
                let bound = bounds.table_elements;
                return Err(beyond(format!("a table begins with more than {bound} elements")));
            }
        }
        Ok(())
    }

    fn elements(&mut self, section: &wasmparser::ElementSectionReader<'_>) -> Result<(), Fault> {
        let bounds = self.class.structure;
        count(
            "segments",
            &mut self.counts.segments,
            section.count(),
            bounds.segments,
        )?;
        for element in section.clone() {
            let items = match element?.items {
                ElementItems::Functions(items) => items.count(),
                ElementItems::Expressions(_, items) => items.count(),
            };
            if items as usize > bounds.table_elements {
                let bound = bounds.table_elements;
                return Err(beyond(format!("a segment has more than {bound} elements")));
            }
        }
        Ok(())
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), Fault> {
        let bounds = self.class.structure;
        if body.range().len() > bounds.function_bytes {
            let bound = bounds.function_bytes;
            return Err(beyond(format!("a function is larger than {bound} bytes")));
        }
        let mut locals: u32 = 0;
        for group in body.get_locals_reader()? {
            locals = locals.saturating_add(group?.0);
        }
        if locals > bounds.locals {
            return Err(beyond(format!(
                "a function has more than {} locals",
                bounds.locals
            )));
        }
        // The blocks around, and whether each is a loop.
        let mut around: Vec<bool> = Vec::new();
        let mut loops = 0;
        for operator in body.get_operators_reader()? {
            match operator? {
                block @ (Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. }) => {
                    let is_loop = matches!(block, Operator::Loop { .. });
                    around.push(is_loop);
                    if around.len() > bounds.nesting {
                        let bound = bounds.nesting;
                        return Err(beyond(format!("a function is nested deeper than {bound} blocks")));
                    }
                    count(
                        "loops around each other",
                        &mut loops,
                        is_loop.into(),
                        bounds.loops,
                    )?;
                }
                Operator::End => loops -= u32::from(around.pop() == Some(true)),
                Operator::BrTable { targets } => {
                    let what = "targets in its branch tables";
                    count(what, &mut self.counts.branches, targets.len(), bounds.branches)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The log is all that may be imported. Components inside may import more: their
    /// imports are what is around them.
    fn imports(&mut self, section: &wasmparser::ComponentImportSectionReader<'_>) -> Result<(), Fault> {
        let bound = self.class.structure.names;
        count("names", &mut self.counts.names, section.count(), bound)?;
        if self.depth > 1 {
            return Ok(());
        }
        for import in section.clone() {
            let import = import?;
            let is_instance = matches!(import.ty, ComponentTypeRef::Instance(_));
            if !is_instance || import.name.name != LOG_INTERFACE {
                return Err(Fault::Refused(RuleError::ForbiddenImport(quoted(
                    import.name.name,
                ))));
            }
        }
        Ok(())
    }

    fn exports(&mut self, section: &wasmparser::ComponentExportSectionReader<'_>) -> Result<(), Fault> {
        let bounds = self.class.structure;
        count("names", &mut self.counts.names, section.count(), bounds.names)?;
        if self.depth > 1 {
            return Ok(());
        }
        for export in section.clone() {
            let export = export?;
            match (export.kind, export.name.name) {
                (ComponentExternalKind::Instance, PRICING_INTERFACE) => self.worlds.push(RuleKind::Pricing),
                (ComponentExternalKind::Instance, LIMITS_INTERFACE) => self.worlds.push(RuleKind::Limits),
                (_, name) if bounds.extra_exports.contains(&name) => {}
                (_, name) if RuleClass::Interpreter.structure().extra_exports.contains(&name) => {
                    return Err(beyond(format!("it exports `{name}`")));
                }
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

/// Why a component is refused.
enum Fault {
    Malformed(wasmparser::BinaryReaderError),
    /// It does not fit the class.
    Bound(String),
    /// It fits no class.
    Refused(RuleError),
}

fn refused(text: &str) -> Fault {
    Fault::Refused(RuleError::Invalid(text.into()))
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
            Self::Bound(text) => RuleError::Invalid(text),
            Self::Refused(error) => error,
        }
    }
}
