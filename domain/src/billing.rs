//! Who pays: the state of billing between a parent and its subaccount.

use std::collections::HashMap;
use std::sync::LazyLock;

use canopy_entity::account::BillingMode;
use canopy_entity::billing_transfer::TransferStatus;
use canopy_entity::{AccountId, Level, PermissionKey, account, billing_transfer};

use crate::store::{Given, Query, Row};
use crate::{AccountView, Actor, Domain, Result};

/// The latest transfer of each account: ids grow with time.
static LATEST: LazyLock<Query> = LazyLock::new(|| {
    Query::new(
        "SELECT t.id, t.account_id, t.status, t.keep_agency_access, t.started_by, t.started_at, t.grace_ends_at, t.ended_at
         FROM [$1] AS asked JOIN billing_transfers t ON t.id =
           (SELECT max(b.id) FROM billing_transfers b WHERE b.account_id = asked.value)",
    )
});

/// What an account's billing looks like to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BillingState {
    /// The parent pays.
    ParentBilled,
    /// A transfer is under way; the parent still pays.
    InProgress,
    /// The account pays for itself.
    Independent,
}

/// An account's billing, with the latest transfer if there was one.
#[derive(Debug, Clone)]
pub struct BillingView {
    /// The state.
    pub state: BillingState,
    /// The latest transfer.
    pub transfer: Option<billing_transfer::Model>,
}

impl Domain {
    /// The billing of each account. One without `BILLING` FULL is missing from the answer.
    pub async fn billing(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
    ) -> Result<HashMap<AccountId, BillingView>> {
        let visible: Vec<&AccountView> = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Billing, Level::Full))
            .collect();
        if visible.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<&str> = visible.iter().map(|account| account.id().as_str()).collect();
        let mut transfers = HashMap::new();
        for row in self.rows(&LATEST, &[Given::Texts(&ids)]).await? {
            let transfer = read(&row)?;
            transfers.insert(transfer.account_id.clone(), transfer);
        }
        Ok(visible
            .into_iter()
            .map(|account| {
                let transfer = transfers.remove(account.id());
                let state = state(account.row(), transfer.as_ref());
                (account.id().clone(), BillingView { state, transfer })
            })
            .collect())
    }
}

fn read(row: &Row) -> Result<billing_transfer::Model> {
    Ok(billing_transfer::Model {
        id: row.parsed(0)?,
        account_id: row.parsed(1)?,
        status: row.named(2)?,
        keep_agency_access: row.value(3)?,
        started_by: row.text(4)?.into_owned(),
        started_at: row.time(5)?,
        grace_ends_at: row.time(6)?,
        ended_at: row.value(7)?,
    })
}

fn state(account: &account::Model, latest: Option<&billing_transfer::Model>) -> BillingState {
    match (account.billing_mode, latest.map(|transfer| transfer.status)) {
        (BillingMode::Own, _) => BillingState::Independent,
        (BillingMode::Parent, Some(TransferStatus::InProgress)) => BillingState::InProgress,
        (BillingMode::Parent, _) => BillingState::ParentBilled,
    }
}
