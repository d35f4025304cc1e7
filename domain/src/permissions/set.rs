//! Restricting a subaccount.

use std::collections::{BTreeMap, HashSet};

use canopy_entity::{AccountId, Level, PermissionKey, permission_level, time};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveEnum, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::json;

use crate::events::{RightsChange, outbox};
use crate::idempotency::{Claim, Replayable};
use crate::transaction::{self, work};
use crate::{AccountView, Actor, Domain, Error, Result, accounts, audit};

/// One key's new level.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct PermissionChange {
    /// The key.
    pub key: PermissionKey,
    /// The highest level left; must be one that the key allows.
    pub level: Level,
}

/// Which levels to set on which subaccount. Keys that are not named keep theirs.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct SetPermissions {
    /// The subaccount.
    pub account_id: AccountId,
    /// The changes; a key may be named once.
    pub permissions: Vec<PermissionChange>,
}

impl Domain {
    /// Sets permission levels of a subaccount. Needs `MEMBERS` and `SUBACCOUNTS` FULL at its parent.
    pub async fn set_permissions(
        &self,
        actor: &Actor,
        input: SetPermissions,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<AccountView>> {
        let claim = &Claim::new(actor, "setPermissions", idempotency_key, &input)?;
        let needed = [PermissionKey::Members, PermissionKey::Subaccounts];
        let managed = self
            .managed(actor, &input.account_id, "accountId", &needed)
            .await?;
        if let Some(id) = claim.find::<AccountId>(&self.0.db).await? {
            return Ok(Replayable::replayed(self.account(actor, &id).await?));
        }
        managed.parent.require_active(&["accountId"])?;
        check(&input.permissions)?;
        let (account, changes) = (&managed.account, &input.permissions);
        let rights = &RightsChange::At(account.path().clone());
        let replayed = transaction::run(&self.0.writer, "set-permissions", |txn| {
            work(async move {
                if claim.find::<AccountId>(txn).await?.is_some() {
                    return Ok(true);
                }
                // Two changes of one account follow each other, so that the log tells what each found.
                accounts::lock(txn, account.id()).await?;
                write(txn, actor, account, changes).await?;
                outbox::write_rights_change(txn, account.id(), account.path(), rights).await?;
                claim.store(txn, account.id()).await?;
                Ok(false)
            })
        })
        .await?;
        self.0.hub.rights_changed(rights.clone());
        let value = self.account(actor, &input.account_id).await?;
        Ok(Replayable { value, replayed })
    }
}

/// `Error::BadInput` at the change that names a key twice or a level that its key does not allow.
fn check(changes: &[PermissionChange]) -> Result<()> {
    let mut seen = HashSet::new();
    for (index, change) in changes.iter().enumerate() {
        let index = index.to_string();
        if !seen.insert(change.key) {
            return Err(Error::bad_input(
                &["permissions", &index, "key"],
                format!("{} is named twice.", change.key.to_value()),
            ));
        }
        if !change.key.allowed_levels().contains(&change.level) {
            let allowed: Vec<String> = change
                .key
                .allowed_levels()
                .iter()
                .map(ActiveEnum::to_value)
                .collect();
            return Err(Error::bad_input(
                &["permissions", &index, "level"],
                format!("{} allows {}.", change.key.to_value(), allowed.join(", ")),
            ));
        }
    }
    Ok(())
}

async fn write(
    txn: &impl ConnectionTrait,
    actor: &Actor,
    account: &AccountView,
    changes: &[PermissionChange],
) -> Result<()> {
    // The highest level is no restriction, and no restriction is no row.
    let (lifted, restricted): (Vec<_>, Vec<_>) = changes
        .iter()
        .partition(|change| change.level == change.key.max_level());
    let of_account = permission_level::Column::AccountId.eq(account.id().clone());
    let before: BTreeMap<String, Level> = permission_level::Entity::find()
        .filter(of_account.clone())
        .filter(permission_level::Column::Key.is_in(changes.iter().map(|change| change.key)))
        .all(txn)
        .await?
        .into_iter()
        .map(|row| (row.key.to_value(), row.level))
        .collect();
    if !lifted.is_empty() {
        permission_level::Entity::delete_many()
            .filter(of_account)
            .filter(permission_level::Column::Key.is_in(lifted.iter().map(|change| change.key)))
            .exec(txn)
            .await?;
    }
    if !restricted.is_empty() {
        let rows = restricted.iter().map(|change| permission_level::ActiveModel {
            account_id: Set(account.id().clone()),
            key: Set(change.key),
            level: Set(change.level),
            updated_at: Set(time::now()),
        });
        let key = [permission_level::Column::AccountId, permission_level::Column::Key];
        let update = [
            permission_level::Column::Level,
            permission_level::Column::UpdatedAt,
        ];
        permission_level::Entity::insert_many(rows)
            .on_conflict(OnConflict::columns(key).update_columns(update).to_owned())
            .exec_without_returning(txn)
            .await?;
    }
    let after: BTreeMap<String, Level> = changes
        .iter()
        .map(|change| (change.key.to_value(), change.level))
        .collect();
    let entry = audit::Entry {
        account_id: account.id(),
        path: account.path(),
        action: "permissions.set",
        target: account.id().as_str(),
        detail: json!({ "before": before, "after": after }),
    };
    audit::write(txn, actor, entry).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: PermissionKey, level: Level) -> PermissionChange {
        PermissionChange { key, level }
    }

    #[test]
    fn a_level_that_the_key_does_not_allow_is_refused_where_it_stands() {
        let changes = [
            change(PermissionKey::Agents, Level::Read),
            change(PermissionKey::Usage, Level::Read),
        ];
        let refusal = check(&changes).unwrap_err();
        assert_eq!(refusal.field(), ["permissions", "1", "level"]);
        assert_eq!(refusal.to_string(), "USAGE allows NONE, FULL.");
    }

    #[test]
    fn a_key_is_named_once() {
        let changes = [
            change(PermissionKey::Agents, Level::Read),
            change(PermissionKey::Agents, Level::None),
        ];
        assert_eq!(check(&changes).unwrap_err().field(), ["permissions", "1", "key"]);
    }
}
