//! Reading endpoints, their messages, and what became of those.

use std::collections::HashMap;

use canopy_entity::webhook_delivery::{self, DeliveryStatus};
use canopy_entity::{
    AccountId, Level, PermissionKey, WebhookDeliveryId, WebhookEndpointId, webhook_attempt, webhook_endpoint,
};
use sea_orm::sea_query::Condition;
use sea_orm::{ColumnTrait, FromQueryResult};

use crate::page::{List, Pages};
use crate::statement::{list, statement};
use crate::{AccountView, Actor, Domain, PageArgs, Result};

const ATTEMPTS: &str = "SELECT * FROM webhook_attempts WHERE delivery_id IN [$1] ORDER BY delivery_id, id";

impl Domain {
    /// A page of the endpoints of each account. An account without `WEBHOOKS` READ is missing from the answer.
    pub async fn webhook_endpoints(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
        page: &PageArgs,
    ) -> Result<Pages<AccountId, webhook_endpoint::Model>> {
        let accounts: Vec<AccountId> = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Webhooks, Level::Read))
            .map(|account| account.id().clone())
            .collect();
        let endpoints = List::<webhook_endpoint::Entity> {
            parent: webhook_endpoint::Column::AccountId,
            id: webhook_endpoint::Column::Id,
            condition: Condition::all(),
        };
        endpoints.pages(&self.0.db, &accounts, page).await
    }

    /// A page of the messages of each endpoint, which whoever holds the endpoint may see; only those of this status if one
    /// is given.
    pub async fn webhook_deliveries(
        &self,
        _actor: &Actor,
        endpoints: &[webhook_endpoint::Model],
        status: Option<DeliveryStatus>,
        page: &PageArgs,
    ) -> Result<Pages<WebhookEndpointId, webhook_delivery::Model>> {
        let endpoints: Vec<WebhookEndpointId> =
            endpoints.iter().map(|endpoint| endpoint.id.clone()).collect();
        let condition = status.map(|status| webhook_delivery::Column::Status.eq(status));
        let deliveries = List::<webhook_delivery::Entity> {
            parent: webhook_delivery::Column::EndpointId,
            id: webhook_delivery::Column::Id,
            condition: Condition::all().add_option(condition),
        };
        deliveries.pages(&self.0.db, &endpoints, page).await
    }

    /// The last tries of each message, which whoever holds the message may see, in their order.
    pub async fn webhook_attempts(
        &self,
        _actor: &Actor,
        deliveries: &[webhook_delivery::Model],
    ) -> Result<HashMap<WebhookDeliveryId, Vec<webhook_attempt::Model>>> {
        let db = &self.0.db;
        let mut of: HashMap<WebhookDeliveryId, Vec<webhook_attempt::Model>> = deliveries
            .iter()
            .map(|row| (row.id.clone(), Vec::new()))
            .collect();
        let read = statement(db.get_database_backend(), ATTEMPTS, [list(of.keys())]);
        for attempt in webhook_attempt::Model::find_by_statement(read).all(db).await? {
            if let Some(attempts) = of.get_mut(&attempt.delivery_id) {
                attempts.push(attempt);
            }
        }
        Ok(of)
    }
}
