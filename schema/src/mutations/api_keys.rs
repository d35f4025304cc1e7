//! `createApiKey` and `revokeApiKey`.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use canopy_domain::auth::{NewApiKey, parse_range};
use canopy_domain::entity::{Level, PermissionKey};
use canopy_domain::{Error, Result};

use super::parse_id;
use super::permissions::PermissionInput;
use crate::authorization::gates;
use crate::errors::refuse;
use crate::scalars::DateTime;
use crate::session::Caller;
use crate::types::api_key::ApiKey;
use crate::types::user_error::UserError;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct ApiKeyMutations;

#[Object]
impl ApiKeyMutations {
    /// Makes an API key and shows its secret, this once. Needs API_KEYS FULL in the account, and that the plan lets
    /// the caller make keys for it. FORBIDDEN for a permission that the caller has not; a key that a key makes neither
    /// outlives it nor is of use from more addresses.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to make.")] input: CreateApiKeyInput,
    ) -> Option<Result<CreateApiKeyPayload>> {
        let payload = async {
            let caller = gates::CREATE_API_KEY.caller(ctx)?;
            let (issued, user_errors) = refuse(create(caller, input).await)?;
            Ok(match issued {
                Some((api_key, secret, replayed)) => CreateApiKeyPayload {
                    api_key: Some(api_key),
                    secret,
                    replayed,
                    user_errors,
                },
                None => CreateApiKeyPayload {
                    api_key: None,
                    secret: None,
                    replayed: false,
                    user_errors,
                },
            })
        };
        Some(payload.await)
    }

    /// Revokes an API key, with immediate effect: sockets and streams that it opened end. Needs API_KEYS FULL in its
    /// account. A key that is revoked stays as it is.
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which key.")] input: RevokeApiKeyInput,
    ) -> Option<Result<RevokeApiKeyPayload>> {
        let payload = async {
            let caller = gates::REVOKE_API_KEY.caller(ctx)?;
            let id = parse_id(&input.id, "API key")?;
            let key = input.idempotency_key.as_deref();
            let (ended, user_errors) = refuse(caller.domain().end_api_key(caller.actor(), &id, key).await)?;
            Ok(RevokeApiKeyPayload {
                replayed: ended.as_ref().is_some_and(|ended| ended.replayed),
                api_key: ended.map(|ended| ended.value.into()),
                user_errors,
            })
        };
        Some(payload.await)
    }
}

/// The key, its secret if it is new, and whether it was made before.
async fn create(caller: &Caller, input: CreateApiKeyInput) -> Result<(ApiKey, Option<String>, bool)> {
    let id = parse_id(&input.account_id, "account")?;
    let account = caller.domain().account(caller.actor(), &id).await?;
    let ranges = input.allowed_ips.unwrap_or_default();
    let ranges = ranges.iter().map(|text| parse_range(text));
    let new = NewApiKey {
        name: input.name,
        levels: levels(input.permissions)?,
        expires_at: input.expires_at.map(|instant| instant.0),
        allowed_ips: ranges.collect::<Result<_>>()?,
    };
    let key = input.idempotency_key.as_deref();
    let issued = caller
        .domain()
        .issue_api_key(caller.actor(), &account, new, key)
        .await?;
    Ok((issued.value.key.into(), issued.value.secret, issued.replayed))
}

fn levels(permissions: Vec<PermissionInput>) -> Result<HashMap<PermissionKey, Level>> {
    let mut levels = HashMap::new();
    for permission in permissions {
        if levels
            .insert(permission.key.into(), permission.level.into())
            .is_some()
        {
            return Err(Error::bad_input(&["permissions"], "A key may be named once."));
        }
    }
    Ok(levels)
}

/// An API key to make.
#[derive(InputObject)]
struct CreateApiKeyInput {
    /// Id of the account that the key acts for, with all below. NOT_FOUND if it is out of scope.
    account_id: ID,
    /// What people call it, 1 to 120 characters.
    name: String,
    /// What it may do: at most what the caller may. A key may be named once; keys that are not named are NONE.
    permissions: Vec<PermissionInput>,
    /// From when on it is refused; in the future. It does not expire if not given.
    expires_at: Option<DateTime>,
    /// The addresses and ranges that it may be used from, such as 203.0.113.0/24, at most 50; from anywhere if
    /// there are none.
    allowed_ips: Option<Vec<String>>,
    /// Makes it safe to send the mutation again. The secret is in the first answer only.
    idempotency_key: Option<String>,
}

/// What making an API key came to.
#[derive(SimpleObject)]
struct CreateApiKeyPayload {
    /// The new key; null if refused.
    api_key: Option<ApiKey>,
    /// What to present as `Authorization: Bearer …`. It is never shown again: null in a replayed answer, and if
    /// refused.
    secret: Option<String>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// An API key to revoke.
#[derive(InputObject)]
struct RevokeApiKeyInput {
    /// Id of the key. NOT_FOUND if its account is out of scope.
    id: ID,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// What revoking an API key came to.
#[derive(SimpleObject)]
struct RevokeApiKeyPayload {
    /// The key as it is now; null if refused.
    api_key: Option<ApiKey>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}
