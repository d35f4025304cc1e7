//! Whether a parent may have one more subaccount: evaluated before a transaction, held in it.

use canopy_entity::account::AccountStatus;
use canopy_entity::{AccountId, account};
use canopy_rules_host::Policy;
use sea_orm::ConnectionTrait;

use super::{AccountView, lock, on_path};
use crate::limits::{Chains, Counted, DEPTH, Recency, ResourceLimit};
use crate::{Actor, Domain, Error, Result};

/// What the rules on a parent's path say about one more subaccount.
pub(super) struct Room {
    parent: AccountView,
    chains: Chains,
    count: Option<ResourceLimit>,
    pub(super) policy: Policy,
}

impl Domain {
    /// Asks the rules. `Error::LimitExceeded` if they leave no room for a subaccount of `parent`.
    pub(super) async fn room_for_child(&self, actor: &Actor, parent: &AccountView) -> Result<Room> {
        let chains = self.evaluate_limits([parent.path()], Recency::Fresh).await?;
        if let Some(depth) = chains.limit_of(parent, DEPTH, actor.scope())? {
            depth.require_room(u64::from(parent.level()))?;
        }
        let count = chains.limit_of(parent, Counted::Subaccounts.name(), actor.scope())?;
        if let Some(count) = &count {
            count.require_room(count.used)?;
        }
        Ok(Room {
            policy: chains.policy_of(parent.id())?,
            parent: parent.clone(),
            chains,
            count,
        })
    }
}

impl Room {
    /// The root of the tree that it is in.
    pub(super) fn root(&self) -> AccountId {
        self.parent.path().root_id()
    }

    /// Locks the parent, makes sure that the room is still there, and answers the parent as it is now. Until the
    /// transaction ends nobody else takes the room.
    pub(super) async fn take(&self, txn: &impl ConnectionTrait, field: &[&str]) -> Result<account::Model> {
        let parent = lock(txn, self.parent.id()).await?;
        let path = on_path(txn, &parent.path).await?;
        if path.iter().any(|account| account.status != AccountStatus::Active) {
            return Err(Error::conflict(
                field,
                "The account, or one above it, is not active.",
            ));
        }
        if !self.chains.still_hold(&path) {
            return Err(Error::conflict(
                field,
                "The plan of the account, or of one above it, has just changed; try again.",
            ));
        }
        if let Some(count) = &self.count {
            count.require_room(Counted::Subaccounts.count(txn, &parent.id).await?)?;
        }
        Ok(parent)
    }
}
