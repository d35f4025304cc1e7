//! Who pays: the state of billing between a parent and its subaccount.

use std::collections::HashMap;

use canopy_entity::account::BillingMode;
use canopy_entity::billing_transfer::TransferStatus;
use canopy_entity::{AccountId, Level, PermissionKey, account, billing_transfer};
use sea_orm::FromQueryResult;

use crate::statement::{list, statement};
use crate::{AccountView, Actor, Domain, Result};

/// The latest transfer of each account: ids grow with time.
const LATEST: &str = "
SELECT * FROM billing_transfers
WHERE id IN (SELECT max(id) FROM billing_transfers WHERE account_id IN [$1] GROUP BY account_id)
";

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
        let db = &self.0.db;
        let ids = list(visible.iter().map(|account| account.id()));
        let latest = statement(db.get_database_backend(), LATEST, [ids]);
        let mut transfers: HashMap<AccountId, billing_transfer::Model> =
            billing_transfer::Model::find_by_statement(latest)
                .all(db)
                .await?
                .into_iter()
                .map(|transfer| (transfer.account_id.clone(), transfer))
                .collect();
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

fn state(account: &account::Model, latest: Option<&billing_transfer::Model>) -> BillingState {
    match (account.billing_mode, latest.map(|transfer| transfer.status)) {
        (BillingMode::Own, _) => BillingState::Independent,
        (BillingMode::Parent, Some(TransferStatus::InProgress)) => BillingState::InProgress,
        (BillingMode::Parent, _) => BillingState::ParentBilled,
    }
}
