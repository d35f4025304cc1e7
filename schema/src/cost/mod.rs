//! What an answer costs: points for the objects that it may have, known before anything is read, and for those that it
//! had.
//!
//! An object costs one point, a row of a list like any other; what is dearer stands in [`weights`]. Lists multiply: a
//! page by `first` or `last`, others by a length that is assumed. docs/limits.md tells it to clients.

mod actual;
mod given;
mod requested;
mod weights;

use async_graphql::parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Value};
use canopy_domain::budgets::Budget;
use canopy_domain::page::MAX_PAGE;

use crate::shape::{self, Count, Shape};
use given::Given;
pub(crate) use given::Outline;
pub(crate) use requested::{Requested, Top};

/// An operation with the values of its variables.
pub(crate) struct Priced<'d> {
    pub(crate) shape: &'d Shape,
    pub(crate) document: &'d ExecutableDocument,
    pub(crate) operation: &'d OperationDefinition,
    pub(crate) variables: &'d Outline,
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

/// What a selection is, the conditions on it seen through.
enum Selected<'d> {
    Field(&'d Field),
    /// What a fragment selects.
    Set(Place<'d>),
    Nothing,
}

impl<'d> Priced<'d> {
    fn root(&self) -> Place<'d> {
        Place {
            set: &self.operation.selection_set.node,
            ty: shape::root(self.operation.ty),
            page: 1,
        }
    }

    fn selected(&self, place: Place<'d>, selection: &'d Selection) -> Selected<'d> {
        if self.is_skipped(selection) {
            return Selected::Nothing;
        }
        match selection {
            Selection::Field(field) => Selected::Field(&field.node),
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref();
                let set = &fragment.node.selection_set.node;
                let ty = condition.map_or(place.ty, |condition| condition.node.on.node.as_str());
                Selected::Set(Place { set, ty, ..place })
            }
            Selection::FragmentSpread(spread) => {
                let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) else {
                    return Selected::Nothing;
                };
                let set = &fragment.node.selection_set.node;
                let ty = fragment.node.type_condition.node.on.node.as_str();
                Selected::Set(Place { set, ty, ..place })
            }
        }
    }

    /// What a field selects from what it gives.
    fn inside(&self, place: Place<'d>, field: &'d Field, known: &'d shape::Field) -> Place<'d> {
        Place {
            set: &field.selection_set.node,
            ty: &known.gives,
            page: match known.count {
                Count::Page(default) => self.slice(field, default),
                _ => place.page,
            },
        }
    }

    /// The points of each thing that a field gives, without what is selected from it.
    fn weight(&self, place: Place<'_>, field: &Field, known: &shape::Field) -> u64 {
        weights::of(place.ty, &field.name.node, known).saturating_mul(self.items(place, field))
    }

    /// For how many things at once a mutation is asked.
    fn items(&self, place: Place<'_>, field: &Field) -> u64 {
        let list = weights::items(place.ty, &field.name.node);
        let length = list.and_then(|list| self.argument(field, "input")?.member(list)?.length());
        length.map_or(1, |length| length.max(1))
    }

    /// How many objects a field may give.
    fn many(&self, place: Place<'_>, field: &Field, known: &shape::Field) -> u64 {
        match known.count {
            Count::One | Count::Page(_) => 1,
            Count::OfPage => place.page,
            Count::Slice(default) => self.slice(field, default),
            Count::Ids => self.argument(field, "ids").and_then(Given::length).unwrap_or(1),
            Count::Some => weights::length(place.ty, &field.name.node),
        }
    }

    /// The rows that a field is asked for. More than a page has are refused where they are read.
    fn slice(&self, field: &Field, default: u32) -> u64 {
        let mut asked = ["first", "last"].into_iter();
        let asked = asked.find_map(|name| self.argument(field, name)?.count());
        u64::from(asked.unwrap_or(default).min(MAX_PAGE))
    }

    fn argument<'a>(&'a self, field: &'a Field, name: &str) -> Option<Given<'a>> {
        Given::new(&field.get_argument(name)?.node, self.variables)
    }

    fn is_skipped(&self, selection: &Selection) -> bool {
        let directives = selection.directives().iter();
        directives.map(|own: &Positioned<_>| &own.node).any(|directive| {
            let given = directive.get_argument("if");
            let given = given.and_then(|given| Given::new(&given.node, self.variables)?.boolean());
            match directive.name.node.as_str() {
                "skip" => given == Some(true),
                "include" => given == Some(false),
                _ => false,
            }
        })
    }
}

/// The points of each thing that a field of a query gives, without what is selected from it.
pub(crate) fn weight(ty: &str, field: &str, known: &shape::Field) -> u64 {
    weights::of(ty, field, known)
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
