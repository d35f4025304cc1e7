//! Writing messages, in the transaction that makes what they tell.

use canopy_entity::time::Timestamp;
use canopy_entity::webhook_delivery::{self, DeliveryStatus};
use canopy_entity::{AccountPath, WebhookDeliveryId, WebhookEndpointId, webhook_endpoint};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel};
use serde_json::json;

use super::EventType;
use crate::statement::{list, statement};
use crate::{Error, Result};

/// Those of the account itself, and those above it that hear of everything below.
const LISTENING: &str = "
SELECT * FROM webhook_endpoints WHERE account_id IN [$1] AND enabled AND (include_descendants OR account_id = $2) ORDER BY id
";

/// Something that happened at an account.
pub(crate) struct Event<'a> {
    pub(crate) kind: EventType,
    /// Where.
    pub(crate) path: &'a AccountPath,
    /// The id of what the event is about.
    pub(crate) subject: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) data: serde_json::Value,
}

/// Writes a message to each endpoint that is to be told.
pub(crate) async fn enqueue(txn: &impl ConnectionTrait, event: &Event<'_>) -> Result<()> {
    let own = event.path.at(event.path.depth());
    let own = own.ok_or_else(|| Error::internal("a path without an account"))?;
    let values = [list(event.path.ids()), own.as_str().into()];
    let listening = statement(txn.get_database_backend(), LISTENING, values);
    for endpoint in webhook_endpoint::Model::find_by_statement(listening)
        .all(txn)
        .await?
    {
        let kinds: Vec<EventType> =
            serde_json::from_value(endpoint.event_types.clone()).map_err(Error::internal)?;
        if kinds.contains(&event.kind) {
            let body = json!({"type": event.kind.as_str(), "timestamp": event.at, "data": event.data});
            let message = message(&endpoint.id, event.kind.as_str(), event.subject, &body, event.at);
            webhook_delivery::Entity::insert(message.into_active_model())
                .exec_without_returning(txn)
                .await?;
        }
    }
    Ok(())
}

/// A message that is to be sent at once.
pub(super) fn message(
    endpoint: &WebhookEndpointId,
    kind: &str,
    subject: &str,
    body: &serde_json::Value,
    at: Timestamp,
) -> webhook_delivery::Model {
    webhook_delivery::Model {
        id: WebhookDeliveryId::new(),
        endpoint_id: endpoint.clone(),
        event_type: kind.to_owned(),
        subject: subject.to_owned(),
        body: body.to_string(),
        status: DeliveryStatus::Pending,
        attempts: 0,
        next_attempt_at: Some(at),
        since: at,
        created_at: at,
        ended_at: None,
    }
}
