//! Writes the `data` of an answer as JSON, in the order of the query plan, from what was gathered.
//!
//! A field that failed is null, with an error at its path. What an answer cost is added up on the way. Texts are made by
//! the functions that the scalars and resolvers use.

mod parts;
mod tenants;

use async_graphql::resolver_utils::EnumType;
use async_graphql::{PathSegment, Pos, ServerError};
use canopy_domain::{Actor, Error, Result};

use super::bind::Bound;
use super::gathered::Gathered;
use super::plan::{List, QueryField, QueryPlan, ResponseKey, Selection, What};

/// What an answer came to.
pub(crate) struct Written {
    /// The value of `data` as JSON.
    pub(crate) data: String,
    pub(crate) errors: Vec<ServerError>,
    /// What it cost.
    pub(crate) points: u64,
}

/// An answer usually fits in so many bytes.
const USUAL: usize = 4 << 10;

/// The answer to `plan`.
pub(super) fn write(plan: &QueryPlan, bound: &Bound<'_>, actor: &Actor, gathered: &Gathered) -> Written {
    let mut writer = Writer {
        json: Vec::with_capacity(USUAL),
        errors: Vec::new(),
        points: 0,
        path: Vec::new(),
        position: Pos::default(),
        bound,
        actor,
    };
    writer.object(&plan.root, "Query", |writer, field| match field {
        QueryField::Account(at) | QueryField::Node(at) => writer.root(&plan.reads, gathered, *at),
        QueryField::Me(selection) => writer.me(selection, &plan.reads, gathered),
    });
    Written {
        data: String::from_utf8(writer.json).expect("JSON is made of texts"),
        errors: writer.errors,
        points: writer.points,
    }
}

struct Writer<'w> {
    json: Vec<u8>,
    errors: Vec<ServerError>,
    points: u64,
    /// Where it is in the answer.
    path: Vec<Step<'w>>,
    /// Where the field that it writes stands in the document.
    position: Pos,
    bound: &'w Bound<'w>,
    actor: &'w Actor,
}

enum Step<'w> {
    Key(&'w ResponseKey),
    Item(usize),
}

impl<'w> Writer<'w> {
    /// An object of the type `name`.
    fn object<F>(
        &mut self,
        selection: &'w Selection<F>,
        name: &'static str,
        mut field: impl FnMut(&mut Self, &'w F),
    ) {
        let mut separator = b'{';
        for selected in &selection.0 {
            self.json.push(separator);
            separator = b',';
            self.json.extend_from_slice(selected.key.written().as_bytes());
            self.points = self.points.saturating_add(selected.points);
            match &selected.what {
                What::TypeName => self.plain(name),
                What::Field(own) => {
                    self.path.push(Step::Key(&selected.key));
                    self.position = selected.position;
                    field(self, own);
                    self.path.pop();
                }
            }
        }
        if separator == b'{' {
            self.json.push(separator);
        }
        self.json.push(b'}');
    }

    /// A list whose items `each` writes.
    fn list<S, T>(
        &mut self,
        list: &'w List<S>,
        items: impl Iterator<Item = T>,
        mut each: impl FnMut(&mut Self, &'w S, T),
    ) {
        let mut separator = b'[';
        for (at, item) in items.enumerate() {
            self.json.push(separator);
            separator = b',';
            self.points = self.points.saturating_add(list.points);
            self.path.push(Step::Item(at));
            each(self, &list.each, item);
            self.path.pop();
        }
        if separator == b'[' {
            self.json.push(separator);
        }
        self.json.push(b']');
    }

    /// What a nullable field found, if it did not fail.
    fn found<T>(&mut self, found: Result<Option<T>>, write: impl FnOnce(&mut Self, T)) {
        match found {
            Ok(found) => self.nullable(found, write),
            Err(error) => self.fail(error),
        }
    }

    fn nullable<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.null(),
        }
    }

    /// Null, with an error at the field's path.
    fn fail(&mut self, error: Error) {
        let mut error = async_graphql::Error::from(error).into_server_error(self.position);
        let path = self.path.iter().map(|step| match step {
            Step::Key(key) => PathSegment::Field(key.name().to_owned()),
            Step::Item(at) => PathSegment::Index(*at),
        });
        error.path = path.collect();
        self.errors.push(error);
        self.null();
    }

    fn null(&mut self) {
        self.json.extend_from_slice(b"null");
    }

    fn boolean(&mut self, value: bool) {
        let text: &[u8] = if value { b"true" } else { b"false" };
        self.json.extend_from_slice(text);
    }

    fn int(&mut self, value: i32) {
        self.json(&value);
    }

    /// A text of any kind.
    fn text(&mut self, value: &str) {
        self.json(value);
    }

    /// A text that JSON writes as it is: names, ids, numbers, cursors.
    fn plain(&mut self, value: &str) {
        debug_assert!(
            value
                .bytes()
                .all(|byte| (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b'\\')),
            "{value} needs escapes"
        );
        self.json.push(b'"');
        self.json.extend_from_slice(value.as_bytes());
        self.json.push(b'"');
    }

    /// The same of what writes itself.
    fn shown(&mut self, value: impl std::fmt::Display) {
        use std::io::Write;
        write!(self.json, "\"{value}\"").expect("a vector takes all that is written to it");
    }

    /// A value of an enum of the schema.
    fn item<E: EnumType>(&mut self, value: impl Into<E>) {
        let value = value.into();
        let mut items = E::items().iter();
        let item = items.find(|own| own.value == value);
        self.plain(item.expect("an enum lists all its values").name);
    }

    /// Any JSON.
    fn json(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.json, value).expect("what is shown is JSON, and a vector takes it");
    }
}
