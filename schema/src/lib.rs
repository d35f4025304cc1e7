//! The GraphQL contract of Canopy: what can be asked, who may ask it, and how an answer is put together.
//!
//! Resolvers translate: each parses its arguments, calls one service of the domain and wraps the answer. This
//! crate must not know HTTP, SQL or how a rule is run, and it decides nothing that the domain decides.

mod authorization;
mod connection;
mod cost;
mod cursor;
mod documents;
mod errors;
mod execute;
mod explain;
mod idempotency;
mod interface;
mod live;
mod loaders;
mod mutations;
mod nullable;
mod planned;
mod query;
mod reply;
mod scalars;
mod session;
mod shape;
mod subscription;
mod types;
mod validator;

#[cfg(test)]
mod tests;

use async_graphql::{SDLExportOptions, Schema};
use canopy_domain::Domain;

pub use authorization::{FieldRequirement, Requirement, requirements};
pub use documents::{Bounds, Document, DocumentHash, Operation, has_more_values};
pub use errors::whole_seconds;
pub use execute::{Ask, CanopySchema, Prepared};
pub use explain::{Explained, Explainer};
pub use live::StreamAnswer;
pub use mutations::Mutation;
pub use planned::PlanDescription;
pub use query::Query;
pub use reply::{Data, Reply};
pub use scalars::Uploads;
pub use session::{ClientAddress, RequestId};
pub use subscription::Subscription;

/// What bounds a document, and whether the schema may be asked about itself.
#[derive(Debug, Clone, Copy)]
pub struct SchemaSettings {
    /// The bounds of each document.
    pub bounds: Bounds,
    /// Who may ask about the schema.
    pub introspection: Introspection,
    /// How many bytes of parsed documents are kept.
    pub kept_documents: usize,
    /// Whether queries that were valid before are answered by query plans.
    pub planned_reads: bool,
    /// How many bytes of query plans are kept.
    pub kept_plans: usize,
}

/// Who may ask the schema about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introspection {
    /// Whoever asks. Errors suggest names then.
    Anyone,
    /// Who presents a credential.
    SignedIn,
    /// Nobody.
    Nobody,
}

/// The schema that answers from `domain`.
pub fn build(domain: Domain, settings: SchemaSettings) -> CanopySchema {
    CanopySchema::new(domain, settings)
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
