//! The arguments of a query plan: kept as the document writes them, and read with the variables of each request.
//!
//! They are read by the same input types that resolvers take. Whatever is wrong with one makes the request go through
//! async-graphql, so that what is told about arguments is told in one place.

use std::borrow::Cow;

use async_graphql::parser::types::{Field, OperationDefinition};
use async_graphql::{ID, InputType, Name, Value as Const, Variables};
use async_graphql_value::Value;
use canopy_domain::PageArgs;
use canopy_domain::entity::time::Timestamp;
use canopy_domain::usage::UsageQuery;

use crate::connection::page_args;
use crate::types::granularity::Granularity;
use crate::types::permission_key::PermissionKey;
use crate::types::usage_period::UsageArguments;

/// All arguments of a plan, by what they are read as. A place in one of the lists is given to the field that asks.
pub(super) struct Arguments {
    /// The defaults of the operation's variables.
    defaults: Vec<(Name, Const)>,
    pages: Asked<PageArgs>,
    usages: Asked<UsageArguments>,
    ids: Asked<Option<ID>>,
    names: Asked<ResourceName>,
    keys: Asked<PermissionKey>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PageAt(usize);
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct UsageAt(usize);
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct IdAt(usize);
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct NameAt(usize);
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyAt(usize);

/// The arguments of a request.
pub(super) struct Bound<'p> {
    pages: Vec<Cow<'p, PageArgs>>,
    usages: Vec<(Granularity, UsageQuery)>,
    ids: Vec<Cow<'p, Option<ID>>>,
    names: Vec<Cow<'p, ResourceName>>,
    keys: Vec<Cow<'p, PermissionKey>>,
}

impl Bound<'_> {
    pub(super) fn page(&self, at: PageAt) -> &PageArgs {
        &self.pages[at.0]
    }

    pub(super) fn usage(&self, at: UsageAt) -> &UsageQuery {
        &self.usages[at.0].1
    }

    pub(super) fn granularity(&self, at: UsageAt) -> Granularity {
        self.usages[at.0].0
    }

    pub(super) fn id(&self, at: IdAt) -> Option<&ID> {
        self.ids[at.0].as_ref().as_ref()
    }

    pub(super) fn name(&self, at: NameAt) -> &str {
        &self.names[at.0].0
    }

    pub(super) fn key(&self, at: KeyAt) -> PermissionKey {
        *self.keys[at.0]
    }
}

impl Arguments {
    /// None yet, for the fields of `operation`.
    pub(super) fn of(operation: &OperationDefinition) -> Self {
        let defaults = operation.variable_definitions.iter().filter_map(|own| {
            let default = own.node.default_value.as_ref()?;
            Some((own.node.name.node.clone(), default.node.clone()))
        });
        Self {
            defaults: defaults.collect(),
            pages: Asked::default(),
            usages: Asked::default(),
            ids: Asked::default(),
            names: Asked::default(),
            keys: Asked::default(),
        }
    }

    /// Of a connection; what is looked at belongs to what is asked.
    pub(super) fn page(&mut self, field: &Field, looked_at: LookedAt) -> PageAt {
        PageAt(self.pages.place(Given::of(field, looked_at), &self.defaults))
    }

    pub(super) fn usage(&mut self, field: &Field, looked_at: LookedAt) -> UsageAt {
        UsageAt(self.usages.place(Given::of(field, looked_at), &self.defaults))
    }

    pub(super) fn id(&mut self, field: &Field) -> IdAt {
        IdAt(
            self.ids
                .place(Given::of(field, LookedAt::default()), &self.defaults),
        )
    }

    pub(super) fn name(&mut self, field: &Field) -> NameAt {
        NameAt(
            self.names
                .place(Given::of(field, LookedAt::default()), &self.defaults),
        )
    }

    pub(super) fn key(&mut self, field: &Field) -> KeyAt {
        KeyAt(
            self.keys
                .place(Given::of(field, LookedAt::default()), &self.defaults),
        )
    }

    /// What they are with these variables at the instant `now`; none if one of them is not what its field takes.
    pub(super) fn bind(&self, variables: &Variables, now: Timestamp) -> Option<Bound<'_>> {
        let values = &Values {
            variables: Some(variables),
            defaults: &self.defaults,
        };
        let usages = self.usages.bind(values)?.into_iter().map(|asked| {
            let asked = asked.into_owned();
            Some((asked.granularity, asked.query(now).ok()?))
        });
        Some(Bound {
            pages: self.pages.bind(values)?,
            usages: usages.collect::<Option<_>>()?,
            ids: self.ids.bind(values)?,
            names: self.names.bind(values)?,
            keys: self.keys.bind(values)?,
        })
    }

    /// Whether the sizes of all pages are written in the document.
    pub(super) fn are_sizes_fixed(&self) -> bool {
        let mut sizes = self.pages.0.iter().flat_map(|(given, _)| &given.arguments);
        sizes.all(|(name, value)| !matches!(name.as_str(), "first" | "last") || !names_variable(value))
    }

    /// The memory that they take, about.
    pub(super) fn bytes(&self) -> usize {
        self.pages.bytes() + self.usages.bytes() + self.ids.bytes() + self.names.bytes() + self.keys.bytes()
    }
}

/// What fields of one kind are asked with, each that differs once.
struct Asked<T>(Vec<(Given, Option<T>)>);

impl<T> Default for Asked<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Argument + Clone> Asked<T> {
    /// The place of what is given. What names no variable is read now.
    fn place(&mut self, given: Given, defaults: &[(Name, Const)]) -> usize {
        if let Some(at) = self.0.iter().position(|(own, _)| *own == given) {
            return at;
        }
        let values = Values {
            variables: None,
            defaults,
        };
        let fixed = match given.arguments.iter().any(|(_, value)| names_variable(value)) {
            true => None,
            false => T::read(&given, &values),
        };
        self.0.push((given, fixed));
        self.0.len() - 1
    }

    fn bind<'p>(&'p self, values: &Values<'_>) -> Option<Vec<Cow<'p, T>>> {
        let each = self.0.iter().map(|(given, fixed)| match fixed {
            Some(fixed) => Some(Cow::Borrowed(fixed)),
            None => T::read(given, values).map(Cow::Owned),
        });
        each.collect()
    }

    fn bytes(&self) -> usize {
        let each = self.0.iter().map(|(given, _)| {
            let arguments = given
                .arguments
                .iter()
                .map(|(name, value)| name.len() + bytes_of(value));
            size_of::<(Given, Option<T>)>() + arguments.sum::<usize>()
        });
        each.sum()
    }
}

/// The arguments of a field as they are written.
#[derive(PartialEq)]
struct Given {
    arguments: Vec<(Name, Value)>,
    looked_at: LookedAt,
}

impl Given {
    fn of(field: &Field, looked_at: LookedAt) -> Self {
        let arguments = field.arguments.iter();
        Self {
            arguments: arguments
                .map(|(name, value)| (name.node.clone(), value.node.clone()))
                .collect(),
            looked_at,
        }
    }

    /// An argument as a resolver would get it: the default if it is not written. What is written but stands for a
    /// variable without a value is read as nothing.
    fn argument<T: InputType>(&self, name: &str, default: Option<T>, values: &Values<'_>) -> Option<T> {
        let written = self.arguments.iter().find(|(own, _)| own == name);
        let value = match (written, default) {
            (None, Some(default)) => return Some(default),
            (None, None) => None,
            (Some((_, value)), _) => values.of(value),
        };
        T::parse(value).ok()
    }
}

/// What variables stand for.
struct Values<'a> {
    variables: Option<&'a Variables>,
    defaults: &'a [(Name, Const)],
}

impl Values<'_> {
    /// A written value with its variables replaced; none for a variable that has no value.
    fn of(&self, value: &Value) -> Option<Const> {
        Some(match value {
            Value::Variable(name) => return self.variable(name),
            Value::Null => Const::Null,
            Value::Number(number) => Const::Number(number.clone()),
            Value::String(text) => Const::String(text.clone()),
            Value::Boolean(own) => Const::Boolean(*own),
            Value::Binary(bytes) => Const::Binary(bytes.clone()),
            Value::Enum(name) => Const::Enum(name.clone()),
            Value::List(items) => {
                let items = items.iter().map(|item| self.of(item).unwrap_or(Const::Null));
                Const::List(items.collect())
            }
            Value::Object(fields) => {
                let fields = fields.iter();
                Const::Object(
                    fields
                        .filter_map(|(name, value)| Some((name.clone(), self.of(value)?)))
                        .collect(),
                )
            }
        })
    }

    fn variable(&self, name: &Name) -> Option<Const> {
        let default = || self.defaults.iter().find(|(own, _)| own == name);
        let given = self.variables.and_then(|variables| variables.get(name));
        given.or_else(|| default().map(|(_, value)| value)).cloned()
    }
}

fn names_variable(value: &Value) -> bool {
    match value {
        Value::Variable(_) => true,
        Value::List(items) => items.iter().any(names_variable),
        Value::Object(fields) => fields.values().any(names_variable),
        _ => false,
    }
}

fn bytes_of(value: &Value) -> usize {
    let inside: usize = match value {
        Value::String(text) => text.len(),
        Value::Variable(name) | Value::Enum(name) => name.len(),
        Value::List(items) => items.iter().map(bytes_of).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| name.len() + bytes_of(value))
            .sum(),
        _ => 0,
    };
    size_of::<Value>() + inside
}

/// What of a list is selected: what nobody looks at is not read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct LookedAt {
    /// Its rows, or buckets.
    pub(super) rows: bool,
    /// How many rows the whole of it has.
    pub(super) total: bool,
}

/// What the arguments of a field are read as.
trait Argument: Sized {
    fn read(given: &Given, values: &Values<'_>) -> Option<Self>;
}

impl Argument for PageArgs {
    fn read(given: &Given, values: &Values<'_>) -> Option<Self> {
        let first = given.argument("first", None, values)?;
        let after: Option<String> = given.argument("after", None, values)?;
        let last = given.argument("last", None, values)?;
        let before: Option<String> = given.argument("before", None, values)?;
        let LookedAt { rows, total } = given.looked_at;
        let page = page_args(first, after.as_deref(), last, before.as_deref(), total).ok()?;
        Some(if rows { page } else { page.only_total() })
    }
}

impl Argument for UsageArguments {
    fn read(given: &Given, values: &Values<'_>) -> Option<Self> {
        let granularity = Some(Self::DEFAULT_GRANULARITY);
        Some(Self {
            period: given.argument("period", None, values)?,
            granularity: given.argument("granularity", granularity, values)?,
            time_zone: given.argument("timeZone", None, values)?,
            meters: given.argument("meters", None, values)?,
            include_descendants: given.argument("includeDescendants", Some(false), values)?,
            only_totals: !given.looked_at.rows,
        })
    }
}

impl Argument for Option<ID> {
    fn read(given: &Given, values: &Values<'_>) -> Option<Self> {
        given.argument("id", None, values)
    }
}

/// The name of a limited resource.
#[derive(Clone)]
struct ResourceName(String);

impl Argument for ResourceName {
    fn read(given: &Given, values: &Values<'_>) -> Option<Self> {
        given.argument("name", None, values).map(Self)
    }
}

impl Argument for PermissionKey {
    fn read(given: &Given, values: &Values<'_>) -> Option<Self> {
        given.argument("key", None, values)
    }
}

#[cfg(test)]
mod tests;
