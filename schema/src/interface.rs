//! Interfaces that take their fields from an object, so that each field is declared and documented once.
//!
//! async-graphql's own derive wants the fields of an interface spelled out again and calls them by method.
//! Here the object behind the interface resolves its selection itself.

use async_graphql::indexmap::IndexMap;
use async_graphql::registry::{MetaField, MetaType, Registry};

/// Declares an enum of objects as an interface. `$fields` answers the interface's fields when its objects are
/// registered.
macro_rules! interface {
    (
        $(#[doc = $doc:literal])+
        $name:ident { $($object:ident),+ $(,)? }
        fields: $fields:expr
    ) => {
        $(#[doc = $doc])+
        pub(crate) enum $name {
            $(
                #[doc = concat!("An object of the type ", stringify!($object), ".")]
                $object($object),
            )+
        }

        $(
            impl From<$object> for $name {
                fn from(object: $object) -> Self {
                    Self::$object(object)
                }
            }
        )+

        impl async_graphql::OutputType for $name {
            fn type_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn introspection_type_name(&self) -> std::borrow::Cow<'static, str> {
                match self {
                    $(Self::$object(object) => object.introspection_type_name(),)+
                }
            }

            fn create_type_info(registry: &mut async_graphql::registry::Registry) -> String {
                use async_graphql::registry::{MetaType, MetaTypeId};

                registry.create_output_type::<Self, _>(MetaTypeId::Interface, |registry| {
                    let fields = $fields(registry);
                    $(
                        <$object as async_graphql::OutputType>::create_type_info(registry);
                        registry.add_implements(stringify!($object), stringify!($name));
                    )+
                    MetaType::Interface {
                        name: stringify!($name).to_owned(),
                        description: Some(concat!($($doc, "\n"),+).trim().replace("\n ", "\n")),
                        fields,
                        possible_types: [$(stringify!($object).to_owned()),+].into_iter().collect(),
                        extends: false,
                        keys: None,
                        visible: None,
                        inaccessible: false,
                        tags: Vec::new(),
                        rust_typename: Some(std::any::type_name::<Self>()),
                        directive_invocations: Vec::new(),
                        requires_scopes: Vec::new(),
                    }
                })
            }

            async fn resolve(
                &self,
                ctx: &async_graphql::ContextSelectionSet<'_>,
                field: &async_graphql::Positioned<async_graphql::parser::types::Field>,
            ) -> async_graphql::ServerResult<async_graphql::Value> {
                match self {
                    $(Self::$object(object) => object.resolve(ctx, field).await,)+
                }
            }
        }
    };
}

pub(crate) use interface;

/// The fields of the object type `name`, which is registered as a whole.
pub(crate) fn fields_of(registry: &Registry, name: &str) -> IndexMap<String, MetaField> {
    match registry.types.get(name) {
        Some(MetaType::Object { fields, .. }) if !fields.is_empty() => fields.clone(),
        _ => unreachable!("the interface is registered before its object {name} is"),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};

    use super::*;

    pub(crate) struct Cat;

    pub(crate) struct Dog;

    #[Object]
    impl Cat {
        async fn name(&self) -> &str {
            "Tom"
        }
    }

    #[Object]
    impl Dog {
        async fn name(&self) -> &str {
            "Rex"
        }

        async fn barks(&self) -> bool {
            true
        }
    }

    interface! {
        /// A pet,
        /// of any kind.
        Pet { Cat, Dog }
        fields: |registry: &mut Registry| {
            Cat::create_type_info(registry);
            fields_of(registry, "Cat")
        }
    }

    struct Query;

    #[Object]
    impl Query {
        async fn pets(&self) -> Vec<Pet> {
            vec![Cat.into(), Dog.into()]
        }
    }

    #[tokio::test]
    async fn fields_and_fragments_of_an_interface_are_resolved_by_its_objects() {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let document = "{ pets { __typename ... on Pet { name } ... on Dog { barks } ...Names } }
            fragment Names on Pet { n: name }";
        let data = schema.execute(document).await.into_result().unwrap().data;
        assert_eq!(
            data.into_json().unwrap(),
            serde_json::json!({ "pets": [
                { "__typename": "Cat", "name": "Tom", "n": "Tom" },
                { "__typename": "Dog", "name": "Rex", "barks": true, "n": "Rex" },
            ] })
        );
        assert!(schema.sdl().contains("A pet,\nof any kind."));
    }
}
