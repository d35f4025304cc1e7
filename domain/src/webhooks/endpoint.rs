//! Making, changing and deleting endpoints, and their secrets. A secret is shown when it is made, and never again.

use std::time::Duration;

use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, Level, PermissionKey, WebhookEndpointId, webhook_endpoint};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
};
use serde_json::json;

use super::{EventType, secret};
use crate::idempotency::{Claim, Replayable};
use crate::statement::statement;
use crate::transaction::{self, work};
use crate::{AccountView, Actor, Domain, Error, Result, accounts, audit};

/// So many endpoints an account may have.
pub const MAX_ENDPOINTS: u64 = 20;
/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 500;
/// The longest that an old secret may be used beside the new one.
const MAX_OVERLAP: Duration = Duration::from_hours(7 * 24);

const ADD_SECRET: &str = "INSERT INTO webhook_secrets (endpoint_id, secret, created_at) VALUES ($1, $2, $3)";

/// Two secrets are valid at most: the present one and the one before.
const DROP_OLDER: &str = "DELETE FROM webhook_secrets WHERE endpoint_id = $1 AND expires_at IS NOT NULL";
const EXPIRE_PRESENT: &str =
    "UPDATE webhook_secrets SET expires_at = $2 WHERE endpoint_id = $1 AND expires_at IS NULL";

/// An endpoint to make.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct NewEndpoint {
    /// Whose.
    pub account_id: AccountId,
    /// Where messages are sent.
    pub url: String,
    /// What people say of it.
    pub description: String,
    /// Whether messages are made for it and sent.
    pub enabled: bool,
    /// Whether what happens at accounts below is sent, too.
    pub include_descendants: bool,
    /// What is sent.
    pub event_types: Vec<EventType>,
}

/// What to change of an endpoint; what is none stays.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct ChangeEndpoint {
    /// Which.
    pub id: WebhookEndpointId,
    /// Where messages are sent.
    pub url: Option<String>,
    /// What people say of it.
    pub description: Option<String>,
    /// Whether messages are made for it and sent.
    pub enabled: Option<bool>,
    /// Whether what happens at accounts below is sent, too.
    pub include_descendants: Option<bool>,
    /// What is sent.
    pub event_types: Option<Vec<EventType>>,
}

/// An endpoint, and its secret if it was made now.
#[derive(Clone)]
pub struct IssuedSecret {
    /// The endpoint.
    pub endpoint: webhook_endpoint::Model,
    /// `whsec_…`; only if it was made now.
    pub secret: Option<String>,
}

impl Domain {
    /// Makes an endpoint. Needs `WEBHOOKS` FULL, and `USAGE` FULL because it is sent usage. The answer to an idempotency
    /// key that was used before is without the secret.
    pub async fn create_webhook_endpoint(
        &self,
        actor: &Actor,
        new: NewEndpoint,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<IssuedSecret>> {
        let account = &self.account(actor, &new.account_id).await?;
        require(account)?;
        account.access().require(PermissionKey::Usage, Level::Full)?;
        let claim = &Claim::new(actor, "createWebhookEndpoint", idempotency_key, &new)?;
        account.require_active(&["accountId"])?;
        let row = &self.endpoint_of(actor, &new)?;
        let secret = &secret::fresh();
        transaction::run(&self.0.writer, "create-webhook-endpoint", |txn| {
            work(async move {
                if let Some(endpoint) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(IssuedSecret {
                        endpoint,
                        secret: None,
                    }));
                }
                accounts::lock(txn, account.id()).await?;
                require_room(txn, account).await?;
                webhook_endpoint::Entity::insert(row.clone().into_active_model())
                    .exec_without_returning(txn)
                    .await?;
                add_secret(txn, row, secret, row.created_at).await?;
                log(txn, actor, account, "webhook_endpoint.create", row).await?;
                claim.store(txn, row).await?;
                Ok(Replayable::fresh(IssuedSecret {
                    endpoint: row.clone(),
                    secret: Some(secret.clone()),
                }))
            })
        })
        .await
    }

    /// Changes an endpoint. Needs `WEBHOOKS` FULL and `USAGE` FULL at its account.
    pub async fn update_webhook_endpoint(
        &self,
        actor: &Actor,
        change: ChangeEndpoint,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<webhook_endpoint::Model>> {
        let account = &self.account_of_endpoint(actor, &change.id).await?;
        account.access().require(PermissionKey::Usage, Level::Full)?;
        let claim = &Claim::new(actor, "updateWebhookEndpoint", idempotency_key, &change)?;
        let change = &change;
        let domain = self;
        transaction::run(&self.0.writer, "update-webhook-endpoint", |txn| {
            work(async move {
                if let Some(row) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(row));
                }
                accounts::lock(txn, account.id()).await?;
                let row = domain.changed(by_id(txn, &change.id).await?, change)?;
                save(txn, &row).await?;
                log(txn, actor, account, "webhook_endpoint.update", &row).await?;
                claim.store(txn, &row).await?;
                Ok(Replayable::fresh(row))
            })
        })
        .await
    }

    /// Deletes an endpoint with all its messages, whether they were sent or not. Needs `WEBHOOKS` FULL at its account.
    /// Answers what it was.
    pub async fn delete_webhook_endpoint(
        &self,
        actor: &Actor,
        id: &WebhookEndpointId,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<webhook_endpoint::Model>> {
        let claim = &Claim::new(actor, "deleteWebhookEndpoint", idempotency_key, id)?;
        let account = self.account_of_endpoint(actor, id).await;
        // Behind the endpoint, which is missing if this was done before.
        if let Some(row) = claim.find(&self.0.db).await? {
            return Ok(Replayable::replayed(row));
        }
        let account = &account?;
        transaction::run(&self.0.writer, "delete-webhook-endpoint", |txn| {
            work(async move {
                // Before the claim: whoever waits here for the same deletion finds that it was done, and not that nothing is there.
                accounts::lock(txn, account.id()).await?;
                if let Some(row) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(row));
                }
                let row = by_id(txn, id).await?;
                webhook_endpoint::Entity::delete_by_id(id.clone())
                    .exec(txn)
                    .await?;
                log(txn, actor, account, "webhook_endpoint.delete", &row).await?;
                claim.store(txn, &row).await?;
                Ok(Replayable::fresh(row))
            })
        })
        .await
    }

    /// Gives an endpoint a new secret; the old one is used beside it for `overlap`, or for as long as is usual. Needs
    /// `WEBHOOKS` FULL at its account.
    pub async fn rotate_webhook_secret(
        &self,
        actor: &Actor,
        id: &WebhookEndpointId,
        overlap: Option<Duration>,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<IssuedSecret>> {
        let account = &self.account_of_endpoint(actor, id).await?;
        if overlap.is_some_and(|overlap| overlap > MAX_OVERLAP) {
            return Err(Error::bad_input(
                &["overlap"],
                "Two secrets overlap for at most 7d.",
            ));
        }
        let claim = &Claim::new(actor, "rotateWebhookSecret", idempotency_key, &(id, overlap))?;
        let overlap = overlap.unwrap_or(self.0.webhooks.secret_overlap);
        let secret = &secret::fresh();
        transaction::run(&self.0.writer, "rotate-webhook-secret", |txn| {
            work(async move {
                if let Some(endpoint) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(IssuedSecret {
                        endpoint,
                        secret: None,
                    }));
                }
                accounts::lock(txn, account.id()).await?;
                let mut row = by_id(txn, id).await?;
                let now = time::now();
                let until = now + overlap;
                let backend = txn.get_database_backend();
                let dropped = statement(backend, DROP_OLDER, [id.as_str().into()]);
                txn.execute_raw(dropped).await?;
                let expiring = statement(backend, EXPIRE_PRESENT, [id.as_str().into(), until.into()]);
                txn.execute_raw(expiring).await?;
                add_secret(txn, &row, secret, now).await?;
                row.previous_secret_until = (!overlap.is_zero()).then_some(until);
                row.updated_at = now;
                save(txn, &row).await?;
                log(txn, actor, account, "webhook_endpoint.rotate", &row).await?;
                claim.store(txn, &row).await?;
                Ok(Replayable::fresh(IssuedSecret {
                    endpoint: row,
                    secret: Some(secret.clone()),
                }))
            })
        })
        .await
    }

    /// The account of an endpoint that the actor may change.
    pub(super) async fn account_of_endpoint(
        &self,
        actor: &Actor,
        id: &WebhookEndpointId,
    ) -> Result<AccountView> {
        let endpoint = by_id(&self.0.db, id).await?;
        let account = self
            .account(actor, &endpoint.account_id)
            .await
            .map_err(|error| match error {
                Error::NotFound(_) => missing(),
                other => other,
            })?;
        require(&account)?;
        Ok(account)
    }

    fn endpoint_of(&self, actor: &Actor, new: &NewEndpoint) -> Result<webhook_endpoint::Model> {
        let now = time::now();
        Ok(webhook_endpoint::Model {
            id: WebhookEndpointId::new(),
            account_id: new.account_id.clone(),
            url: self.0.webhooks.reach.check(&new.url)?.to_string(),
            description: description(&new.description)?,
            enabled: new.enabled,
            include_descendants: new.include_descendants,
            event_types: event_types(&new.event_types)?,
            previous_secret_until: None,
            created_by: actor.label(),
            created_at: now,
            updated_at: now,
        })
    }

    fn changed(
        &self,
        mut row: webhook_endpoint::Model,
        change: &ChangeEndpoint,
    ) -> Result<webhook_endpoint::Model> {
        if let Some(url) = &change.url {
            row.url = self.0.webhooks.reach.check(url)?.to_string();
        }
        if let Some(text) = &change.description {
            row.description = description(text)?;
        }
        if let Some(kinds) = &change.event_types {
            row.event_types = event_types(kinds)?;
        }
        row.enabled = change.enabled.unwrap_or(row.enabled);
        row.include_descendants = change.include_descendants.unwrap_or(row.include_descendants);
        row.updated_at = time::now();
        Ok(row)
    }
}

pub(super) fn missing() -> Error {
    Error::NotFound("webhook endpoint")
}

fn require(account: &AccountView) -> Result<()> {
    account.access().require(PermissionKey::Webhooks, Level::Full)
}

async fn by_id(db: &impl ConnectionTrait, id: &WebhookEndpointId) -> Result<webhook_endpoint::Model> {
    let endpoint = webhook_endpoint::Entity::find_by_id(id.clone()).one(db).await?;
    endpoint.ok_or_else(missing)
}

async fn save(txn: &impl ConnectionTrait, row: &webhook_endpoint::Model) -> Result<()> {
    let row = row.clone().into_active_model().reset_all();
    webhook_endpoint::Entity::update(row).exec(txn).await?;
    Ok(())
}

async fn add_secret(
    txn: &impl ConnectionTrait,
    endpoint: &webhook_endpoint::Model,
    secret: &str,
    now: Timestamp,
) -> Result<()> {
    let values = [endpoint.id.as_str().into(), secret.into(), now.into()];
    txn.execute_raw(statement(txn.get_database_backend(), ADD_SECRET, values))
        .await?;
    Ok(())
}

/// `Error::LimitExceeded` if the account, which is locked, has as many endpoints as it may.
async fn require_room(txn: &impl ConnectionTrait, account: &AccountView) -> Result<()> {
    let used = webhook_endpoint::Entity::find()
        .filter(webhook_endpoint::Column::AccountId.eq(account.id().clone()))
        .count(txn)
        .await?;
    if used < MAX_ENDPOINTS {
        return Ok(());
    }
    Err(Error::LimitExceeded {
        resource: "webhookEndpoints".to_owned(),
        message: format!("An account has at most {MAX_ENDPOINTS} endpoints; delete one to make another."),
    })
}

fn description(text: &str) -> Result<String> {
    let text = text.trim();
    if text.chars().count() <= MAX_DESCRIPTION && !text.contains('\0') {
        return Ok(text.to_owned());
    }
    let message = format!("A description has at most {MAX_DESCRIPTION} characters.");
    Err(Error::bad_input(&["description"], message))
}

/// The types as they are kept: each once.
fn event_types(kinds: &[EventType]) -> Result<serde_json::Value> {
    let mut distinct: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    match distinct.is_empty() {
        true => Err(Error::bad_input(
            &["eventTypes"],
            "An endpoint is told of something.",
        )),
        false => Ok(json!(distinct)),
    }
}

async fn log(
    txn: &impl ConnectionTrait,
    actor: &Actor,
    account: &AccountView,
    action: &'static str,
    endpoint: &webhook_endpoint::Model,
) -> Result<()> {
    let entry = audit::Entry {
        account_id: account.id(),
        path: account.path(),
        action,
        target: endpoint.id.as_str(),
        detail: json!({
            "url": endpoint.url, "enabled": endpoint.enabled, "eventTypes": endpoint.event_types,
            "includeDescendants": endpoint.include_descendants,
        }),
    };
    audit::write(txn, actor, entry).await
}
