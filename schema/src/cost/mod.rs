//! What an answer costs: points for the objects that it may have, known before anything is read, and for those that it
//! had.
//!
//! An object costs one point, a row of a list like any other; what is dearer stands in [`weights`]. Lists multiply: a
//! page by `first` or `last`, others by a length that is assumed. docs/limits.md tells it to clients.

mod weights;

use async_graphql::parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Value, Variables};
use canopy_domain::budgets::Budget;
use canopy_domain::page::MAX_PAGE;

use crate::shape::{self, Count, Shape};

/// An operation with the values of its variables.
pub(crate) struct Priced<'d> {
    pub(crate) shape: &'d Shape,
    pub(crate) document: &'d ExecutableDocument,
    pub(crate) operation: &'d OperationDefinition,
    pub(crate) variables: &'d Variables,
}

/// A selection set in its place.
#[derive(Clone, Copy)]
struct Place<'d> {
    set: &'d SelectionSet,
    /// The type that is selected from.
    ty: &'d str,
    /// The rows of the page around it, inside a connection.
    page: u64,
}

impl<'d> Priced<'d> {
    /// The most points that the answer may cost.
    pub(crate) fn requested(&self) -> u64 {
        self.of(self.root(), None)
    }

    /// The points that an answer with this `data` cost.
    pub(crate) fn actual(&self, data: &Value) -> u64 {
        self.of(self.root(), Some(data))
    }

    fn root(&self) -> Place<'d> {
        Place {
            set: &self.operation.selection_set.node,
            ty: shape::root(self.operation.ty),
            page: 1,
        }
    }

    /// The points of one object: as it may be, or as it is if there is one.
    fn of(&self, place: Place<'d>, object: Option<&Value>) -> u64 {
        let selections = place.set.items.iter();
        selections.fold(0_u64, |points, selection| {
            points.saturating_add(self.selection(place, &selection.node, object))
        })
    }

    fn selection(&self, place: Place<'d>, selection: &'d Selection, object: Option<&Value>) -> u64 {
        if self.is_skipped(selection) {
            return 0;
        }
        match selection {
            Selection::Field(field) => self.field(place, &field.node, object),
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref();
                let set = &fragment.node.selection_set.node;
                let ty = condition.map_or(place.ty, |condition| condition.node.on.node.as_str());
                self.of(Place { set, ty, ..place }, object)
            }
            Selection::FragmentSpread(spread) => {
                let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) else {
                    return 0;
                };
                let set = &fragment.node.selection_set.node;
                let ty = fragment.node.type_condition.node.on.node.as_str();
                self.of(Place { set, ty, ..place }, object)
            }
        }
    }

    fn field(&self, place: Place<'d>, field: &'d Field, object: Option<&Value>) -> u64 {
        // What the schema does not have is refused by validation.
        let Some(known) = self.shape.field(place.ty, &field.name.node) else {
            return 0;
        };
        let weight = weights::of(place.ty, &field.name.node, known) * self.items(place, field);
        let inner = Place {
            set: &field.selection_set.node,
            ty: &known.gives,
            page: match known.count {
                Count::Page(default) => self.slice(field, default),
                _ => place.page,
            },
        };
        match object {
            None => {
                let each = weight.saturating_add(self.of(inner, None));
                self.many(place, field, known).saturating_mul(each)
            }
            Some(Value::Object(fields)) => match fields.get(&field.response_key().node) {
                Some(value) => self.given(inner, weight, value),
                None => 0,
            },
            Some(_) => 0,
        }
    }

    /// The points of what a field gave.
    fn given(&self, inner: Place<'d>, weight: u64, value: &Value) -> u64 {
        match value {
            Value::List(items) => items.iter().fold(0, |points: u64, item| {
                points.saturating_add(self.given(inner, weight, item))
            }),
            Value::Object(_) => weight.saturating_add(self.of(inner, Some(value))),
            _ => weight,
        }
    }

    /// For how many things at once a mutation is asked.
    fn items(&self, place: Place<'_>, field: &Field) -> u64 {
        let list = weights::items(place.ty, &field.name.node);
        match list.and_then(|list| match self.argument(field, "input")? {
            Value::Object(input) => input.get(list).cloned(),
            _ => None,
        }) {
            Some(Value::List(items)) => (items.len() as u64).max(1),
            _ => 1,
        }
    }

    /// How many objects a field may give.
    fn many(&self, place: Place<'_>, field: &Field, known: &shape::Field) -> u64 {
        match known.count {
            Count::One | Count::Page(_) => 1,
            Count::OfPage => place.page,
            Count::Slice(default) => self.slice(field, default),
            Count::Ids => match self.argument(field, "ids") {
                Some(Value::List(ids)) => ids.len() as u64,
                _ => 1,
            },
            Count::Some => weights::length(place.ty, &field.name.node),
        }
    }

    /// The rows that a field is asked for. More than a page has are refused where they are read.
    fn slice(&self, field: &Field, default: u32) -> u64 {
        let asked = ["first", "last"].iter().find_map(|name| {
            let value = self.argument(field, name)?;
            shape::as_count(&value)
        });
        u64::from(asked.unwrap_or(default).min(MAX_PAGE))
    }

    fn argument(&self, field: &Field, name: &str) -> Option<Value> {
        let value = field.get_argument(name)?.node.clone();
        value
            .into_const_with(|name| self.variable(&name).cloned().ok_or(()))
            .ok()
    }

    /// The value of a variable, or its default.
    fn variable(&self, name: &Name) -> Option<&Value> {
        self.variables.get(name).or_else(|| {
            let mut definitions = self.operation.variable_definitions.iter();
            let own = definitions.find(|own| own.node.name.node == *name)?;
            own.node.default_value.as_ref().map(|default| &default.node)
        })
    }

    fn is_skipped(&self, selection: &Selection) -> bool {
        let directives = selection.directives().iter();
        directives.map(|own: &Positioned<_>| &own.node).any(|directive| {
            let given = directive.get_argument("if").map(|given| given.node.clone());
            let given = given.and_then(|given| {
                given
                    .into_const_with(|name| self.variable(&name).cloned().ok_or(()))
                    .ok()
            });
            match directive.name.node.as_str() {
                "skip" => given == Some(Value::Boolean(true)),
                "include" => given == Some(Value::Boolean(false)),
                _ => false,
            }
        })
    }
}

/// What an answer cost, as clients are told it in `extensions.cost`.
pub(crate) fn told(requested: u64, actual: u64, budget: Option<Budget>) -> Value {
    let mut told = vec![("requested", requested), ("actual", actual)];
    if let Some(budget) = budget {
        told.extend([
            ("limit", budget.limit),
            ("remaining", budget.remaining),
            ("restoreRate", budget.restore_rate),
        ]);
    }
    let told = told
        .into_iter()
        .map(|(name, points)| (Name::new(name), Value::from(points)));
    Value::Object(told.collect())
}

#[cfg(test)]
mod tests;
