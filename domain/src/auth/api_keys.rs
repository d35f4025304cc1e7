//! API keys: made, listed, revoked. The secret is shown once and only its digest is kept.

mod bounds;
mod read;

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use canopy_entity::account::AccountKind;
use canopy_entity::{ApiKeyId, Level, PermissionKey, api_key, time, time::Timestamp};
use canopy_rules_host::KeyPolicy;
use ipnet::IpNet;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QuerySelect};
use serde_json::json;

use super::credential::{KEY_PREFIX, hash_of};
use crate::events::{RightsChange, outbox};
use crate::idempotency::{Claim, Replayable};
use crate::limits::{Counted, Recency};
use crate::transaction::{self, work};
use crate::{AccountView, Actor, Domain, Error, Result, accounts, audit};

/// Random bytes of a secret; 43 characters of base64url.
const SECRET_BYTES: usize = 32;
/// How many characters of a key stay visible: what all begin with, and a few of its own.
const VISIBLE: usize = KEY_PREFIX.len() + 4;

/// What an API key is made with.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// What people call it.
    pub name: String,
    /// What it may do; a missing key is NONE.
    pub levels: HashMap<PermissionKey, Level>,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// From where it may be used; anywhere if there are none.
    pub allowed_ips: Vec<IpNet>,
}

/// A new API key with its secret, which is shown this once.
#[derive(Clone)]
pub struct CreatedApiKey {
    /// The row.
    pub key: api_key::Model,
    /// `ck_live_…`.
    pub secret: String,
}

impl std::fmt::Debug for CreatedApiKey {
    /// Without the secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CreatedApiKey")
            .field("key", &self.key.id)
            .finish_non_exhaustive()
    }
}

/// An API key that was made now, or before under the same idempotency key.
pub struct IssuedApiKey {
    /// The row.
    pub key: api_key::Model,
    /// `ck_live_…`; only if it was made now.
    pub secret: Option<String>,
}

impl Domain {
    /// Makes an API key for `account`, as [`Domain::issue_api_key`] does.
    pub async fn create_api_key(
        &self,
        actor: &Actor,
        account: &AccountView,
        new: NewApiKey,
    ) -> Result<CreatedApiKey> {
        let Replayable { value, .. } = self.issue_api_key(actor, account, new, None).await?;
        let secret = value
            .secret
            .expect("without an idempotency key nothing was made before");
        Ok(CreatedApiKey {
            key: value.key,
            secret,
        })
    }

    /// Makes an API key for `account`. Needs `API_KEYS` FULL, and the plan's key policy must allow it. Nobody can
    /// give a key more than they have themselves. The answer to an idempotency key that was used before is without the
    /// secret.
    pub async fn issue_api_key(
        &self,
        actor: &Actor,
        account: &AccountView,
        new: NewApiKey,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<IssuedApiKey>> {
        account.access().require(PermissionKey::ApiKeys, Level::Full)?;
        let claim = &Claim::new(actor, "createApiKey", idempotency_key, &new.told(account))?;
        if let Some(id) = claim.find(&self.0.db).await? {
            return self.issued_before(&id).await;
        }
        account.require_active(&["accountId"])?;
        self.check_new_key(actor, account, &new).await?;
        let chains = self.evaluate_limits([account.path()], Recency::Fresh).await?;
        let policy = match &account.row().parent_id {
            Some(parent_id) if account.row().kind == AccountKind::Subaccount => {
                chains.policy_of(parent_id)?.keys
            }
            _ => KeyPolicy::Own,
        };
        require_policy(policy, account)?;
        let limit = &chains.limit_of(account, Counted::ApiKeys.name(), actor.scope())?;

        let secret = fresh_secret();
        let row = &row_of(actor, account, &new, &secret)?;
        let before = transaction::run(&self.0.writer, "create-api-key", |txn| {
            work(async move {
                if let Some(id) = claim.find::<ApiKeyId>(txn).await? {
                    return Ok(Some(id));
                }
                accounts::lock(txn, account.id()).await?;
                let used = Counted::ApiKeys.count(txn, account.id()).await?;
                if policy == KeyPolicy::AutoOne && used > 0 {
                    return Err(Error::conflict(
                        &["accountId"],
                        "The plan gives a subaccount one API key; revoke it to make another.",
                    ));
                }
                if let Some(limit) = limit {
                    limit.require_room(used)?;
                }
                api_key::Entity::insert(row.clone().into_active_model())
                    .exec_without_returning(txn)
                    .await?;
                let entry = audit::Entry {
                    account_id: account.id(),
                    path: account.path(),
                    action: "api_key.create",
                    target: row.id.as_str(),
                    detail: json!({
                        "name": row.name, "prefix": row.prefix, "levels": row.levels, "allowedIps": row.allowed_ips,
                    }),
                };
                audit::write(txn, actor, entry).await?;
                claim.store(txn, &row.id).await?;
                Ok(None)
            })
        })
        .await?;
        match before {
            Some(id) => self.issued_before(&id).await,
            None => Ok(Replayable::fresh(IssuedApiKey {
                key: row.clone(),
                secret: Some(secret),
            })),
        }
    }

    async fn issued_before(&self, id: &ApiKeyId) -> Result<Replayable<IssuedApiKey>> {
        let key = api_key::Entity::find_by_id(id.clone()).one(&self.0.db).await?;
        Ok(Replayable::replayed(IssuedApiKey {
            key: key.ok_or(Error::NotFound("API key"))?,
            secret: None,
        }))
    }

    /// Revokes a key, with immediate effect. Needs `API_KEYS` FULL on its account, which under the policies AUTO_ONE
    /// and PARENT_ONLY must come from above. A key that is revoked stays as it is.
    pub async fn revoke_api_key(&self, actor: &Actor, id: &ApiKeyId) -> Result<api_key::Model> {
        Ok(self.end_api_key(actor, id, None).await?.value)
    }

    /// The same, safe to be sent again with an idempotency key.
    pub async fn end_api_key(
        &self,
        actor: &Actor,
        id: &ApiKeyId,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<api_key::Model>> {
        let account = &self.account_of_key(actor, id).await?;
        let claim = &Claim::new(actor, "revokeApiKey", idempotency_key, id)?;
        let rights = &RightsChange::Of(id.to_string());
        let outcome = transaction::run(&self.0.writer, "revoke-api-key", |txn| {
            work(async move {
                let key = api_key::Entity::find_by_id(id.clone())
                    .lock_exclusive()
                    .one(txn)
                    .await?;
                let key = key.ok_or(Error::NotFound("API key"))?;
                if claim.find::<ApiKeyId>(txn).await?.is_some() {
                    return Ok(Replayable::replayed(key));
                }
                claim.store(txn, id).await?;
                if key.revoked_at.is_some() {
                    return Ok(Replayable::fresh(key));
                }
                let mut row = key.into_active_model();
                row.revoked_at = Set(Some(time::now()));
                let key = row.update(txn).await?;
                let entry = audit::Entry {
                    account_id: account.id(),
                    path: account.path(),
                    action: "api_key.revoke",
                    target: key.id.as_str(),
                    detail: json!({ "name": key.name, "prefix": key.prefix }),
                };
                audit::write(txn, actor, entry).await?;
                outbox::write_rights_change(txn, account.id(), account.path(), rights).await?;
                Ok(Replayable::fresh(key))
            })
        })
        .await?;
        self.0.hub.rights_changed(rights.clone());
        Ok(outcome)
    }

    /// The account of a key that the actor may end or change.
    pub(crate) async fn account_of_key(&self, actor: &Actor, id: &ApiKeyId) -> Result<AccountView> {
        let missing = Error::NotFound("API key");
        let key = api_key::Entity::find_by_id(id.clone()).one(&self.0.db).await?;
        let key = key.ok_or_else(|| missing.clone())?;
        let account = self
            .account(actor, &key.account_id)
            .await
            .map_err(|error| match error {
                Error::NotFound(_) => missing,
                other => other,
            })?;
        account.access().require(PermissionKey::ApiKeys, Level::Full)?;
        if !account.access().from_above()
            && let Some(parent_id) = &account.row().parent_id
            && account.row().kind == AccountKind::Subaccount
        {
            let chains = self.evaluate_limits([account.path()], Recency::Fresh).await?;
            if chains.policy_of(parent_id)?.keys != KeyPolicy::Own {
                return Err(keys_are_the_parents());
            }
        }
        Ok(account)
    }
}

/// The row of a new key.
fn row_of(actor: &Actor, account: &AccountView, new: &NewApiKey, secret: &str) -> Result<api_key::Model> {
    Ok(api_key::Model {
        id: ApiKeyId::new(),
        account_id: account.id().clone(),
        name: new.name.trim().to_owned(),
        prefix: secret[..VISIBLE].to_owned(),
        secret_hash: hash_of(secret),
        levels: serde_json::to_value(&new.levels).map_err(Error::internal)?,
        created_by: actor.label(),
        created_at: time::now(),
        expires_at: new.expires_at.map(time::truncate),
        allowed_ips: serde_json::to_value(&new.allowed_ips).map_err(Error::internal)?,
        last_used_at: None,
        revoked_at: None,
        persisted_only: false,
        documents_version: 0,
    })
}

/// `Error::Forbidden` unless the policy lets the actor make a key for the account.
fn require_policy(policy: KeyPolicy, account: &AccountView) -> Result<()> {
    match policy {
        KeyPolicy::Own => Ok(()),
        KeyPolicy::AutoOne if account.access().from_above() => Ok(()),
        KeyPolicy::AutoOne => Err(keys_are_the_parents()),
        KeyPolicy::ParentOnly => Err(Error::Forbidden(
            "The plan gives subaccounts no API keys; use the main account's with `X-Sub-Account-Id`."
                .to_owned(),
        )),
    }
}

fn keys_are_the_parents() -> Error {
    Error::Forbidden("The plan leaves a subaccount's API keys to its parent.".to_owned())
}

/// A key that nobody can guess: 256 bits from a generator fit for secrets.
fn fresh_secret() -> String {
    let bytes: [u8; SECRET_BYTES] = rand::random();
    format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_new_each_time() {
        let (one, other) = (fresh_secret(), fresh_secret());
        assert_eq!(one.len(), KEY_PREFIX.len() + 43);
        assert!(one.starts_with("ck_live_"));
        assert_ne!(one, other);
        assert_ne!(hash_of(&one), hash_of(&other));
        assert_eq!(hash_of(&one).len(), 64);
    }
}
