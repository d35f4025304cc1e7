//! Tells how the operations of a document are answered, without anybody who asks and without a database.

use async_graphql::Variables;
use async_graphql::parser::types::{DocumentOperations, OperationType};
use serde_json::{Map, Value};

use crate::documents::Documents;
use crate::planned::{PlanDescription, describe};
use crate::validator::Validator;
use crate::{Document, Introspection, SchemaSettings};

/// Explains documents within the bounds of a process with the same settings.
pub struct Explainer {
    documents: Documents,
    validator: Validator,
    planned_reads: bool,
}

/// How an operation is answered.
#[derive(Debug)]
pub struct Explained {
    /// Its name in the document, when it has one.
    pub name: Option<String>,
    /// `query`, `mutation` or `subscription`.
    pub kind: &'static str,
    /// The query plan that answers it, or why resolvers do.
    pub plan: Result<PlanDescription, String>,
}

impl Explainer {
    /// An explainer for a process with these settings. Errors suggest names: who has the program has the schema.
    pub fn new(settings: &SchemaSettings) -> Self {
        Self {
            documents: Documents::new(&crate::sdl(), settings.bounds, settings.kept_documents),
            validator: Validator::new(Introspection::Anyone),
            planned_reads: settings.planned_reads,
        }
    }

    /// How each operation of the document is answered, or the one that is named. What directives decide, they decide by
    /// `variables` and their defaults; without any the variables that are required may be left out. An error is a
    /// sentence about the document or the variables.
    pub async fn explain(
        &self,
        text: String,
        operation: Option<&str>,
        variables: &Map<String, Value>,
    ) -> Result<Vec<Explained>, String> {
        let document = self.documents.read(text).map_err(|error| error.message)?;
        self.validator.check(&document).await?;
        let names = match operation {
            Some(_) => vec![operation],
            None => names(&document),
        };
        let explained = names.into_iter().map(|name| self.one(&document, name, variables));
        explained.collect()
    }

    fn one(
        &self,
        document: &Document,
        name: Option<&str>,
        variables: &Map<String, Value>,
    ) -> Result<Explained, String> {
        let operation = document.operation(name).map_err(|error| error.message)?;
        let mut values = Variables::from_json(Value::Object(variables.clone()));
        let held = self.documents.hold(document, name, &mut values);
        if let (Err(error), false) = (held, variables.is_empty()) {
            return Err(error.message);
        }
        let plan = match self.planned_reads {
            true => describe(&self.documents, document, name, &values),
            false => Err("graphql.planned_reads is false".to_owned()),
        };
        Ok(Explained {
            name: operation.name,
            kind: match operation.kind {
                OperationType::Query => "query",
                OperationType::Mutation => "mutation",
                OperationType::Subscription => "subscription",
            },
            plan,
        })
    }
}

/// The names of the operations, in the order of the alphabet.
fn names(document: &Document) -> Vec<Option<&str>> {
    match &document.parsed().operations {
        DocumentOperations::Single(_) => vec![None],
        DocumentOperations::Multiple(all) => {
            let mut names: Vec<_> = all.keys().map(|name| Some(name.as_str())).collect();
            names.sort_unstable();
            names
        }
    }
}
