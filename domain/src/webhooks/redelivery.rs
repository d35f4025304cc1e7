//! Messages that somebody asks for: one that was made before, again, and one that only tries an endpoint out.

use canopy_entity::time;
use canopy_entity::webhook_delivery::{self, DeliveryStatus};
use canopy_entity::{WebhookDeliveryId, WebhookEndpointId};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};
use serde_json::json;

use super::queue::message;
use crate::idempotency::{Claim, Replayable};
use crate::transaction::{self, work};
use crate::{AccountView, Actor, Domain, Error, Result, audit};

/// The type of a message that only tries an endpoint out.
const TEST: &str = "webhook.test";

impl Domain {
    /// Sends a message again, with the same id, whatever became of it. Needs `WEBHOOKS` FULL at the endpoint's account.
    pub async fn redeliver_webhook(
        &self,
        actor: &Actor,
        id: &WebhookDeliveryId,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<webhook_delivery::Model>> {
        let endpoint_id = by_id(&self.0.db, id).await?.endpoint_id;
        let account = &self
            .account_of_endpoint(actor, &endpoint_id)
            .await
            .map_err(|error| match error {
                Error::NotFound(_) => missing(),
                other => other,
            })?;
        let claim = &Claim::new(actor, "redeliverWebhook", idempotency_key, id)?;
        transaction::run(&self.0.writer, "redeliver-webhook", |txn| {
            work(async move {
                if let Some(row) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(row));
                }
                let now = time::now();
                let row = webhook_delivery::Model {
                    status: DeliveryStatus::Pending,
                    attempts: 0,
                    next_attempt_at: Some(now),
                    since: now,
                    ended_at: None,
                    ..by_id(txn, id).await?
                };
                webhook_delivery::Entity::update(row.clone().into_active_model().reset_all())
                    .exec(txn)
                    .await?;
                log(txn, actor, account, "webhook.redeliver", &row).await?;
                claim.store(txn, &row).await?;
                Ok(Replayable::fresh(row))
            })
        })
        .await
    }

    /// Sends a message that says nothing, whatever types the endpoint is told of. Needs `WEBHOOKS` FULL at its account.
    pub async fn test_webhook_endpoint(
        &self,
        actor: &Actor,
        id: &WebhookEndpointId,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<webhook_delivery::Model>> {
        let account = &self.account_of_endpoint(actor, id).await?;
        let claim = &Claim::new(actor, "testWebhookEndpoint", idempotency_key, id)?;
        transaction::run(&self.0.writer, "test-webhook", |txn| {
            work(async move {
                if let Some(row) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(row));
                }
                let now = time::now();
                let body = json!({"type": TEST, "timestamp": now, "data": {"endpointId": id}});
                let row = message(id, TEST, id.as_str(), &body, now);
                webhook_delivery::Entity::insert(row.clone().into_active_model())
                    .exec_without_returning(txn)
                    .await?;
                log(txn, actor, account, "webhook.test", &row).await?;
                claim.store(txn, &row).await?;
                Ok(Replayable::fresh(row))
            })
        })
        .await
    }
}

fn missing() -> Error {
    Error::NotFound("webhook delivery")
}

async fn by_id(db: &impl ConnectionTrait, id: &WebhookDeliveryId) -> Result<webhook_delivery::Model> {
    let row = webhook_delivery::Entity::find_by_id(id.clone()).one(db).await?;
    row.ok_or_else(missing)
}

async fn log(
    txn: &impl ConnectionTrait,
    actor: &Actor,
    account: &AccountView,
    action: &'static str,
    message: &webhook_delivery::Model,
) -> Result<()> {
    let entry = audit::Entry {
        account_id: account.id(),
        path: account.path(),
        action,
        target: message.id.as_str(),
        detail: json!({"endpoint": message.endpoint_id, "type": message.event_type}),
    };
    audit::write(txn, actor, entry).await
}
