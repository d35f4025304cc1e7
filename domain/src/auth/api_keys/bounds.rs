//! What a new key may have: nothing that whoever makes it has not.

use canopy_entity::{api_key, time};
use ipnet::IpNet;
use sea_orm::{ActiveEnum, EntityTrait};
use serde_json::{Value as Json, json};

use super::NewApiKey;
use crate::auth::{Principal, ranges};
use crate::{AccountView, Actor, Domain, Error, Result};

/// The longest name of a key, in characters.
const MAX_NAME: usize = 120;

impl NewApiKey {
    /// What tells one key to be made from another.
    pub(super) fn told(&self, account: &AccountView) -> Json {
        let mut levels: Vec<(String, String)> = self
            .levels
            .iter()
            .map(|(key, level)| (key.to_value(), level.to_value()))
            .collect();
        levels.sort_unstable();
        json!([account.id(), self.name, levels, self.expires_at, self.allowed_ips])
    }
}

impl Domain {
    /// `Error::BadInput` or `Error::Forbidden` for what is wrong with the new key in itself.
    pub(super) async fn check_new_key(
        &self,
        actor: &Actor,
        account: &AccountView,
        new: &NewApiKey,
    ) -> Result<()> {
        if !(1..=MAX_NAME).contains(&new.name.trim().chars().count()) {
            return Err(Error::bad_input(
                &["name"],
                format!("A name has 1 to {MAX_NAME} characters."),
            ));
        }
        if new.expires_at.is_some_and(|expires| expires <= time::now()) {
            return Err(Error::bad_input(
                &["expiresAt"],
                "The key would expire before it is made.",
            ));
        }
        ranges::check(&new.allowed_ips)?;
        for (key, level) in &new.levels {
            let name = key.to_value();
            if !key.allowed_levels().contains(level) {
                return Err(Error::bad_input(
                    &["permissions"],
                    format!("{name} does not allow {}.", level.to_value()),
                ));
            }
            if !account.access().allows(*key, *level) {
                return Err(Error::Forbidden(format!(
                    "{name} {} is more than you have yourself.",
                    level.to_value()
                )));
            }
        }
        match actor.principal() {
            Principal::ApiKey(id) => {
                let own = api_key::Entity::find_by_id(id.clone()).one(&self.0.db).await?;
                require_within(&own.ok_or(Error::Unauthenticated)?, new)
            }
            Principal::User(_) | Principal::System => Ok(()),
        }
    }
}

/// A key that a key makes neither outlives it nor is of use in more places.
fn require_within(own: &api_key::Model, new: &NewApiKey) -> Result<()> {
    let refused = |message: &str| Err(Error::Forbidden(message.to_owned()));
    if own.persisted_only {
        return refused("An API key that may run registered documents only makes no other.");
    }
    if own
        .expires_at
        .is_some_and(|end| new.expires_at.is_none_or(|wanted| wanted > end))
    {
        return refused("An API key makes none that lasts longer than itself.");
    }
    let ranges: Vec<IpNet> = serde_json::from_value(own.allowed_ips.clone()).map_err(Error::internal)?;
    let is_within = |wanted: &IpNet| ranges.iter().any(|range| range.contains(wanted));
    if !ranges.is_empty() && (new.allowed_ips.is_empty() || !new.allowed_ips.iter().all(is_within)) {
        return refused("An API key makes none that may be used from more addresses than itself.");
    }
    Ok(())
}
