//! For whom an answer to a piece of news is: what it depends on besides the news.

use async_graphql::parser::types::{Directive, Field, Selection, SelectionSet};
use async_graphql::{Positioned, Variables};
use async_graphql_value::Value;
use canopy_domain::Actor;
use canopy_domain::events::What;
use sha2::{Digest, Sha256};

use crate::Document;
use crate::shape::Shape;

/// Fields that say the same to everyone who may see the update. Each other one may depend on who asks.
pub(super) const SAME_FOR_ALL: &[(&str, &[&str])] = &[
    ("UsageUpdate", &["cursor", "kind", "event", "sums"]),
    (
        "UsageSum",
        &["accountId", "meter", "quantity", "events", "amount"],
    ),
    ("Money", &["amount", "currency"]),
    (
        "UsageEvent",
        &[
            "id",
            "meter",
            "quantity",
            "occurredAt",
            "countedAt",
            "adjusts",
            "recordedAt",
            "idempotencyKey",
            "attributes",
            "ratingStatus",
            "correction",
        ],
    ),
    ("UsageCorrection", &["part", "corrects", "reason"]),
];

/// A digest of all that an answer depends on besides the news and the time: the same for all who get the same answer.
pub(super) fn what(
    shape: &Shape,
    document: &Document,
    operation: Option<&str>,
    variables: &Variables,
    actor: &Actor,
) -> What {
    let mut depends = Depends {
        shape,
        document,
        on_variables: false,
        on_caller: false,
    };
    depends.of_root(operation);
    let mut digest = Sha256::new();
    let mut add = |part: &str| {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    };
    add(&document.hash().to_string());
    add(operation.unwrap_or_default());
    if depends.on_variables {
        add(&serde_json::to_string(variables).unwrap_or_default());
    }
    if depends.on_caller {
        add(&actor.sight());
    }
    digest.finalize().into()
}

/// A walk over what is selected from each update.
struct Depends<'d> {
    shape: &'d Shape,
    document: &'d Document,
    on_variables: bool,
    on_caller: bool,
}

impl<'d> Depends<'d> {
    /// The arguments of the root field say which news there is, not how it is told.
    fn of_root(&mut self, operation: Option<&str>) {
        let Some(field) = only_field(self.document, operation) else {
            self.on_caller = true;
            self.on_variables = true;
            return;
        };
        match self.shape.field("Subscription", &field.name.node) {
            Some(known) => self.of_set(&known.gives, &field.selection_set.node),
            None => self.on_caller = true,
        }
    }

    fn of_set(&mut self, ty: &'d str, set: &'d SelectionSet) {
        for selection in &set.items {
            self.of_directives(selection.node.directives());
            match &selection.node {
                Selection::Field(field) => self.of_field(ty, &field.node),
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    let ty = condition.map_or(ty, |condition| condition.node.on.node.as_str());
                    self.of_set(ty, &inline.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => {
                    let fragments = &self.document.parsed().fragments;
                    if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                        let ty = fragment.node.type_condition.node.on.node.as_str();
                        self.of_directives(&fragment.node.directives);
                        self.of_set(ty, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

    fn of_field(&mut self, ty: &'d str, field: &'d Field) {
        let name = field.name.node.as_str();
        let listed = SAME_FOR_ALL.iter().find(|(own, _)| *own == ty);
        let same = name == "__typename" || listed.is_some_and(|(_, fields)| fields.contains(&name));
        self.on_caller |= !same;
        self.on_variables |= field.arguments.iter().any(|(_, value)| has_variable(&value.node));
        if let Some(known) = self.shape.field(ty, name) {
            self.of_set(&known.gives, &field.selection_set.node);
        }
    }

    fn of_directives(&mut self, directives: &[Positioned<Directive>]) {
        let mut values = directives.iter().flat_map(|own| &own.node.arguments);
        self.on_variables |= values.any(|(_, value)| has_variable(&value.node));
    }
}

/// The field of an operation that has one alone, written out.
pub(super) fn only_field<'d>(document: &'d Document, operation: Option<&str>) -> Option<&'d Field> {
    match document.root(operation)?.items.as_slice() {
        [selection] => match &selection.node {
            Selection::Field(field) => Some(&field.node),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
        },
        _ => None,
    }
}

fn has_variable(value: &Value) -> bool {
    match value {
        Value::Variable(_) => true,
        Value::List(items) => items.iter().any(has_variable),
        Value::Object(fields) => fields.values().any(has_variable),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
