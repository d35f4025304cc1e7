//! The GraphQL contract of Canopy: what can be asked, who may ask it, and how an answer is put together.
//!
//! Resolvers translate: each parses its arguments, calls one service of the domain and wraps the answer. This
//! crate must not know HTTP, SQL or how a rule is run, and it decides nothing that the domain decides.

mod authorization;
mod bounds;
mod connection;
mod cursor;
mod errors;
mod execute;
mod interface;
mod loaders;
mod mutations;
mod nullable;
mod query;
mod scalars;
mod session;
mod subscription;
mod types;

#[cfg(test)]
mod tests;

use async_graphql::{SDLExportOptions, Schema};
use canopy_domain::Domain;

pub use authorization::{FieldRequirement, Requirement, requirements};
pub use errors::whole_seconds;
pub use execute::{execute, execute_stream};
pub use mutations::Mutation;
pub use query::Query;
pub use scalars::Uploads;
pub use session::{ClientAddress, RequestId};
pub use subscription::Subscription;

/// The executable schema. Cheap to clone.
pub type CanopySchema = Schema<Query, Mutation, Subscription>;

/// The bounds of a document, and whether the schema may be asked about itself.
#[derive(Debug, Clone, Copy)]
pub struct SchemaSettings {
    /// The deepest nesting of fields.
    pub max_depth: usize,
    /// The most fields that a document may select, each counted where it is selected.
    pub max_complexity: usize,
    /// Whether introspection is answered. If not, errors suggest no names either.
    pub introspection: bool,
}

/// The most directives on one field.
const MAX_DIRECTIVES: usize = 8;

/// The schema that answers from `domain`.
pub fn build(domain: Domain, settings: SchemaSettings) -> CanopySchema {
    let builder = Schema::build(Query, Mutation::default(), Subscription)
        .data(domain)
        .data(settings)
        .limit_depth(settings.max_depth)
        .limit_complexity(settings.max_complexity)
        .limit_directives(MAX_DIRECTIVES);
    if settings.introspection {
        builder.finish()
    } else {
        builder.disable_introspection().disable_suggestions().finish()
    }
}

/// The schema as text, in an order that does not change; what `schema/schema.graphql` holds.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by()
        .use_space_ident();
    Schema::build(Query, Mutation::default(), Subscription)
        .finish()
        .sdl_with_options(options)
}
