//! `PayerChange`.

use async_graphql::{ID, Object};
use canopy_domain::accounts;
use canopy_domain::entity::AccountId;

/// Who pays for what an account uses.
pub(crate) struct PayerChange(accounts::PayerChange);

impl From<accounts::PayerChange> for PayerChange {
    fn from(change: accounts::PayerChange) -> Self {
        Self(change)
    }
}

/// Who pays for what an account uses, before it is moved and after.
#[Object]
impl PayerChange {
    /// Id of the account that paid before: the nearest with its own billing, at the account or above.
    async fn before(&self) -> ID {
        ID(self.0.before.to_string())
    }

    /// Id of the account that pays after.
    async fn after(&self) -> ID {
        ID(self.0.after.to_string())
    }

    /// Ids of those who sold to it before, from the top down: each sells to the next one, and the last to the account.
    async fn sellers_before(&self) -> Vec<ID> {
        ids(&self.0.sellers_before)
    }

    /// Ids of those who sell to it after, from the top down.
    async fn sellers_after(&self) -> Vec<ID> {
        ids(&self.0.sellers_after)
    }
}

fn ids(accounts: &[AccountId]) -> Vec<ID> {
    accounts.iter().map(|id| ID(id.to_string())).collect()
}
