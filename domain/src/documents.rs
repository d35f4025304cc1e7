//! Documents that are registered for an API key: stored for all processes, kept in memory for a while.
//!
//! It knows no GraphQL: a document is a text and its hash, and whoever hands it in has seen that it is good. Each change of
//! a key's documents counts up a number that an actor of the key has with it, and is a change of its rights, so that what
//! is kept in memory under an earlier number is not used again.

use std::collections::HashSet;
use std::sync::Arc;

use canopy_entity::{ApiKeyId, api_key, api_key_document, time};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    FromQueryResult, IntoActiveModel, QueryFilter, QuerySelect,
};
use serde::Serialize;
use serde_json::json;

use crate::events::{RightsChange, outbox};
use crate::idempotency::{Claim, Replayable};
use crate::statement::statement;
use crate::transaction::{self, work};
use crate::{Actor, Domain, Error, Principal, Result, audit};

/// The most documents of one key.
pub const MAX_DOCUMENTS: usize = 2_000;
/// The most bytes of all documents of one key.
const MAX_BYTES: i64 = 8 << 20;
/// How many bytes of documents a process keeps in memory.
const KEPT: u64 = 16 << 20;
/// What keeping a document takes beside its text; also what it takes to keep that there is none.
const LEAST: u64 = 256;
/// How many rows an INSERT has.
const ROWS: usize = 200;

/// A key, a version of its documents, and a hash.
type Place = (ApiKeyId, i32, String);

/// The documents that were asked for lately; none where there is none of that hash.
pub(crate) struct KnownTexts(Cache<Place, Option<Arc<str>>, Weight>);

#[derive(Clone)]
struct Weight;

impl Weighter<Place, Option<Arc<str>>> for Weight {
    fn weight(&self, _: &Place, text: &Option<Arc<str>>) -> u64 {
        LEAST + text.as_ref().map_or(0, |text| text.len() as u64)
    }
}

impl KnownTexts {
    pub(crate) fn new() -> Self {
        let usual = (KEPT / (4 << 10)) as usize;
        Self(Cache::with_weighter(usual, KEPT, Weight))
    }
}

/// A document to register.
#[derive(Debug, Clone, Serialize)]
pub struct NewDocument {
    /// SHA-256 of the text, in hex.
    pub hash: String,
    /// The text: of an executable document within the bounds of all documents.
    pub text: String,
}

/// Documents to register for a key.
#[derive(Debug, Clone, Serialize)]
pub struct RegisterDocuments {
    /// The key.
    pub key_id: ApiKeyId,
    /// Its further documents.
    pub documents: Vec<NewDocument>,
    /// Whether those that it had are dropped.
    pub replace: bool,
    /// Whether it may run nothing else from now on; as it was if none.
    pub persisted_only: Option<bool>,
}

impl Domain {
    /// Registers documents for an API key. Needs `API_KEYS` FULL in its account, and neither the key itself nor one that may
    /// run registered documents only may do it. All or none are registered.
    pub async fn register_documents(
        &self,
        actor: &Actor,
        input: RegisterDocuments,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<api_key::Model>> {
        let account = &self.account_of_key(actor, &input.key_id).await?;
        let is_own = matches!(actor.principal(), Principal::ApiKey(own) if *own == input.key_id);
        if is_own || actor.is_persisted_only() {
            let message = "An API key does not say what it may run itself.";
            return Err(Error::Forbidden(message.to_owned()));
        }
        let claim = &Claim::new(actor, "registerDocuments", idempotency_key, &input)?;
        let input = &input;
        let rights = &RightsChange::Of(input.key_id.to_string());
        let outcome = transaction::run(&self.0.writer, "register-documents", |txn| {
            work(async move {
                let key = api_key::Entity::find_by_id(input.key_id.clone())
                    .lock_exclusive()
                    .one(txn)
                    .await?;
                let key = key.ok_or(Error::NotFound("API key"))?;
                if claim.find::<ApiKeyId>(txn).await?.is_some() {
                    return Ok(Replayable::replayed(key));
                }
                if key.revoked_at.is_some() {
                    return Err(Error::conflict(&["apiKeyId"], "The API key is revoked."));
                }
                write(txn, input).await?;
                let key = change(txn, key, input).await?;
                let entry = audit::Entry {
                    account_id: account.id(),
                    path: account.path(),
                    action: "api_key.register_documents",
                    target: key.id.as_str(),
                    detail: json!({
                        "documents": input.documents.iter().map(|own| &own.hash).collect::<Vec<_>>(),
                        "replace": input.replace, "persistedOnly": key.persisted_only,
                    }),
                };
                audit::write(txn, actor, entry).await?;
                claim.store(txn, &key.id).await?;
                outbox::write_rights_change(txn, account.id(), account.path(), rights).await?;
                Ok(Replayable::fresh(key))
            })
        })
        .await?;
        self.0.hub.rights_changed(rights.clone());
        Ok(outcome)
    }

    /// The document with this hash that is registered for the API key of the actor.
    pub async fn registered_document(&self, actor: &Actor, hash: &str) -> Result<Option<Arc<str>>> {
        let Principal::ApiKey(key_id) = actor.principal() else {
            return Ok(None);
        };
        let version = actor.documents().version;
        if let Some(text) = self.text_of(key_id, version, hash).await? {
            return Ok(Some(text));
        }
        // The actor may be one that was remembered while another process registered the document.
        let key = api_key::Entity::find_by_id(key_id.clone())
            .one(&self.0.db)
            .await?;
        match key.map(|key| key.documents_version) {
            Some(latest) if latest != version => self.text_of(key_id, latest, hash).await,
            _ => Ok(None),
        }
    }

    async fn text_of(&self, key_id: &ApiKeyId, version: i32, hash: &str) -> Result<Option<Arc<str>>> {
        if version == 0 {
            return Ok(None);
        }
        let place = (key_id.clone(), version, hash.to_owned());
        if let Some(known) = self.0.documents.0.get(&place) {
            return Ok(known);
        }
        let row = api_key_document::Entity::find_by_id((key_id.clone(), hash.to_owned()))
            .one(&self.0.db)
            .await?;
        let text = row.map(|row| Arc::from(row.document));
        self.0.documents.0.insert(place, text.clone());
        Ok(text)
    }
}

async fn write(txn: &DatabaseTransaction, input: &RegisterDocuments) -> Result<()> {
    if input.replace {
        api_key_document::Entity::delete_many()
            .filter(api_key_document::Column::ApiKeyId.eq(input.key_id.clone()))
            .exec(txn)
            .await?;
    }
    let now = time::now();
    let mut seen = HashSet::new();
    let rows = input
        .documents
        .iter()
        .filter(|own| seen.insert(own.hash.as_str()))
        .map(|own| api_key_document::ActiveModel {
            api_key_id: Set(input.key_id.clone()),
            hash: Set(own.hash.clone()),
            document: Set(own.text.clone()),
            registered_at: Set(now),
        });
    let rows: Vec<_> = rows.collect();
    for chunk in rows.chunks(ROWS) {
        let known = [api_key_document::Column::ApiKeyId, api_key_document::Column::Hash];
        api_key_document::Entity::insert_many(chunk.iter().cloned())
            .on_conflict(OnConflict::columns(known).do_nothing().to_owned())
            .exec_without_returning(txn)
            .await?;
    }
    require_room(txn, &input.key_id).await
}

const SIZE: &str = "
SELECT COUNT(*) AS documents, CAST(COALESCE(SUM(LENGTH(document)), 0) AS bigint) AS bytes
FROM api_key_documents WHERE api_key_id = $1
";

#[derive(FromQueryResult)]
struct Size {
    documents: i64,
    bytes: i64,
}

async fn require_room(txn: &DatabaseTransaction, key_id: &ApiKeyId) -> Result<()> {
    let size = statement(txn.get_database_backend(), SIZE, [key_id.as_str().into()]);
    let size = Size::find_by_statement(size).one(txn).await?;
    let fits = size.is_none_or(|size| size.documents <= MAX_DOCUMENTS as i64 && size.bytes <= MAX_BYTES);
    if fits {
        return Ok(());
    }
    Err(Error::bad_input(
        &["documents"],
        format!(
            "An API key has at most {MAX_DOCUMENTS} documents, and {} MiB of them.",
            MAX_BYTES >> 20
        ),
    ))
}

async fn change(
    txn: &DatabaseTransaction,
    key: api_key::Model,
    input: &RegisterDocuments,
) -> Result<api_key::Model> {
    let version = key.documents_version + 1;
    let persisted_only = input.persisted_only.unwrap_or(key.persisted_only);
    let mut row = key.into_active_model();
    row.documents_version = Set(version);
    row.persisted_only = Set(persisted_only);
    Ok(row.update(txn).await?)
}
