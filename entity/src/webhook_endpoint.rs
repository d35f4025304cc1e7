//! Where webhooks of an account go. Their secrets are in a table of their own, which is read by whoever signs.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, WebhookEndpointId, time::Timestamp};

/// An endpoint.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "webhook_endpoints")]
pub struct Model {
    /// The id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookEndpointId,
    /// Whose it is.
    pub account_id: AccountId,
    /// Where messages are sent.
    pub url: String,
    /// What people say of it.
    pub description: String,
    /// Whether messages are made for it and sent.
    pub enabled: bool,
    /// Whether what happens at accounts below is sent, too.
    pub include_descendants: bool,
    /// The types of events that are sent: a list.
    pub event_types: Json,
    /// Until when the secret before the present one is used as well; none if there is none.
    pub previous_secret_until: Option<Timestamp>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Rows are joined by hand in the statements that need it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
