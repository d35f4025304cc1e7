//! The variables that the directives of a document read: a plan belongs to their values.

use async_graphql::Name;
use async_graphql::Positioned;
use async_graphql::parser::types::{Directive, ExecutableDocument, Selection, SelectionSet};
use async_graphql_value::Value;

/// The names of all variables that directives at the selections of a document read, each once.
pub(crate) fn switches(document: &ExecutableDocument) -> Box<[Name]> {
    let mut names = Vec::new();
    for (_, operation) in document.operations.iter() {
        add(&operation.node.selection_set.node, &mut names);
    }
    for fragment in document.fragments.values() {
        add(&fragment.node.selection_set.node, &mut names);
    }
    names.sort_unstable();
    names.dedup();
    names.into()
}

fn add(set: &SelectionSet, names: &mut Vec<Name>) {
    for selection in &set.items {
        read_by(selection.node.directives(), names);
        match &selection.node {
            Selection::Field(field) => add(&field.node.selection_set.node, names),
            Selection::InlineFragment(fragment) => add(&fragment.node.selection_set.node, names),
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn read_by(directives: &[Positioned<Directive>], names: &mut Vec<Name>) {
    let arguments = directives.iter().flat_map(|own| &own.node.arguments);
    names.extend(arguments.filter_map(|(_, value)| match &value.node {
        Value::Variable(name) => Some(name.clone()),
        _ => None,
    }));
}
