//! A subaccount seen from its parent, which is who changes it; and locks on rows of the tree.

use canopy_entity::account::AccountKind;
use canopy_entity::{AccountId, AccountPath, Level, PermissionKey, account};
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::AccountView;
use crate::{Actor, Domain, Error, Result};

/// A subaccount and its parent, by whose right it may be changed.
pub(crate) struct Managed {
    pub(crate) account: AccountView,
    pub(crate) parent: AccountView,
}

impl Domain {
    /// The subaccount `id` with its parent, if the actor has each of `keys` FULL at the parent. Whoever only reaches
    /// the subaccount itself is forbidden, and whoever does not even reach that is told that there is none. `field`
    /// is where the input names the account.
    pub(crate) async fn managed(
        &self,
        actor: &Actor,
        id: &AccountId,
        field: &'static str,
        keys: &[PermissionKey],
    ) -> Result<Managed> {
        let account = self.account(actor, id).await?;
        if account.row().kind != AccountKind::Subaccount {
            return Err(Error::bad_input(&[field], "This is not a subaccount."));
        }
        let parent_id = account
            .row()
            .parent_id
            .as_ref()
            .ok_or_else(|| Error::internal("a subaccount has a parent, as its check says"))?;
        let parent = self
            .accounts(actor, std::slice::from_ref(parent_id))
            .await?
            .remove(parent_id);
        let Some(parent) = parent else {
            return Err(Error::Forbidden(
                "A subaccount is changed from its parent, which you cannot reach.".to_owned(),
            ));
        };
        for key in keys {
            parent.access().require(*key, Level::Full)?;
        }
        Ok(Managed { account, parent })
    }
}

/// Locks an account against other changes of it until the transaction ends. Usage goes on: only rows that refer to
/// the account are written for it, and these are not kept out.
pub(crate) async fn lock(txn: &impl ConnectionTrait, id: &AccountId) -> Result<account::Model> {
    account::Entity::find_by_id(id.clone())
        .lock(LockType::NoKeyUpdate)
        .one(txn)
        .await?
        .ok_or(Error::NotFound("account"))
}

/// The accounts on `path` as they are now, from the top down.
pub(crate) async fn on_path(db: &impl ConnectionTrait, path: &AccountPath) -> Result<Vec<account::Model>> {
    Ok(account::Entity::find()
        .filter(account::Column::Id.is_in(path.ids()))
        .order_by_asc(account::Column::Depth)
        .all(db)
        .await?)
}
