//! `ApiKey`.

use std::collections::HashMap;

use async_graphql::{Context, ID, Object, SimpleObject};
use canopy_domain::entity::{self, api_key};
use canopy_domain::{Error, Result};

use super::permission_key::PermissionKey;
use super::permission_level::PermissionLevel;
use super::tenant::Tenant;
use crate::connection::{Edge, List};
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::scalars::DateTime;
use crate::session::Session;

/// An API key.
pub(crate) struct ApiKey(api_key::Model);

impl From<api_key::Model> for ApiKey {
    fn from(row: api_key::Model) -> Self {
        Self(row)
    }
}

/// An API key. Its secret is shown when it is made and never again.
#[Object]
impl ApiKey {
    /// The id, with the prefix `key_`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The beginning of the secret, by which the key is known again.
    async fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// The account that the key acts for, with all below; null while X-Sub-Account-Id narrows the request to
    /// an account below it.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Tenant>> {
        let id = self.0.account_id.clone();
        nullable(async { Session::caller(ctx)?.loaders.load(reads::Accounts, id).await }).await
    }

    /// What the key may do in its account and below, as far as no account narrows it; what is not listed is NONE.
    async fn permissions(&self) -> Result<Vec<ApiKeyPermission>> {
        let levels: HashMap<entity::PermissionKey, entity::Level> =
            serde_json::from_value(self.0.levels.clone()).map_err(Error::internal)?;
        let mut levels: Vec<_> = levels.into_iter().collect();
        levels.sort_unstable_by_key(|(key, _)| *key);
        let levels = levels.into_iter().map(|(key, level)| ApiKeyPermission {
            key: key.into(),
            level: level.into(),
        });
        Ok(levels.collect())
    }

    /// The addresses and ranges that the key may be used from; from anywhere if there are none.
    async fn allowed_ips(&self) -> Result<Vec<String>> {
        serde_json::from_value(self.0.allowed_ips.clone()).map_err(Error::internal)
    }

    /// Whether the key may run nothing but the documents that are registered for it (`registerDocuments`).
    async fn persisted_only(&self) -> bool {
        self.0.persisted_only
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// From when on it is refused; null if it does not expire.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(DateTime)
    }

    /// The minute in which it was last used; null if never.
    async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used_at.map(DateTime)
    }

    /// When it was revoked; null if it was not.
    async fn revoked_at(&self) -> Option<DateTime> {
        self.0.revoked_at.map(DateTime)
    }
}

/// What an API key was given for one permission key.
#[derive(SimpleObject)]
struct ApiKeyPermission {
    /// What the permission is about.
    key: PermissionKey,
    /// How far it reaches.
    level: PermissionLevel,
}

/// The API keys of an account.
pub(crate) struct ApiKeys;

impl List for ApiKeys {
    const NAME: &'static str = "ApiKey";
    type Row = api_key::Model;
    type Node = ApiKey;
    type Edge = Edge<Self>;

    fn node(row: api_key::Model) -> ApiKey {
        row.into()
    }

    fn edge(cursor: String, row: api_key::Model) -> Edge<Self> {
        Edge::new(cursor, row)
    }
}
