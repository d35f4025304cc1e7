//! Documents: bounded, parsed, measured and validated once, and then known by the hash of their text.
//!
//! Whatever bounds there are hold before the work that they bound. It knows nothing of who asks.

mod known;
mod measure;
mod scan;
mod text;
mod validity;
mod values;
mod variables;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::parser::{self, parse_query};
use async_graphql::{Name, ServerError, Variables};
use sha2::{Digest, Sha256};

use crate::cost::{Outline, Priced, Requested};
use crate::planned;
use crate::shape::Shape;
use known::Known;
pub(crate) use validity::{VALID, ValidateOnly};
pub use values::has_more_values;

/// The bounds of a document. All of them hold for each document, whoever sends it.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of its text.
    pub max_bytes: usize,
    /// Names, numbers, strings and marks.
    pub max_tokens: usize,
    /// Fields, and fragments where they are used; those of a fragment count wherever it is used.
    pub max_selections: usize,
    /// Fields below fields.
    pub max_depth: usize,
    /// Fields with a name of the client's choice.
    pub max_aliases: usize,
    /// Directives, wherever they stand.
    pub max_directives: usize,
    /// Fields of the query, mutation or subscription itself, in one operation.
    pub max_root_fields: usize,
    /// Points that the answer may cost, by the sizes of the lists that are asked for.
    pub max_cost: u64,
}

/// The hash of a document's text: its name in caches, logs and persisted documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DocumentHash([u8; 32]);

impl DocumentHash {
    /// The hash of a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// The hash that 64 hexadecimal digits write.
    pub fn from_hex(digits: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl std::fmt::Display for DocumentHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

/// A document that is within the bounds.
pub struct Document {
    hash: DocumentHash,
    text: String,
    parsed: ExecutableDocument,
    /// Whether it passed validation once.
    valid: AtomicBool,
    /// The variables that its directives read, once somebody asked.
    switches: OnceLock<Box<[Name]>>,
}

/// What a request asks of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Whether it reads, changes or follows.
    pub kind: OperationType,
    /// Its name in the document, when it has one.
    pub name: Option<String>,
    /// How many fields it selects at its root, in plain text; those of fragments are not counted.
    pub root_fields: usize,
    /// Whether it asks about the schema itself.
    pub introspects: bool,
}

impl Document {
    /// The hash of its text.
    pub fn hash(&self) -> DocumentHash {
        self.hash
    }

    /// Its text, as it was sent.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn parsed(&self) -> &ExecutableDocument {
        &self.parsed
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.valid.load(Ordering::Relaxed)
    }

    /// It passed validation with some variables; others are held against their types by [`Documents::price`].
    pub(crate) fn set_valid(&self) {
        self.valid.store(true, Ordering::Relaxed);
    }

    /// The operation that a request names, or the only one.
    pub fn operation(&self, name: Option<&str>) -> Result<Operation, ServerError> {
        let (name, operation) = self.chosen(name)?;
        let set = &operation.selection_set.node;
        Ok(Operation {
            kind: operation.ty,
            name: name.map(str::to_owned),
            root_fields: set.items.len(),
            introspects: self.introspects(set),
        })
    }

    /// The operation that a request names, or the only one, as it is written; if it is there.
    pub(crate) fn definition(&self, name: Option<&str>) -> Option<&OperationDefinition> {
        self.chosen(name).ok().map(|(_, operation)| operation)
    }

    /// What an operation selects at its root, if it is there.
    pub(crate) fn root(&self, name: Option<&str>) -> Option<&SelectionSet> {
        self.definition(name)
            .map(|operation| &operation.selection_set.node)
    }

    /// The variables that its directives read, each once.
    pub(crate) fn switches(&self) -> &[Name] {
        self.switches.get_or_init(|| planned::switches(&self.parsed))
    }

    fn chosen(&self, name: Option<&str>) -> Result<(Option<&str>, &OperationDefinition), ServerError> {
        measure::choose(&self.parsed, name).map_err(|message| ServerError::new(message, None))
    }

    /// Whether `set`, at the root, asks about the schema. Its size is bounded, and so are these steps.
    fn introspects(&self, set: &SelectionSet) -> bool {
        set.items.iter().any(|selection| match &selection.node {
            Selection::Field(field) => matches!(field.node.name.node.as_str(), "__schema" | "__type"),
            Selection::InlineFragment(inline) => self.introspects(&inline.node.selection_set.node),
            Selection::FragmentSpread(spread) => {
                let fragment = self.parsed.fragments.get(&spread.node.fragment_name.node);
                fragment.is_some_and(|own| self.introspects(&own.node.selection_set.node))
            }
        })
    }
}

/// Reads documents, and keeps those that it read.
pub(crate) struct Documents {
    bounds: Bounds,
    shape: Shape,
    known: Known,
}

impl Documents {
    /// A reader for the schema with this SDL that keeps at most so many bytes of documents.
    pub(crate) fn new(sdl: &str, bounds: Bounds, max_kept: usize) -> Self {
        Self {
            bounds,
            shape: Shape::of(sdl),
            known: Known::new(max_kept),
        }
    }

    /// The types that its documents are about.
    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The document with this text: as it was read before, or read now.
    pub(crate) fn read(&self, text: String) -> Result<Arc<Document>, ServerError> {
        if text.len() > self.bounds.max_bytes {
            let message = format!("The document is larger than {} bytes.", self.bounds.max_bytes);
            return Err(ServerError::new(message, None));
        }
        let hash = DocumentHash::of(&text);
        if let Some(known) = self.known.get(&hash) {
            return Ok(known);
        }
        let document = Arc::new(self.parse(hash, text)?);
        self.known.keep(Arc::clone(&document));
        Ok(document)
    }

    /// The document with this hash, if it was read before and is still kept.
    pub(crate) fn known(&self, hash: &DocumentHash) -> Option<Arc<Document>> {
        self.known.get(hash)
    }

    fn parse(&self, hash: DocumentHash, text: String) -> Result<Document, ServerError> {
        let refused = |message: String| ServerError::new(message, None);
        scan::check(&text, self.bounds.max_tokens).map_err(|error| match error {
            scan::Refused::TooManyTokens => refused(format!(
                "The document has more than {} tokens.",
                self.bounds.max_tokens
            )),
            scan::Refused::TooDeep => refused("The document is nested too deeply.".to_owned()),
        })?;
        if text::is_in_document(&text) {
            return Err(nul());
        }
        let parsed = parse_query(&text).map_err(unreadable)?;
        measure::check(&parsed, &self.bounds).map_err(refused)?;
        Ok(Document {
            hash,
            text,
            parsed,
            valid: AtomicBool::new(false),
            switches: OnceLock::new(),
        })
    }

    /// Holds the variables against their types. Those that the operation does not declare are dropped, and those that
    /// directives read have their defaults.
    pub(crate) fn hold(
        &self,
        document: &Document,
        name: Option<&str>,
        values: &mut Variables,
    ) -> Result<(), ServerError> {
        let (_, operation) = document.chosen(name)?;
        variables::keep_declared(operation, values);
        if text::is_in_variables(values) {
            return Err(nul());
        }
        let held = variables::check(&self.shape, operation, values);
        variables::fill(operation, document.switches(), values);
        held.map_err(|message| ServerError::new(message, None))
    }

    /// Holds what the answer may cost against its bound, as far as the document tells. `points` are what it may cost by
    /// the sizes of pages alone, where that is known.
    pub(crate) fn price(
        &self,
        document: &Document,
        name: Option<&str>,
        values: &Variables,
        points: Option<u64>,
    ) -> Result<Bill, ServerError> {
        let (_, operation) = document.chosen(name)?;
        let variables = Outline::of(operation, values);
        let requested = match points.filter(|points| *points <= self.bounds.max_cost) {
            Some(points) => Requested::known(points),
            None => self.priced(document, operation, &variables).requested(),
        };
        if requested.least() > self.bounds.max_cost || requested.tops().next().is_none() {
            self.affordable(requested.plain)?;
        }
        Ok(Bill { requested, variables })
    }

    /// The most points that the answer may cost, by the sizes of pages alone.
    pub(crate) fn most_points(
        &self,
        document: &Document,
        operation: &OperationDefinition,
        values: &Variables,
    ) -> u64 {
        let variables = Outline::of(operation, values);
        self.priced(document, operation, &variables).requested().plain
    }

    /// The bound on what an answer may cost.
    pub(crate) fn max_cost(&self) -> u64 {
        self.bounds.max_cost
    }

    /// Refuses an answer that may cost more than is allowed.
    pub(crate) fn affordable(&self, points: u64) -> Result<u64, ServerError> {
        if points <= self.bounds.max_cost {
            return Ok(points);
        }
        let message = format!(
            "The answer may cost {points} points, and at most {} are allowed: ask for smaller pages or fewer levels.",
            self.bounds.max_cost
        );
        Err(ServerError::new(message, None))
    }

    /// The points that an answer cost.
    pub(crate) fn points(
        &self,
        document: &Document,
        name: Option<&str>,
        bill: &Bill,
        data: &async_graphql::Value,
    ) -> u64 {
        match document.chosen(name) {
            Ok((_, operation)) => self.priced(document, operation, &bill.variables).actual(data),
            Err(_) => 0,
        }
    }

    fn priced<'d>(
        &'d self,
        document: &'d Document,
        operation: &'d OperationDefinition,
        variables: &'d Outline,
    ) -> Priced<'d> {
        Priced {
            shape: &self.shape,
            document: &document.parsed,
            operation,
            variables,
        }
    }
}

/// What an answer may cost, and what is needed to say what it did.
pub(crate) struct Bill {
    pub(crate) requested: Requested,
    variables: Outline,
}

/// The parser's error without the line of the document that it shows, which may be the whole of it.
fn unreadable(error: parser::Error) -> ServerError {
    let position = error.positions().next();
    let parser::Error::Syntax { message, .. } = &error else {
        return error.into();
    };
    let expected = message
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("= "));
    let expected = expected.unwrap_or("this is not GraphQL");
    ServerError::new(format!("The document cannot be read: {expected}."), position)
}

fn nul() -> ServerError {
    ServerError::new("Text must not contain the character NUL (U+0000).", None)
}
