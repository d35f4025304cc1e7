//! Whether the variables of a request are what its operation declares, so that validation, which async-graphql does with
//! the variables at hand, need not be done again for a document that passed it before.
//!
//! Source: <https://spec.graphql.org/September2025/#sec-Coercing-Variable-Values>. Values stay as they came: resolvers
//! coerce. Whether the text of a custom scalar is one is for its type to say.

use async_graphql::parser::types::{BaseType, OperationDefinition, Type};
use async_graphql::{Name, Value, Variables};

use crate::shape::{Input, Shape};

/// Drops the variables that `operation` does not declare: nothing asks for them.
pub(super) fn keep_declared(operation: &OperationDefinition, variables: &mut Variables) {
    let mut declared = Variables::default();
    for definition in &operation.variable_definitions {
        let own = variables.remove_entry(&definition.node.name.node);
        declared.extend(own);
    }
    *variables = declared;
}

/// Gives the variables that directives read, `switches`, their defaults: async-graphql decides `@skip` and `@include` by
/// what was given alone, and takes what was not for false.
pub(super) fn fill(operation: &OperationDefinition, switches: &[Name], variables: &mut Variables) {
    for own in operation.variable_definitions.iter().map(|own| &own.node) {
        let name = &own.name.node;
        let default = own.default_value.as_ref().map(|default| &default.node);
        if let (true, false, Some(default)) = (switches.contains(name), variables.contains_key(name), default)
        {
            variables.insert(name.clone(), default.clone());
        }
    }
}

/// Refuses, with a sentence for its author, variables that do not fit `operation`.
pub(super) fn check(
    shape: &Shape,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<(), String> {
    for definition in &operation.variable_definitions {
        let name = &definition.node.name.node;
        let ty = &definition.node.var_type.node;
        let fault = match variables.get(name) {
            Some(value) => fault(shape, ty, value),
            None if ty.nullable || definition.node.default_value.is_some() => None,
            None => Some(Fault::new("is required")),
        };
        if let Some(fault) = fault {
            let path: String = fault.path.iter().rev().map(String::as_str).collect();
            return Err(format!("The variable \"${name}{path}\" {}.", fault.what));
        }
    }
    Ok(())
}

/// What is wrong with a value, and where in it, from the inside out.
struct Fault {
    path: Vec<String>,
    what: String,
}

impl Fault {
    fn new(what: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            what: what.into(),
        }
    }

    fn at(mut self, step: String) -> Self {
        self.path.push(step);
        self
    }
}

fn fault(shape: &Shape, ty: &Type, value: &Value) -> Option<Fault> {
    if *value == Value::Null {
        return (!ty.nullable).then(|| Fault::new(format!("must not be null, but of type {ty}")));
    }
    match (&ty.base, value) {
        (BaseType::List(element), Value::List(items)) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(index, item)| Some(fault(shape, element, item)?.at(format!("[{index}]"))))
        }
        // A value alone stands for a list of it.
        (BaseType::List(element), _) => fault(shape, element, value),
        (BaseType::Named(name), _) => named(shape, name, value),
    }
}

fn named(shape: &Shape, name: &str, value: &Value) -> Option<Fault> {
    if let Some(input) = shape.input(name) {
        return object(shape, name, input, value);
    }
    if let Some(values) = shape.enum_values(name) {
        let fits = match value {
            Value::String(text) => values.contains(text.as_str()),
            Value::Enum(own) => values.contains(own.as_str()),
            _ => false,
        };
        return (!fits).then(|| Fault::new(format!("is not a value of {name}")));
    }
    let fits = match (name, value) {
        ("Int", Value::Number(number)) => number
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_ok()),
        ("Float", Value::Number(_)) | ("String", Value::String(_)) | ("Boolean", Value::Boolean(_)) => true,
        ("ID", Value::String(_)) => true,
        ("ID", Value::Number(number)) => number.is_i64() || number.is_u64(),
        ("Int" | "Float" | "String" | "Boolean" | "ID", _) => false,
        _ => true,
    };
    (!fits).then(|| Fault::new(format!("is not of type {name}")))
}

fn object(shape: &Shape, name: &str, input: &Input, value: &Value) -> Option<Fault> {
    let Value::Object(given) = value else {
        return Some(Fault::new(format!("is not of type {name}")));
    };
    let known = |own: &str| input.fields.iter().any(|field| field.name == own);
    if let Some(unknown) = given.keys().find(|own| !known(own)) {
        return Some(Fault::new(format!("is not a field of {name}")).at(format!(".{unknown}")));
    }
    let one = given.len() == 1 && given.values().all(|value| *value != Value::Null);
    if input.one_of && !one {
        return Some(Fault::new(format!(
            "must have exactly one field that is not null, as {name} asks for"
        )));
    }
    input.fields.iter().find_map(|field| {
        let step = || format!(".{}", field.name);
        match given.get(field.name.as_str()) {
            Some(value) => Some(fault(shape, &field.ty, value)?.at(step())),
            None if field.ty.nullable || field.has_default => None,
            None => Some(Fault::new("is required").at(step())),
        }
    })
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::{Value as Json, json};

    use super::*;

    fn refusal(declared: &str, variables: Json) -> Option<String> {
        let shape = Shape::of(&crate::sdl());
        let document = parse_query(format!("query Q({declared}) {{ me {{ __typename }} }}")).unwrap();
        let (_, operation) = super::super::measure::choose(&document, None).unwrap();
        check(&shape, operation, &Variables::from_json(variables)).err()
    }

    #[test]
    fn what_fits_is_taken() {
        let event = json!({"meter": "m", "quantity": "1", "idempotencyKey": "k"});
        for (declared, variables) in [
            ("$a: Int", json!({})),
            ("$a: Int! = 1", json!({})),
            ("$a: Int", json!({"a": null})),
            ("$a: [Int!]!", json!({"a": 2_147_483_647})),
            ("$a: Float!", json!({"a": 1})),
            ("$a: ID!, $b: ID!", json!({"a": 1, "b": "x"})),
            ("$a: Granularity!", json!({"a": "DAY"})),
            ("$a: RuleSourceInput!", json!({"a": {"builtin": "x"}})),
            (
                "$a: RecordUsageInput!",
                json!({"a": {"accountId": "x", "events": [event]}}),
            ),
            ("$a: JSON!", json!({"a": {"b": [1, null]}})),
            ("$a: Int", json!({"unknown": 1})),
        ] {
            assert_eq!(
                refusal(declared, variables.clone()),
                None,
                "{declared} {variables}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        for (declared, variables, place) in [
            ("$a: Int!", json!({}), "$a\" is required"),
            ("$a: Int! = 1", json!({"a": null}), "$a\" must not be null"),
            (
                "$a: Int",
                json!({"a": 2_147_483_648_u32}),
                "$a\" is not of type Int",
            ),
            ("$a: Int", json!({"a": "1"}), "$a\" is not of type Int"),
            ("$a: ID", json!({"a": 1.5}), "$a\" is not of type ID"),
            ("$a: [Int!]", json!({"a": [1, null]}), "$a[1]\" must not be null"),
            (
                "$a: Granularity",
                json!({"a": "YEAR"}),
                "$a\" is not a value of Granularity",
            ),
            (
                "$a: RecordUsageInput",
                json!({"a": 1}),
                "$a\" is not of type RecordUsageInput",
            ),
            (
                "$a: RecordUsageInput",
                json!({"a": {"b": 1}}),
                "$a.b\" is not a field of",
            ),
            (
                "$a: RecordUsageInput",
                json!({"a": {"accountId": "x", "events": [{}]}}),
                "$a.events[0].meter\" is required",
            ),
            (
                "$a: RuleSourceInput",
                json!({"a": {}}),
                "$a\" must have exactly one",
            ),
            (
                "$a: RuleSourceInput",
                json!({"a": {"builtin": null}}),
                "$a\" must have exactly one",
            ),
        ] {
            let refusal = refusal(declared, variables.clone()).unwrap_or_default();
            assert!(refusal.contains(place), "{declared} {variables}: {refusal}");
        }
    }
}
