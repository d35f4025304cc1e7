//! The schema as data: its types and fields, and documents made of all of them.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition,
};

/// The schema.
pub(crate) struct Sdl {
    types: BTreeMap<String, Kind>,
}

/// The interface of accounts, and its types.
const ACCOUNTS: [&str; 3] = ["Account", "Subaccount", "Tenant"];

enum Kind {
    /// An object with the interfaces that it implements.
    Object(Vec<String>, Vec<Field>),
    Interface(Vec<Field>),
    Input(Vec<(String, String)>),
    Leaf,
}

/// A field of an object or interface.
pub(crate) struct Field {
    pub(crate) name: String,
    /// The type without lists and nulls.
    pub(crate) base: String,
    pub(crate) described: bool,
    /// The arguments that must be given.
    required: Vec<String>,
}

impl Sdl {
    /// The schema of this build.
    pub(crate) fn read() -> Self {
        let document = parse_schema(canopy_schema::sdl()).expect("the SDL parses");
        let mut types = BTreeMap::new();
        for definition in document.definitions {
            let TypeSystemDefinition::Type(definition) = definition else {
                continue;
            };
            let kind = match definition.node.kind {
                TypeKind::Object(object) => {
                    let interfaces = object
                        .implements
                        .iter()
                        .map(|name| name.node.to_string())
                        .collect();
                    Kind::Object(
                        interfaces,
                        object
                            .fields
                            .iter()
                            .map(|field| read_field(&field.node))
                            .collect(),
                    )
                }
                TypeKind::Interface(interface) => Kind::Interface(
                    interface
                        .fields
                        .iter()
                        .map(|field| read_field(&field.node))
                        .collect(),
                ),
                TypeKind::InputObject(input) => Kind::Input(
                    input
                        .fields
                        .iter()
                        .map(|field| (field.node.name.node.to_string(), base(&field.node.ty.node)))
                        .collect(),
                ),
                _ => Kind::Leaf,
            };
            types.insert(definition.node.name.node.to_string(), kind);
        }
        Self { types }
    }

    /// The same without these fields, each as `Type.field`, where those of both types of accounts are `Tenant`'s.
    pub(crate) fn without(mut self, without: &BTreeSet<String>) -> Self {
        for (name, kind) in &mut self.types {
            if let Kind::Object(_, fields) | Kind::Interface(fields) = kind {
                let family = if ACCOUNTS.contains(&name.as_str()) {
                    "Tenant"
                } else {
                    name
                };
                fields.retain(|field| !without.contains(&format!("{family}.{}", field.name)));
            }
        }
        self
    }

    /// Each object and interface with its fields.
    pub(crate) fn composites(&self) -> impl Iterator<Item = (&str, &[Field])> {
        self.types.iter().filter_map(|(name, kind)| match kind {
            Kind::Object(_, fields) | Kind::Interface(fields) => Some((name.as_str(), fields.as_slice())),
            _ => None,
        })
    }

    /// The fields of an object or interface; none of a leaf.
    pub(crate) fn fields(&self, name: &str) -> &[Field] {
        match self.types.get(name) {
            Some(Kind::Object(_, fields) | Kind::Interface(fields)) => fields,
            _ => &[],
        }
    }

    /// The fields of an input object: name and type without lists and nulls.
    pub(crate) fn input_fields(&self, name: &str) -> &[(String, String)] {
        match self.types.get(name) {
            Some(Kind::Input(fields)) => fields,
            _ => &[],
        }
    }

    /// The objects that implement an interface.
    pub(crate) fn implementers(&self, interface: &str) -> Vec<&str> {
        let implements = |(name, kind): &(&String, &Kind)| {
            let _ = name;
            matches!(kind, Kind::Object(interfaces, _) if interfaces.iter().any(|known| known == interface))
        };
        self.types
            .iter()
            .filter(implements)
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Every field of a type and of all that it leads to, up to where a type comes a third time (an account within
    /// an account is told, one within that is not). Empty for a leaf.
    pub(crate) fn everything(&self, name: &str) -> String {
        self.selection(name, &mut Vec::new()).unwrap_or_default()
    }

    fn selection<'s>(&'s self, name: &'s str, above: &mut Vec<&'s str>) -> Option<String> {
        let family = if ACCOUNTS.contains(&name) { "Tenant" } else { name };
        let bound = if family == "Tenant" { 2 } else { 1 };
        if above.iter().filter(|known| **known == family).count() >= bound {
            return None;
        }
        let mut text = format!("{{ __typename{}", self.all_of(name, name, family, above));
        if let Some(Kind::Interface(_)) = self.types.get(name) {
            for object in self.implementers(name) {
                // What an object has beside the interface's fields.
                let family = if ACCOUNTS.contains(&object) {
                    "Tenant"
                } else {
                    object
                };
                let more = self.all_of(object, name, family, above);
                if !more.is_empty() {
                    text += &format!(" ... on {object} {{{more} }}");
                }
            }
        }
        Some(text + " }")
    }

    /// The fields of `name`, without those of the interface `covered` unless that is the type itself.
    fn all_of<'s>(
        &'s self,
        name: &'s str,
        covered: &str,
        family: &'s str,
        above: &mut Vec<&'s str>,
    ) -> String {
        let known = if name == covered {
            &[]
        } else {
            self.fields(covered)
        };
        above.push(family);
        let mut text = String::new();
        for field in self
            .fields(name)
            .iter()
            .filter(|field| known.iter().all(|other| other.name != field.name))
        {
            if let Some(inner) = self.field(field, above) {
                text += " ";
                text += &inner;
            }
        }
        above.pop();
        text
    }

    /// A field with its arguments and all below it; `None` where the walk ends.
    fn field<'s>(&'s self, field: &'s Field, above: &mut Vec<&'s str>) -> Option<String> {
        let arguments: Vec<String> = field
            .required
            .iter()
            .map(|argument| format!("{argument}: {}", argument_value(&field.name, argument)))
            .collect();
        let arguments = if arguments.is_empty() {
            String::new()
        } else {
            format!("({})", arguments.join(" "))
        };
        if self.fields(&field.base).is_empty() {
            return Some(format!("{}{arguments}", field.name));
        }
        // A key of an account leads back to that account, of which all is told already: the walk would be a third
        // longer.
        if above.last() == Some(&"ApiKey") && above.contains(&"Tenant") && field.base == "Tenant" {
            return Some(format!("{} {{ __typename id name }}", field.name));
        }
        let inner = self.selection(&field.base, above)?;
        Some(format!("{}{arguments} {inner}", field.name))
    }
}

/// A value for an argument that must be given; a new one has to be added here.
fn argument_value(field: &str, argument: &str) -> &'static str {
    match (field, argument) {
        ("permission", "key") => "BILLING",
        ("resource", "name") => "\"subaccounts\"",
        _ => panic!("say what {field}({argument}:) is to be asked with"),
    }
}

fn read_field(field: &FieldDefinition) -> Field {
    let required = |argument: &InputValueDefinition| {
        (!argument.ty.node.nullable && argument.default_value.is_none())
            .then(|| argument.name.node.to_string())
    };
    Field {
        name: field.name.node.to_string(),
        base: base(&field.ty.node),
        described: field
            .description
            .as_ref()
            .is_some_and(|text| !text.node.trim().is_empty()),
        required: field
            .arguments
            .iter()
            .filter_map(|argument| required(&argument.node))
            .collect(),
    }
}

fn base(ty: &Type) -> String {
    match &ty.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(inner) => base(inner),
    }
}
