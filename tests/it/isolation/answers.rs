//! What an answer may tell to whom, and what was told.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use canopy_domain::entity::RatingId;
use canopy_schema::{Requirement, requirements};
use serde_json::{Value, json};

use super::places::Place;
use super::sdl::family;
use super::world::{Asker, World};

/// What one asker may be told.
pub(super) struct Allowed<'w> {
    asker: &'w Asker,
    pub(super) ids: BTreeSet<String>,
    pub(super) visible: BTreeSet<String>,
    /// Names and paths of accounts that the asker must not be told of.
    hidden: Vec<String>,
    /// Ids of the rules that Canopy ships, which everybody may see who signed in.
    shipped: BTreeSet<String>,
}

/// What was told by all answers together.
#[derive(Default)]
pub(super) struct Told {
    pub(super) ids: BTreeSet<String>,
    /// Fields with a value, as `Type.field`.
    pub(super) fields: BTreeSet<String>,
    /// Names of the places that there was an object at.
    pub(super) places: BTreeSet<String>,
    pub(super) requests: usize,
    /// How many values were told.
    pub(super) values: usize,
}

/// What each field needs, by its type and name.
static REQUIRED: LazyLock<HashMap<(&str, &str), Requirement>> = LazyLock::new(|| {
    let rows = requirements().iter();
    rows.map(|row| ((row.type_name, row.field), row.requirement))
        .collect()
});

impl<'w> Allowed<'w> {
    pub(super) async fn of(world: &'w World, asker: &'w Asker) -> Self {
        let visible = world.visible(asker);
        let hidden = world
            .accounts
            .iter()
            // A path contains the ids above; the asker's own name is that of a grant it has.
            .filter(|(name, _)| !visible.contains(*name) && asker.grant.as_ref() != Some(name))
            .flat_map(|(name, account)| [name.clone(), name.replace('.', "-"), account.path.to_string()]);
        Self {
            asker,
            ids: world.allowed_ids(asker).await,
            hidden: hidden.collect(),
            shipped: world.shipped_rules().await,
            visible,
        }
    }

    /// Asserts that an answer names no id but the allowed ones, no name of an account that is not visible (each text of an
    /// account has the account's name in it), and has no value in a field that the asker's role does not reach.
    pub(super) fn assert_only(&self, answer: &Value, text: &str, context: &str) {
        let mut ids = BTreeSet::new();
        collect_ids(&answer["data"], &mut ids);
        let asker = &self.asker.label;
        for id in ids {
            assert!(
                self.ids.contains(&id),
                "{asker} asks for {context}: told {id}\n{}",
                path_to(answer, &id)
            );
        }
        for tag in &self.hidden {
            assert!(
                !text.contains(tag.as_str()),
                "{asker} asks for {context}: told of {tag}\n{}",
                path_to(answer, tag)
            );
        }
        each_field(&answer["data"], &mut Vec::new(), &mut |told| {
            let shipped = told.object["id"]
                .as_str()
                .is_some_and(|id| self.shipped.contains(id));
            let open = match REQUIRED.get(&(told.name, told.field)) {
                Some(Requirement::Permission(key, level)) => shipped || self.asker.may(*key, *level),
                Some(_) => true,
                None => panic!("{}.{} is not in the authorization table", told.name, told.field),
            };
            let (name, field) = (told.name, told.field);
            assert!(
                open || told.is_empty,
                "{asker} asks for {context}: told {name}.{field} of {}",
                told.object["id"]
            );
            // A gate says so where it is closed, and does not leave it to the service behind it to tell nothing.
            assert!(
                open || family(name) != "Tenant" || is_forbidden(answer, told.path, field),
                "{asker} asks for {context}: {name}.{field} of {} is not refused",
                told.object["id"]
            );
        });
    }
}

impl Told {
    /// Takes in what an answer told at a place.
    pub(super) fn note(&mut self, place: &Place, answer: &Value) {
        self.requests += 1;
        let data = &answer["data"];
        collect_ids(data, &mut self.ids);
        if !self.places.contains(&place.name) && is_there(data, &place.path) {
            self.places.insert(place.name.clone());
        }
        each_field(data, &mut Vec::new(), &mut |told| {
            if !told.is_empty {
                self.values += 1;
                self.fields
                    .insert(format!("{}.{}", family(told.name), told.field));
            }
        });
    }

    pub(super) fn add(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.fields.extend(other.fields);
        self.places.extend(other.places);
        self.requests += other.requests;
        self.values += other.values;
    }
}

/// Whether there is an object at the end of a path.
fn is_there(value: &Value, path: &[String]) -> bool {
    match (value, path) {
        (Value::Array(items), _) => items.iter().any(|item| is_there(item, path)),
        (Value::Object(fields), [first, rest @ ..]) => {
            fields.get(first).is_some_and(|field| is_there(field, rest))
        }
        (value, path) => path.is_empty() && value.is_object(),
    }
}

/// A field of an answer.
struct Field<'v> {
    object: &'v Value,
    /// The object's type.
    name: &'v str,
    field: &'v str,
    /// Null or an empty list.
    is_empty: bool,
    /// Where the object stands.
    path: &'v [Value],
}

/// Goes through all fields of objects.
fn each_field(value: &Value, path: &mut Vec<Value>, tell: &mut impl FnMut(Field<'_>)) {
    match value {
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                path.push(json!(number));
                each_field(item, path, tell);
                path.pop();
            }
        }
        Value::Object(fields) => {
            let name = fields.get("__typename").and_then(Value::as_str);
            for (field, inner) in fields.iter().filter(|(field, _)| *field != "__typename") {
                if let Some(name) = name {
                    let is_empty = inner.is_null() || inner.as_array().is_some_and(Vec::is_empty);
                    tell(Field {
                        object: value,
                        name,
                        field,
                        is_empty,
                        path,
                    });
                }
                path.push(json!(field));
                each_field(inner, path, tell);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Whether an answer refuses a field of the object at this path.
fn is_forbidden(answer: &Value, path: &[Value], field: &str) -> bool {
    let errors = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().any(|error| {
        let at = error["path"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_there = at
            .split_last()
            .is_some_and(|(last, above)| last == field && above == path);
        is_there && error["extensions"]["code"] == "FORBIDDEN"
    })
}

/// The texts that have the shape of an id.
fn collect_ids(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let is_id = text.len() == 30 && text.as_bytes()[3] == b'_' || RatingId::parse(text).is_ok();
            ids.extend(is_id.then(|| text.clone()));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        Value::Object(fields) => fields.values().for_each(|field| collect_ids(field, ids)),
        _ => {}
    }
}

/// Where in a value a text stands, to find the field that leaks.
fn path_to(value: &Value, text: &str) -> String {
    match value {
        Value::String(found) if found.contains(text) => format!(" = {found}"),
        Value::Array(items) => first(
            items.iter().enumerate().map(|(n, item)| (n.to_string(), item)),
            text,
        ),
        Value::Object(fields) => first(fields.iter().map(|(name, field)| (name.clone(), field)), text),
        _ => String::new(),
    }
}

fn first<'v>(mut parts: impl Iterator<Item = (String, &'v Value)>, text: &str) -> String {
    let found = parts.find_map(|(name, part)| {
        let rest = path_to(part, text);
        (!rest.is_empty()).then(|| format!("/{name}{rest}"))
    });
    found.unwrap_or_default()
}
