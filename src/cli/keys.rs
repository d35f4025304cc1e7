//! `canopy keys`: API keys, made by the operator directly in the database.

use std::{collections::HashMap, str::FromStr};

use anyhow::Context;
use canopy_domain::{
    AccountView, Actor, Domain,
    auth::{NewApiKey, parse_range},
    entity::{AccountId, ApiKeyId, Level, PermissionKey, api_key, time::now},
};
use sea_orm::Iterable;
use serde_json::{Value, json};

use super::{
    Refused,
    arguments::{KeysCommand, NewKey},
    output::Output,
};
use crate::{
    config::{Config, Span},
    house::{self, Pending, Tokens},
};

pub(super) async fn run(config: &Config, command: KeysCommand, output: &Output) -> anyhow::Result<()> {
    let domain = house::open(config, Pending::Refuse, Tokens::Unused).await?;
    match command {
        KeysCommand::Create(new) => create(&domain, new, output).await,
        KeysCommand::List { account } => {
            let (actor, account) = operator(&domain, &account).await?;
            let keys = domain.api_keys(&actor, &account).await?;
            let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
            let listed: Vec<Value> = keys.iter().map(as_json).collect();
            output.table(
                &json!(listed),
                &["ID", "NAME", "PREFIX", "CREATED", "STATE"],
                &rows,
            )?;
            Ok(())
        }
        KeysCommand::Revoke { key, account } => {
            let (actor, _) = operator(&domain, &account).await?;
            let id = ApiKeyId::from_str(&key).map_err(|_| Refused("There is no such API key.".to_owned()))?;
            let key = domain.revoke_api_key(&actor, &id).await?;
            output.value(&as_json(&key), || format!("Revoked {} ({}).", key.id, key.name))?;
            Ok(())
        }
    }
}

async fn create(domain: &Domain, new: NewKey, output: &Output) -> anyhow::Result<()> {
    let (actor, account) = operator(domain, &new.account).await?;
    let levels = levels(&new)?;
    let allowed_ips = new.allow_ip.iter().map(|text| parse_range(text));
    let allowed_ips = allowed_ips.collect::<canopy_domain::Result<Vec<_>>>()?;
    let expires_at = match &new.expires {
        None => None,
        Some(text) => {
            let span =
                Span::from_str(text).map_err(|expected| anyhow::anyhow!("--expires: expected {expected}"))?;
            Some(now() + span.get())
        }
    };
    let made = domain
        .create_api_key(
            &actor,
            &account,
            NewApiKey {
                name: new.name,
                levels,
                expires_at,
                allowed_ips,
            },
        )
        .await?;
    let mut json = as_json(&made.key);
    json["secret"] = json!(made.secret);
    output.value(&json, || {
        format!(
            "{}\n\nThis is the only time that {} is shown.",
            made.secret, made.key.id
        )
    })?;
    Ok(())
}

/// The operator as an actor on the account.
async fn operator(domain: &Domain, account: &str) -> anyhow::Result<(Actor, AccountView)> {
    let id = AccountId::from_str(account).map_err(|_| Refused("There is no such account.".to_owned()))?;
    let actor = domain.operator(&id).await?;
    let account = domain.account(&actor, &id).await?;
    Ok((actor, account))
}

/// The levels that the options give.
fn levels(new: &NewKey) -> anyhow::Result<HashMap<PermissionKey, Level>> {
    if new.full {
        return Ok(PermissionKey::iter().map(|key| (key, key.max_level())).collect());
    }
    new.level.iter().map(|entry| level(entry)).collect()
}

fn level(entry: &str) -> anyhow::Result<(PermissionKey, Level)> {
    let (key, level) = entry
        .split_once('=')
        .with_context(|| format!("--level {entry}: expected KEY=LEVEL"))?;
    let key = serde_json::from_value(json!(key.trim().to_uppercase()))
        .map_err(|_| anyhow::anyhow!("--level {entry}: there is no permission {key}"))?;
    let level = serde_json::from_value(json!(level.trim().to_uppercase()))
        .map_err(|_| anyhow::anyhow!("--level {entry}: a level is NONE, READ, LIMITED or FULL"))?;
    Ok((key, level))
}

fn state(key: &api_key::Model) -> &'static str {
    let expired = key.expires_at.is_some_and(|at| at <= now());
    match (key.revoked_at, expired) {
        (Some(_), _) => "revoked",
        (None, true) => "expired",
        (None, false) => "active",
    }
}

fn row(key: &api_key::Model) -> Vec<String> {
    let created = key.created_at.format("%Y-%m-%d %H:%M").to_string();
    vec![
        key.id.to_string(),
        key.name.clone(),
        key.prefix.clone(),
        created,
        state(key).to_owned(),
    ]
}

fn as_json(key: &api_key::Model) -> Value {
    json!({
        "id": key.id,
        "accountId": key.account_id,
        "name": key.name,
        "prefix": key.prefix,
        "state": state(key),
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
        "allowedIps": key.allowed_ips,
        "lastUsedAt": key.last_used_at,
        "revokedAt": key.revoked_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_names_a_permission_and_how_far_it_goes() {
        assert_eq!(
            level("usage=full").expect("valid"),
            (PermissionKey::Usage, Level::Full)
        );
        for bad in ["usage", "nothing=FULL", "USAGE=all"] {
            assert!(level(bad).is_err(), "{bad}");
        }
    }
}
