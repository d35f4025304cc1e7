//! What is around each account: the fields of `Tenant` that lead to other accounts and to people.

use async_graphql::{Context, Object};
use canopy_domain::{AccountView, Result};

use super::api_key::ApiKeys;
use super::member::Members;
use super::tenant::{Tenant, Tenants};
use crate::authorization::gates;
use crate::connection::{Connection, page};
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::session::Session;

/// A part of `Account` and `Subaccount`.
pub(super) struct TenantTree(pub(super) AccountView);

#[Object]
impl TenantTree {
    /// The account directly above; null for a root, and if that account is out of the caller's scope.
    async fn parent(&self, ctx: &Context<'_>) -> Option<Result<Tenant>> {
        let id = self.0.row().parent_id.clone()?;
        nullable(async { Session::caller(ctx)?.loaders.load(reads::Accounts, id).await }).await
    }

    /// The accounts above, from the topmost down, as far as they are in the caller's scope.
    async fn ancestors(&self, ctx: &Context<'_>) -> Result<Vec<Tenant>> {
        let loaders = &Session::caller(ctx)?.loaders;
        let ancestors = loaders.load(reads::Ancestors, self.0.clone()).await?;
        Ok(ancestors
            .unwrap_or_default()
            .into_iter()
            .map(Tenant::from)
            .collect())
    }

    /// The accounts directly below, in the order in which they were made; closed ones are left out. Below a
    /// platform these are main accounts. Null, with a FORBIDDEN error, without SUBACCOUNTS READ.
    async fn subaccounts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<Tenants>>> {
        let rows = async {
            let caller = gates::SUBACCOUNTS.open(ctx, &self.0)?;
            let page = page(ctx, first, after, last, before)?;
            caller
                .loaders
                .load(reads::Subaccounts(page), self.0.clone())
                .await
        };
        nullable(rows).await
    }

    /// The people who belong to the account, in the order in which they joined. Null, with a FORBIDDEN error,
    /// without MEMBERS READ.
    async fn members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<Members>>> {
        let rows = async {
            let caller = gates::MEMBERS.open(ctx, &self.0)?;
            let page = page(ctx, first, after, last, before)?;
            caller.loaders.load(reads::Members(page), self.0.clone()).await
        };
        nullable(rows).await
    }

    /// The account's API keys, in the order in which they were made, revoked ones included. Null, with a
    /// FORBIDDEN error, without API_KEYS READ.
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<ApiKeys>>> {
        let rows = async {
            let caller = gates::API_KEYS.open(ctx, &self.0)?;
            let page = page(ctx, first, after, last, before)?;
            caller.loaders.load(reads::ApiKeys(page), self.0.clone()).await
        };
        nullable(rows).await
    }
}
