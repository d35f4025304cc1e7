//! `WebhookDeliveryStatus`.

use async_graphql::Enum;
use canopy_domain::entity::webhook_delivery;

/// What became of a message to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "webhook_delivery::DeliveryStatus")]
pub(crate) enum WebhookDeliveryStatus {
    /// It is to be sent, or sent again.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// It was given up.
    Failed,
}
