//! The header `Idempotency-Key`: the key of a mutation whose input has none.
//!
//! The key is written into the mutation's input, and the mutation is asked whether it was `replayed`, so that all
//! mutations take the header without knowing it.

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
};
use async_graphql::{Name, Pos, Positioned, ServerError, Value as Const, Variables};
use async_graphql_value::Value;

use crate::shape::Shape;

const INPUT: &str = "input";
const KEY: &str = "idempotencyKey";
const REPLAYED: &str = "replayed";
/// The name under which `replayed` is asked for beside what the client selects.
const ASKED: &str = "canopyReplayed";

/// A key that was put into a mutation: where its answer says whether it was replayed.
pub(crate) struct Carried {
    /// The mutation's name in the answer.
    mutation: Name,
}

impl Carried {
    /// Takes what the client did not ask for out of the answer: whether it was given before.
    pub(crate) fn take(self, data: &mut Const) -> bool {
        let Const::Object(fields) = data else {
            return false;
        };
        match fields.get_mut(&self.mutation) {
            Some(Const::Object(payload)) => payload.shift_remove(ASKED) == Some(Const::Boolean(true)),
            _ => false,
        }
    }
}

/// Puts `key` into the one mutation of the operation; a query has no use for it. Refuses several mutations, which
/// cannot share a key, and another key in the input.
pub(crate) fn carry(
    shape: &Shape,
    document: &mut ExecutableDocument,
    operation_name: Option<&str>,
    variables: &mut Variables,
    key: &str,
) -> Result<Option<Carried>, ServerError> {
    let Some(operation) = chosen(document, operation_name) else {
        return Ok(None);
    };
    if operation.ty != OperationType::Mutation {
        return Ok(None);
    }
    let [
        Positioned {
            node: Selection::Field(field),
            ..
        },
    ] = &mut operation.selection_set.node.items[..]
    else {
        return Err(refused(
            "The header Idempotency-Key needs an operation of one mutation.",
        ));
    };
    let field = &mut field.node;
    if !keeps_answers(shape, &field.name.node) {
        return Ok(None);
    }
    let Some((_, input)) = field.arguments.iter_mut().find(|(name, _)| name.node == INPUT) else {
        return Ok(None);
    };
    match &mut input.node {
        Value::Object(fields) => put(fields, Value::String(key.to_owned()))?,
        Value::Variable(name) => match variables.get_mut(name) {
            Some(Const::Object(fields)) => put(fields, Const::String(key.to_owned()))?,
            _ => return Ok(None),
        },
        _ => return Ok(None),
    }
    let mutation = field.response_key().node.clone();
    field.selection_set.node.items.push(asked());
    Ok(Some(Carried { mutation }))
}

/// Whether a mutation's answers are kept for retries, as its payload says. Signing in gives a new token each time.
fn keeps_answers(shape: &Shape, mutation: &str) -> bool {
    let payload = shape.field("Mutation", mutation);
    payload.is_some_and(|payload| shape.field(&payload.gives, REPLAYED).is_some())
}

fn chosen<'d>(
    document: &'d mut ExecutableDocument,
    name: Option<&str>,
) -> Option<&'d mut OperationDefinition> {
    match (&mut document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(&mut operation.node),
        (DocumentOperations::Multiple(all), Some(name)) => all.get_mut(name).map(|own| &mut own.node),
        (DocumentOperations::Multiple(all), None) => all.values_mut().next().map(|own| &mut own.node),
    }
}

fn put<V: PartialEq + Default>(
    fields: &mut async_graphql::indexmap::IndexMap<Name, V>,
    key: V,
) -> Result<(), ServerError> {
    match fields.get(KEY) {
        Some(own) if *own != V::default() && *own != key => Err(refused(
            "The header Idempotency-Key and the input's idempotencyKey differ.",
        )),
        _ => {
            fields.insert(Name::new(KEY), key);
            Ok(())
        }
    }
}

/// `canopyReplayed: replayed`
fn asked() -> Positioned<Selection> {
    let at = |name: &str| Positioned::new(Name::new(name), Pos::default());
    let field = Field {
        alias: Some(at(ASKED)),
        name: at(REPLAYED),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: Positioned::default(),
    };
    Positioned::new(
        Selection::Field(Positioned::new(field, Pos::default())),
        Pos::default(),
    )
}

fn refused(message: &str) -> ServerError {
    ServerError::new(message, None)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    /// Whether a key is put into a mutation.
    fn is_carried(document: &str) -> bool {
        let shape = Shape::of(&crate::sdl());
        let before = parse_query(document).unwrap();
        let mut after = before.clone();
        let carried = carry(&shape, &mut after, None, &mut Variables::default(), "k").unwrap();
        assert_eq!(carried.is_some(), format!("{before:?}") != format!("{after:?}"));
        carried.is_some()
    }

    #[test]
    fn a_key_goes_where_answers_are_kept_and_nowhere_else() {
        assert!(is_carried(
            "mutation { createSubaccount(input: {name: \"A\"}) { replayed } }"
        ));
        assert!(!is_carried(
            "mutation { signIn(input: {email: \"a\"}) { token } }"
        ));
        assert!(!is_carried("{ me { user { id } } }"));
    }
}
