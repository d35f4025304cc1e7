//! `WebhookEndpoint`.

use async_graphql::{Context, ID, Object};
use canopy_domain::entity::webhook_endpoint;
use canopy_domain::{Error, Result, webhooks};

use super::webhook_delivery::WebhookDeliveries;
use super::webhook_delivery_status::WebhookDeliveryStatus;
use super::webhook_event_type::WebhookEventType;
use crate::connection::{Connection, Edge, List, page};
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::scalars::DateTime;
use crate::session::Session;

/// Where webhooks of an account go.
pub(crate) struct WebhookEndpoint(webhook_endpoint::Model);

impl From<webhook_endpoint::Model> for WebhookEndpoint {
    fn from(row: webhook_endpoint::Model) -> Self {
        Self(row)
    }
}

/// Where webhooks of an account go: a URL that is sent what happens, signed as Standard Webhooks has it. Its secret is
/// shown when it is made and never again.
#[Object]
impl WebhookEndpoint {
    /// The id, with the prefix `whe_`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Id of the account.
    async fn account_id(&self) -> ID {
        ID(self.0.account_id.to_string())
    }

    /// Where messages are sent.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// What people say of it.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// Whether messages are made for it and sent. Those that were made before wait while it is not.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// Whether what happens at all accounts below is sent too.
    async fn include_descendants(&self) -> bool {
        self.0.include_descendants
    }

    /// What is sent.
    async fn event_types(&self) -> Result<Vec<WebhookEventType>> {
        let kinds: Vec<webhooks::EventType> =
            serde_json::from_value(self.0.event_types.clone()).map_err(Error::internal)?;
        Ok(kinds.into_iter().map(Into::into).collect())
    }

    /// Until when the secret before the present one signs beside it; null if there was none.
    async fn previous_secret_until(&self) -> Option<DateTime> {
        self.0.previous_secret_until.map(DateTime)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }

    /// Its messages, in the order in which they were made; those that ended are kept for 30 days.
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those of which this became. All if not given.")] status: Option<
            WebhookDeliveryStatus,
        >,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<WebhookDeliveries>>> {
        let rows = async {
            let caller = Session::caller(ctx)?;
            let page = page(ctx, first, after, last, before)?;
            let read = reads::WebhookDeliveries((status.map(Into::into), page));
            caller.loaders.load(read, self.0.clone()).await
        };
        nullable(rows).await
    }
}

/// The endpoints of an account.
pub(crate) struct WebhookEndpoints;

impl List for WebhookEndpoints {
    const NAME: &'static str = "WebhookEndpoint";
    type Row = webhook_endpoint::Model;
    type Node = WebhookEndpoint;
    type Edge = Edge<Self>;

    fn node(row: webhook_endpoint::Model) -> WebhookEndpoint {
        row.into()
    }

    fn edge(cursor: String, row: webhook_endpoint::Model) -> Edge<Self> {
        Edge::new(cursor, row)
    }
}
