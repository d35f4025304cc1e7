//! Holds documents against the schema without running them.

use std::sync::OnceLock;

use async_graphql::{Request, Schema};

use crate::documents::{VALID, ValidateOnly};
use crate::{Document, Introspection, Mutation, Query, Subscription};

/// A schema that validates and runs nothing; it needs no domain.
pub(crate) struct Validator {
    /// Made when it is needed first.
    schema: OnceLock<Schema<Query, Mutation, Subscription>>,
    introspection: Introspection,
}

impl Validator {
    /// A validator that suggests names to those who may ask about the schema.
    pub(crate) fn new(introspection: Introspection) -> Self {
        Self {
            schema: OnceLock::new(),
            introspection,
        }
    }

    /// What is wrong with a document, if anything is: a sentence for its author.
    pub(crate) async fn check(&self, document: &Document) -> Result<(), String> {
        let schema = self.schema.get_or_init(|| {
            let builder = Schema::build(Query, Mutation::default(), Subscription).extension(ValidateOnly);
            match self.introspection {
                Introspection::Anyone => builder.finish(),
                Introspection::SignedIn | Introspection::Nobody => builder.disable_suggestions().finish(),
            }
        });
        let mut request = Request::new(String::new());
        request.set_parsed_query(document.parsed().clone());
        let response = schema.execute(request).await;
        match response.errors.into_iter().next() {
            Some(error) if error.message != VALID => Err(error.message),
            _ => Ok(()),
        }
    }
}
