//! Limiting a subaccount beside what its plan says.

use canopy_entity::{PermissionKey, account_limit, time};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::json;

use crate::transaction::{self, work};
use crate::{AccountView, Actor, Domain, Error, Result, audit};

/// The longest name of a resource, in bytes.
const MAX_NAME: usize = 64;

impl Domain {
    /// Limits a resource of a subaccount (none lifts the limit). Needs `SUBACCOUNTS` FULL at its parent.
    pub async fn set_account_limit(
        &self,
        actor: &Actor,
        account: &AccountView,
        resource: &str,
        max: Option<u64>,
    ) -> Result<()> {
        let managed = self
            .managed(actor, account.id(), "id", &[PermissionKey::Subaccounts])
            .await?;
        managed.parent.require_active(&["id"])?;
        let well_formed = (1..=MAX_NAME).contains(&resource.len())
            && resource
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte));
        if !well_formed {
            return Err(Error::bad_input(
                &["resource"],
                "There is no resource of this name.",
            ));
        }
        let maximum = match max.map(i64::try_from).transpose() {
            Ok(maximum) => maximum,
            Err(_) => return Err(Error::bad_input(&["max"], "The limit is too large.")),
        };
        let account = &managed.account;
        transaction::run(&self.0.writer, "set-account-limit", |txn| {
            work(async move {
                let id = (account.id().clone(), resource.to_owned());
                match maximum {
                    None => {
                        account_limit::Entity::delete_by_id(id).exec(txn).await?;
                    }
                    Some(maximum) => {
                        let row = account_limit::ActiveModel {
                            account_id: Set(id.0),
                            resource: Set(id.1),
                            maximum: Set(maximum),
                            updated_at: Set(time::now()),
                        };
                        let key = [account_limit::Column::AccountId, account_limit::Column::Resource];
                        let update = [account_limit::Column::Maximum, account_limit::Column::UpdatedAt];
                        account_limit::Entity::insert(row)
                            .on_conflict(OnConflict::columns(key).update_columns(update).to_owned())
                            .exec_without_returning(txn)
                            .await?;
                    }
                }
                let entry = audit::Entry {
                    account_id: account.id(),
                    path: account.path(),
                    action: "limit.set",
                    target: account.id().as_str(),
                    detail: json!({ "resource": resource, "max": max }),
                };
                audit::write(txn, actor, entry).await
            })
        })
        .await
    }
}
