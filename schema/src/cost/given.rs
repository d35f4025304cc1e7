//! What the cost of an answer goes by in arguments and variables: numbers, booleans, and how long lists are.

use std::collections::HashMap;

use async_graphql::parser::types::OperationDefinition;
use async_graphql::{Name, Number, Value as Const, Variables};
use async_graphql_value::Value;

/// The longest text that may be an id; longer ones are left out.
const MAX_ID: usize = 64;

/// The variables of an operation, defaults in the places of those that were not given: small, however much they hold.
/// Lists keep their length and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Outline(HashMap<Name, Const>);

impl Outline {
    pub(crate) fn of(operation: &OperationDefinition, variables: &Variables) -> Self {
        let given = operation.variable_definitions.iter().filter_map(|own| {
            let name = &own.node.name.node;
            let default = own.node.default_value.as_ref().map(|default| &default.node);
            Some((name.clone(), outline(variables.get(name).or(default)?)))
        });
        Self(given.collect())
    }
}

fn outline(value: &Const) -> Const {
    match value {
        Const::Number(_) | Const::Boolean(_) => value.clone(),
        Const::String(text) if text.len() <= MAX_ID => value.clone(),
        Const::List(items) => Const::List(vec![Const::Null; items.len()]),
        Const::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), outline(value)));
            Const::Object(fields.collect())
        }
        _ => Const::Null,
    }
}

/// A value in a document, its variables seen through.
#[derive(Clone, Copy)]
pub(super) enum Given<'a> {
    Written(&'a Value, &'a Outline),
    Variable(&'a Const),
}

impl<'a> Given<'a> {
    /// None for a variable that has no value.
    pub(super) fn new(value: &'a Value, variables: &'a Outline) -> Option<Self> {
        match value {
            Value::Variable(name) => variables.0.get(name).map(Self::Variable),
            written => Some(Self::Written(written, variables)),
        }
    }

    pub(super) fn boolean(self) -> Option<bool> {
        match self {
            Self::Written(Value::Boolean(own), _) | Self::Variable(Const::Boolean(own)) => Some(*own),
            _ => None,
        }
    }

    /// A number of rows.
    pub(super) fn count(self) -> Option<u32> {
        match self {
            Self::Written(Value::Number(own), _) | Self::Variable(Const::Number(own)) => as_count(own),
            _ => None,
        }
    }

    /// How many items a list has.
    pub(super) fn length(self) -> Option<u64> {
        match self {
            Self::Written(Value::List(items), _) => Some(items.len() as u64),
            Self::Variable(Const::List(items)) => Some(items.len() as u64),
            _ => None,
        }
    }

    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Self::Written(Value::String(own), _) => Some(own),
            Self::Variable(Const::String(own)) => Some(own),
            _ => None,
        }
    }

    /// A field of an input object.
    pub(super) fn member(self, name: &str) -> Option<Self> {
        match self {
            Self::Written(Value::Object(fields), variables) => Self::new(fields.get(name)?, variables),
            Self::Variable(Const::Object(fields)) => fields.get(name).map(Self::Variable),
            _ => None,
        }
    }
}

fn as_count(number: &Number) -> Option<u32> {
    u32::try_from(number.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_outline_is_small_and_has_what_was_declared_alone() {
        let document = parse_query("query ($a: [ID!], $b: Int = 2, $c: X, $d: Int) { f }").unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let given = json!({"a": ["x", "y"], "c": {"e": [{"f": "long"}], "g": "x".repeat(100)}, "other": 1});
        let Outline(outline) = Outline::of(&operation.node, &Variables::from_json(given));
        let seen = |name: &str| outline.get(name).map(|value| value.clone().into_json().unwrap());
        assert_eq!(seen("a"), Some(json!([null, null])));
        assert_eq!(seen("b"), Some(json!(2)));
        assert_eq!(seen("c"), Some(json!({"e": [null], "g": null})));
        assert_eq!((seen("d"), seen("other")), (None, None));
    }
}
