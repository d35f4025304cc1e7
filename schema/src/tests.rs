//! The schema as a whole: its text is the committed one, each part of it is described, and each field is in
//! the table.

use std::collections::BTreeSet;
use std::path::Path;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{ConstDirective, TypeDefinition, TypeKind, TypeSystemDefinition};
use async_graphql::{Positioned, Value};

use crate::{requirements, sdl};

fn types() -> Vec<TypeDefinition> {
    let document = parse_schema(sdl()).unwrap();
    let definitions = document.definitions.into_iter();
    definitions
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(ty) => Some(ty.node),
            TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
        })
        .collect()
}

#[test]
fn the_committed_schema_is_the_one_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, sdl()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == sdl(),
        "schema/schema.graphql is not up to date: run `cargo xtask schema`"
    );
}

#[test]
fn each_part_of_the_schema_is_described() {
    let mut bare = Vec::new();
    for ty in types() {
        let name = ty.name.node.as_str();
        let mut parts = vec![(name.to_owned(), ty.description.is_some())];
        match &ty.kind {
            TypeKind::Object(object) => parts.extend(described_fields(name, &object.fields)),
            TypeKind::Interface(interface) => parts.extend(described_fields(name, &interface.fields)),
            TypeKind::Enum(values) => parts.extend(values.values.iter().map(|value| {
                (
                    format!("{name}.{}", value.node.value.node),
                    value.node.description.is_some(),
                )
            })),
            TypeKind::InputObject(input) => parts.extend(input.fields.iter().map(|field| {
                (
                    format!("{name}.{}", field.node.name.node),
                    field.node.description.is_some(),
                )
            })),
            TypeKind::Scalar | TypeKind::Union(_) => {}
        }
        bare.extend(
            parts
                .into_iter()
                .filter(|(_, described)| !described)
                .map(|(part, _)| part),
        );
    }
    assert_eq!(bare, Vec::<String>::new());
}

type Fields = [Positioned<async_graphql::parser::types::FieldDefinition>];

fn described_fields(type_name: &str, fields: &Fields) -> Vec<(String, bool)> {
    let mut parts = Vec::new();
    for field in fields.iter().map(|field| &field.node) {
        let name = format!("{type_name}.{}", field.name.node);
        let arguments = field.arguments.iter().map(|argument| {
            let argument = &argument.node;
            (
                format!("{name}({})", argument.name.node),
                argument.description.is_some(),
            )
        });
        parts.extend(arguments);
        parts.push((name.clone(), field.description.is_some()));
    }
    parts
}

#[test]
fn each_scalar_names_its_specification() {
    let scalars = types()
        .into_iter()
        .filter(|ty| matches!(ty.kind, TypeKind::Scalar));
    let (named, bare): (Vec<_>, Vec<_>) = scalars
        .map(|ty| {
            (
                ty.name.node.to_string(),
                argument(&ty.directives, "specifiedBy", "url"),
            )
        })
        .partition(|(_, url)| url.as_deref().is_some_and(|url| url.starts_with("https://")));
    assert_eq!(bare, []);
    assert!(!named.is_empty());
}

#[test]
fn each_deprecation_says_why() {
    let mut deprecated = Vec::new();
    for ty in types() {
        let (fields, input): (&[_], &[_]) = match &ty.kind {
            TypeKind::Object(object) => (&object.fields, &[]),
            TypeKind::Interface(interface) => (&interface.fields, &[]),
            TypeKind::InputObject(input) => (&[], &input.fields),
            TypeKind::Enum(values) => {
                deprecated.extend(
                    values
                        .values
                        .iter()
                        .flat_map(|value| value.node.directives.clone()),
                );
                continue;
            }
            TypeKind::Scalar | TypeKind::Union(_) => continue,
        };
        let arguments = fields.iter().flat_map(|field| &field.node.arguments);
        deprecated.extend(fields.iter().flat_map(|field| field.node.directives.clone()));
        deprecated.extend(
            arguments
                .chain(input)
                .flat_map(|value| value.node.directives.clone()),
        );
    }
    deprecated.retain(|directive| directive.node.name.node == "deprecated");
    for directive in deprecated {
        let reason = argument(std::slice::from_ref(&directive), "deprecated", "reason");
        assert!(reason.is_some_and(|reason| !reason.is_empty()), "{directive:?}");
    }
}

/// The text that is given to a directive's argument.
fn argument(directives: &[Positioned<ConstDirective>], directive: &str, argument: &str) -> Option<String> {
    let found = directives
        .iter()
        .find(|found| found.node.name.node == directive)?;
    match &found.node.get_argument(argument)?.node {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

#[test]
fn the_authorization_table_has_each_field_once_and_no_other() {
    let mut of_schema = BTreeSet::new();
    for ty in types() {
        let fields = match &ty.kind {
            TypeKind::Object(object) => &object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            _ => continue,
        };
        of_schema.extend(
            fields
                .iter()
                .map(|field| format!("{}.{}", ty.name.node, field.node.name.node)),
        );
    }
    let table = requirements()
        .iter()
        .map(|row| format!("{}.{}", row.type_name, row.field));
    let of_table: BTreeSet<String> = table.clone().collect();
    assert_eq!(table.count(), of_table.len(), "a field is in the table twice");
    let missing: Vec<_> = of_schema.difference(&of_table).collect();
    let superfluous: Vec<_> = of_table.difference(&of_schema).collect();
    assert!(
        missing.is_empty() && superfluous.is_empty(),
        "missing: {missing:?}, superfluous: {superfluous:?}"
    );
}

#[test]
fn interfaces_have_the_fields_of_their_objects() {
    let all = types();
    let fields = |wanted: &str| {
        let ty = all.iter().find(|ty| ty.name.node == wanted).unwrap();
        match &ty.kind {
            TypeKind::Object(object) => object.fields.len(),
            TypeKind::Interface(interface) => interface.fields.len(),
            _ => 0,
        }
    };
    assert_eq!(fields("Tenant"), fields("Account"));
    assert_eq!(fields("Tenant"), fields("Subaccount"));
    assert_eq!(fields("Node"), 1);
}
