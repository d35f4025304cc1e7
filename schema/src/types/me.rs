//! `Me`.

use async_graphql::{Context, Object};
use canopy_domain::Result;

use super::access::Accesses;
use super::api_key::ApiKey;
use super::tenant::Tenant;
use super::user::User;
use crate::connection::{Connection, page};
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::session::Caller;

/// The caller, as the caller sees it.
pub(crate) struct Me<'c>(pub(crate) &'c Caller);

/// Who is asking.
#[Object]
impl Me<'_> {
    /// The person who signed in; null if the request was made with an API key.
    async fn user(&self) -> Option<Result<User>> {
        nullable(async { Ok(self.0.loaders.load(reads::CurrentUser, ()).await?.flatten()) }).await
    }

    /// The API key that the request was made with; null if a person signed in.
    async fn api_key(&self) -> Option<Result<ApiKey>> {
        let key = async { Ok(self.0.loaders.load(reads::OwnApiKey, ()).await?.flatten()) };
        nullable(key).await
    }

    /// The account that is acted on where none is named: that of the header X-Sub-Account-Id, or the first
    /// that access was granted to. Null for a person who belongs to no account.
    async fn acting_as(&self) -> Option<Result<Tenant>> {
        let id = self.0.actor().acting_as()?.clone();
        nullable(self.0.loaders.load(reads::Accounts, id)).await
    }

    /// The accounts that the caller may switch to: those that access was granted to directly.
    async fn accounts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Accesses>> {
        let page = page(ctx, first, after, last, before)?;
        let rows = self.0.loaders.load(reads::AccessibleAccounts(page), ()).await?;
        Ok(rows.unwrap_or_default().into())
    }
}
