//! An account as one actor may see it.

use std::sync::Arc;

use canopy_entity::account::AccountStatus;
use canopy_entity::{AccountId, AccountPath, account};

use crate::permissions::Access;
use crate::usage::Zone;
use crate::{Error, Result};

/// An account together with what the actor may do in it. Only the scoped selects of `accounts` make one, so holding
/// it proves that the account is in the actor's scope; services that read for an account take views, not ids.
#[derive(Debug, Clone)]
pub struct AccountView(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    row: Arc<account::Model>,
    access: Access,
}

impl AccountView {
    pub(super) fn new(row: Arc<account::Model>, access: Access) -> Self {
        Self(Arc::new(Inner { row, access }))
    }

    /// The row.
    pub fn row(&self) -> &account::Model {
        &self.0.row
    }

    /// The row, for whoever keeps it.
    pub(super) fn shared_row(&self) -> &Arc<account::Model> {
        &self.0.row
    }

    /// The account's id.
    pub fn id(&self) -> &AccountId {
        &self.0.row.id
    }

    /// The time zone of the account.
    pub(crate) fn time_zone(&self) -> Result<Zone> {
        Zone::stored(&self.0.row.time_zone)
    }

    /// Where the account stands.
    pub fn path(&self) -> &AccountPath {
        &self.0.row.path
    }

    /// What the actor may do in it.
    pub fn access(&self) -> &Access {
        &self.0.access
    }

    /// The status that holds: the account's own, or that of an account above it if it is less favourable.
    pub fn status(&self) -> AccountStatus {
        self.0.access.standing().status()
    }

    /// How many levels the account stands below its main account or platform, which is level 0.
    pub fn level(&self) -> u32 {
        self.0.access.standing().level()
    }

    /// `Error::Conflict` at `field` unless the account and all above it are active.
    pub fn require_active(&self, field: &[&str]) -> Result<()> {
        match self.status() {
            AccountStatus::Active => Ok(()),
            AccountStatus::Suspended => Err(Error::conflict(
                field,
                "The account, or one above it, is suspended.",
            )),
            AccountStatus::Closed => Err(Error::conflict(field, "The account, or one above it, is closed.")),
        }
    }
}
