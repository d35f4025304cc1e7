//! `ApiKey`.

use async_graphql::{Context, ID, Object};
use canopy_domain::Result;
use canopy_domain::entity::{AccountId, ApiKeyId};

use super::tenant::Tenant;
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::session::Session;

/// An API key.
pub(crate) struct ApiKey {
    id: ApiKeyId,
    account: Option<AccountId>,
}

impl ApiKey {
    /// The key with this id, of this account.
    pub(super) fn new(id: ApiKeyId, account: Option<AccountId>) -> Self {
        Self { id, account }
    }
}

/// An API key that a request was made with. Its secret is never shown.
#[Object]
impl ApiKey {
    /// The id, with the prefix `key_`.
    async fn id(&self) -> ID {
        ID(self.id.to_string())
    }

    /// The account that the key acts for, with all below; null while X-Sub-Account-Id narrows the request to
    /// an account below it.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Tenant>> {
        let id = self.account.clone()?;
        nullable(async { Session::caller(ctx)?.loaders.load(reads::Accounts, id).await }).await
    }
}
