//! `registerDocuments`.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use canopy_domain::documents::{NewDocument, RegisterDocuments};
use canopy_domain::idempotency::Replayable;
use canopy_domain::{Error, Result, entity::api_key};

use super::parse_id;
use crate::CanopySchema;
use crate::authorization::gates;
use crate::errors::refuse;
use crate::types::api_key::ApiKey;
use crate::types::user_error::UserError;

/// The most documents of one mutation.
const MAX_AT_ONCE: usize = 200;
/// The most bytes of all of them: each is validated at once.
const MAX_BYTES: usize = 512 << 10;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct DocumentMutations;

#[Object]
impl DocumentMutations {
    /// Registers documents for an API key, which may then name them by `documentId`, and says whether it may run
    /// nothing else. Needs API_KEYS FULL in the key's account; a key registers none for itself. All or none are
    /// registered.
    async fn register_documents(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which documents, and for which key.")] input: RegisterDocumentsInput,
    ) -> Option<Result<RegisterDocumentsPayload>> {
        let payload = async {
            let caller = gates::REGISTER_DOCUMENTS.caller(ctx)?;
            let key_id = parse_id(&input.api_key_id, "API key")?;
            let registered = async {
                let documents = checked(ctx, input.documents).await?;
                let ids = documents.iter().map(|own| format!("sha256:{}", own.hash));
                let ids: Vec<String> = ids.collect();
                let registration = RegisterDocuments {
                    key_id,
                    documents,
                    replace: input.replace,
                    persisted_only: input.persisted_only,
                };
                let key = input.idempotency_key.as_deref();
                let outcome = caller
                    .domain()
                    .register_documents(caller.actor(), registration, key)
                    .await?;
                Ok::<(Replayable<api_key::Model>, Vec<String>), Error>((outcome, ids))
            };
            let (registered, user_errors) = refuse(registered.await)?;
            let (outcome, document_ids) = registered.unzip();
            Ok(RegisterDocumentsPayload {
                replayed: outcome.as_ref().is_some_and(|outcome| outcome.replayed),
                api_key: outcome.map(|outcome| outcome.value.into()),
                document_ids,
                user_errors,
            })
        };
        Some(payload.await)
    }
}

/// The documents, each held against the bounds and the schema.
async fn checked(ctx: &Context<'_>, texts: Vec<String>) -> Result<Vec<NewDocument>> {
    let bytes: usize = texts.iter().map(String::len).sum();
    if texts.len() > MAX_AT_ONCE || bytes > MAX_BYTES {
        let message = format!(
            "At most {MAX_AT_ONCE} documents and {} KiB at once.",
            MAX_BYTES >> 10
        );
        return Err(Error::bad_input(&["documents"], message));
    }
    let schema = ctx
        .data::<CanopySchema>()
        .map_err(|_| Error::internal("the request has no schema"))?;
    let mut documents = Vec::with_capacity(texts.len());
    for (index, text) in texts.into_iter().enumerate() {
        let place = index.to_string();
        let hash = schema
            .validate(&text)
            .await
            .map_err(|message| Error::bad_input(&["documents", &place], message))?;
        documents.push(NewDocument {
            hash: hash.to_string(),
            text,
        });
        // Others have their turn between two of them.
        tokio::task::yield_now().await;
    }
    Ok(documents)
}

/// Documents to register.
#[derive(InputObject)]
struct RegisterDocumentsInput {
    /// Id of the key. NOT_FOUND if its account is out of scope.
    api_key_id: ID,
    /// The texts, at most 200 and 512 KiB at once; a key has at most 2,000, and 8 MiB. Each must be valid here and
    /// within the bounds of documents, else BAD_USER_INPUT at its place. Those that the key has already stay.
    documents: Vec<String>,
    /// Whether the documents that the key had are dropped.
    #[graphql(default)]
    replace: bool,
    /// Whether the key may run nothing but its registered documents from now on; as it was if not given.
    persisted_only: Option<bool>,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// What registering documents came to.
#[derive(SimpleObject)]
struct RegisterDocumentsPayload {
    /// The key as it is now; null if refused.
    api_key: Option<ApiKey>,
    /// What to send as `documentId`, for each document in the order in which it was given; null if refused.
    document_ids: Option<Vec<String>>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}
