//! The schema's own shape, read from its SDL: what each field gives, how many of it, and what each input is made of.
//!
//! It knows names alone. What a field costs is in [`crate::cost`], what a variable may be in [`crate::documents`].

use std::collections::{HashMap, HashSet};

use async_graphql::Value;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, OperationType, Type, TypeDefinition, TypeKind,
    TypeSystemDefinition,
};

/// All types of a schema.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Of objects and interfaces.
    fields: HashMap<String, HashMap<String, Field>>,
    inputs: HashMap<String, Input>,
    enums: HashMap<String, HashSet<String>>,
}

/// A field of an object or an interface.
#[derive(Debug)]
pub(crate) struct Field {
    /// The name of the type that it gives, or gives a list of.
    pub(crate) gives: String,
    pub(crate) count: Count,
    /// Whether there is anything to select from it.
    pub(crate) is_composite: bool,
}

/// How many objects a field gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// One.
    One,
    /// One connection, whose `nodes` and `edges` are as many as `first` or `last` say, or so many.
    Page(u32),
    /// The rows of the connection around it.
    OfPage,
    /// As many as `first` or `last` say, or so many.
    Slice(u32),
    /// As many as the list `ids` names.
    Ids,
    /// A list of no stated length.
    Some,
}

/// An input object.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) fields: Vec<InputField>,
    /// Exactly one field must be given.
    pub(crate) one_of: bool,
}

#[derive(Debug)]
pub(crate) struct InputField {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) has_default: bool,
}

/// The page of a connection where neither `first` nor `last` is given.
const DEFAULT_PAGE: u32 = canopy_domain::page::DEFAULT_PAGE;

impl Shape {
    /// The shape of the schema with this SDL, introspection included.
    pub(crate) fn of(sdl: &str) -> Self {
        let mut shape = Self {
            fields: HashMap::new(),
            inputs: HashMap::new(),
            enums: HashMap::new(),
        };
        let document = parse_schema(sdl).expect("the SDL that async-graphql writes can be read");
        let types: Vec<TypeDefinition> = document.definitions.into_iter().filter_map(named).collect();
        let introspection = parse_schema(INTROSPECTION).expect("the text below is SDL");
        let types: Vec<TypeDefinition> = types
            .into_iter()
            .chain(introspection.definitions.into_iter().filter_map(named))
            .collect();
        let composites: HashSet<&str> = types.iter().filter(|ty| is_composite(ty)).map(name).collect();
        for ty in &types {
            shape.add(ty, &composites);
        }
        shape.add_meta_fields();
        shape
    }

    fn add(&mut self, ty: &TypeDefinition, composites: &HashSet<&str>) {
        let name = name(ty).to_owned();
        let fields = match &ty.kind {
            TypeKind::Object(object) => &object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            TypeKind::InputObject(input) => {
                let one_of = ty.directives.iter().any(|own| own.node.name.node == "oneOf");
                let fields = input
                    .fields
                    .iter()
                    .map(|field| input_field(&field.node))
                    .collect();
                self.inputs.insert(name, Input { fields, one_of });
                return;
            }
            TypeKind::Enum(own) => {
                let values = own.values.iter().map(|value| value.node.value.node.to_string());
                self.enums.insert(name, values.collect());
                return;
            }
            TypeKind::Scalar | TypeKind::Union(_) => return,
        };
        let of_page = name.ends_with("Connection");
        let fields = fields.iter().map(|own| {
            (
                own.node.name.node.to_string(),
                field(&own.node, of_page, composites),
            )
        });
        self.fields.insert(name, fields.collect());
    }

    /// What every query may select of the schema itself.
    fn add_meta_fields(&mut self) {
        let query = self
            .fields
            .entry(root(OperationType::Query).to_owned())
            .or_default();
        for (name, gives) in [("__schema", "__Schema"), ("__type", "__Type")] {
            let field = Field {
                gives: gives.to_owned(),
                count: Count::One,
                is_composite: true,
            };
            query.insert(name.to_owned(), field);
        }
    }

    pub(crate) fn field(&self, type_name: &str, field: &str) -> Option<&Field> {
        self.fields.get(type_name)?.get(field)
    }

    pub(crate) fn input(&self, name: &str) -> Option<&Input> {
        self.inputs.get(name)
    }

    pub(crate) fn enum_values(&self, name: &str) -> Option<&HashSet<String>> {
        self.enums.get(name)
    }

    /// Each field that gives objects, as type, name and field.
    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str, &Field)> {
        self.fields.iter().flat_map(|(ty, fields)| {
            let fields = fields.iter();
            fields.map(move |(name, field)| (ty.as_str(), name.as_str(), field))
        })
    }
}

/// The name of the type that an operation selects from.
pub(crate) fn root(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

fn named(definition: TypeSystemDefinition) -> Option<TypeDefinition> {
    match definition {
        TypeSystemDefinition::Type(ty) => Some(ty.node),
        _ => None,
    }
}

fn name(ty: &TypeDefinition) -> &str {
    ty.name.node.as_str()
}

fn is_composite(ty: &TypeDefinition) -> bool {
    matches!(
        ty.kind,
        TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_)
    )
}

fn field(own: &FieldDefinition, of_page: bool, composites: &HashSet<&str>) -> Field {
    let (gives, is_list) = innermost(&own.ty.node);
    let argument = |name: &str| own.arguments.iter().find(|own| own.node.name.node == name);
    let slice = argument("first").map(|first| match &first.node.default_value {
        Some(default) => as_count(&default.node).unwrap_or(DEFAULT_PAGE),
        None => DEFAULT_PAGE,
    });
    let count = match (is_list, slice) {
        (false, None) => Count::One,
        (false, Some(page)) => Count::Page(page),
        (true, Some(slice)) => Count::Slice(slice),
        (true, None) if of_page => Count::OfPage,
        (true, None) if argument("ids").is_some() => Count::Ids,
        (true, None) => Count::Some,
    };
    Field {
        gives: gives.to_owned(),
        count,
        is_composite: composites.contains(gives),
    }
}

fn input_field(own: &InputValueDefinition) -> InputField {
    InputField {
        name: own.name.node.to_string(),
        ty: own.ty.node.clone(),
        has_default: own.default_value.is_some(),
    }
}

/// The named type at the core of `ty`, and whether there is a list around it.
fn innermost(ty: &Type) -> (&str, bool) {
    match &ty.base {
        BaseType::Named(name) => (name.as_str(), false),
        BaseType::List(element) => (innermost(element).0, true),
    }
}

/// A number of rows as an argument gives it.
fn as_count(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => u32::try_from(number.as_u64()?).ok(),
        _ => None,
    }
}

/// The lists and objects of introspection, which async-graphql's SDL leaves out.
/// Source: <https://spec.graphql.org/September2025/#sec-Schema-Introspection.Schema-Introspection-Schema>
const INTROSPECTION: &str = "
type __Schema {
  types: [__Type!]! queryType: __Type! mutationType: __Type subscriptionType: __Type directives: [__Directive!]!
}
type __Type {
  fields: [__Field!] interfaces: [__Type!] possibleTypes: [__Type!] enumValues: [__EnumValue!]
  inputFields: [__InputValue!] ofType: __Type
}
type __Field { args: [__InputValue!]! type: __Type! }
type __InputValue { type: __Type! }
type __EnumValue { name: String! }
type __Directive { args: [__InputValue!]! }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_field_gives_and_how_many_is_read_from_the_sdl() {
        let shape = Shape::of(&crate::sdl());
        let count = |ty, name| shape.field(ty, name).map(|field| field.count);
        assert_eq!(count("Tenant", "subaccounts"), Some(Count::Page(25)));
        assert_eq!(count("TenantConnection", "nodes"), Some(Count::OfPage));
        assert_eq!(count("RuleVersion", "runs"), Some(Count::Slice(20)));
        assert_eq!(count("Query", "nodes"), Some(Count::Ids));
        assert_eq!(count("Usage", "totals"), Some(Count::Some));
        assert_eq!(count("Account", "name"), Some(Count::One));
        assert_eq!(count("__Schema", "types"), Some(Count::Some));
        assert_eq!(count("Account", "unknown"), None);
        assert!(
            shape
                .field("Account", "plan")
                .is_some_and(|plan| plan.is_composite)
        );
        assert!(shape.input("RuleSourceInput").is_some_and(|input| input.one_of));
        assert!(
            shape
                .enum_values("Granularity")
                .is_some_and(|values| values.contains("DAY"))
        );
    }
}
