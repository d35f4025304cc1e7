//! The schema as data: its types, their fields, and what leads where.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition,
};

/// The schema.
pub(crate) struct Sdl {
    types: BTreeMap<String, Kind>,
}

/// The interface of accounts, for each of its types; any other type is itself.
pub(crate) fn family(name: &str) -> &str {
    match name {
        "Account" | "Subaccount" => "Tenant",
        other => other,
    }
}

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
    /// Whether it takes how many rows are wanted.
    pages: bool,
}

impl Field {
    /// The field as a document asks for it, without what it selects.
    pub(crate) fn call(&self) -> String {
        self.call_with(None)
    }

    /// The same for the first few rows, where there are more.
    pub(crate) fn call_for_few(&self) -> String {
        self.call_with(self.pages.then_some("first: 2"))
    }

    fn call_with(&self, page: Option<&str>) -> String {
        let given = |argument: &String| format!("{argument}: {}", argument_value(&self.name, argument));
        let given = self.required.iter().map(given);
        let arguments: Vec<String> = given.chain(page.map(str::to_owned)).collect();
        match arguments.as_slice() {
            [] => self.name.clone(),
            given => format!("{}({})", self.name, given.join(" ")),
        }
    }
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
                let family = family(name);
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

    /// What an object of a type may really be: the objects of an interface, accounts of both types as `Tenant`; the type
    /// itself if it is none.
    pub(crate) fn objects<'s>(&'s self, name: &'s str) -> BTreeSet<&'s str> {
        let Some(Kind::Interface(_)) = self.types.get(name) else {
            return BTreeSet::from([name]);
        };
        let implements = |kind: &Kind| match kind {
            Kind::Object(interfaces, _) => interfaces.iter().any(|known| known == name),
            _ => false,
        };
        let objects = self.types.iter().filter(|(_, kind)| implements(kind));
        objects.map(|(object, _)| family(object)).collect()
    }

    /// True for what stands for a row of its own, and not for a part of another: it has an id.
    pub(crate) fn has_id(&self, name: &str) -> bool {
        let mut fields = self.fields(name).iter();
        fields.any(|field| field.name == "id" && field.base == "ID")
    }

    /// The objects that fields lead to, each with the fields that lead to it as `Type.field`; the first ones are given.
    pub(crate) fn reached<'f>(
        &self,
        first: impl IntoIterator<Item = (String, &'f str)>,
    ) -> BTreeMap<String, BTreeSet<String>> {
        let mut reached: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut open: Vec<(String, String)> = Vec::new();
        open.extend(first.into_iter().map(|(edge, base)| (edge, base.to_owned())));
        while let Some((edge, base)) = open.pop() {
            for object in self.objects(family(&base)) {
                let is_new = !reached.contains_key(object);
                reached.entry(object.to_owned()).or_default().insert(edge.clone());
                let fields = self.fields(object).iter().filter(|_| is_new);
                let onward = fields.filter(|field| !self.fields(&field.base).is_empty());
                open.extend(onward.map(|field| (format!("{object}.{}", field.name), field.base.clone())));
            }
        }
        reached
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
        pages: field
            .arguments
            .iter()
            .any(|argument| argument.node.name.node == "first"),
    }
}

fn base(ty: &Type) -> String {
    match &ty.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(inner) => base(inner),
    }
}
