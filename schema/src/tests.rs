//! The schema as a whole: its text is the committed one, each part of it is described, and each field is in
//! the table.

use std::collections::BTreeSet;
use std::path::Path;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeDefinition, TypeKind, TypeSystemDefinition};

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

type Fields = [async_graphql::Positioned<async_graphql::parser::types::FieldDefinition>];

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
