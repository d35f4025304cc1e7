//! `AccessChange`.

use async_graphql::{ID, Object};
use canopy_domain::accounts;

use crate::scalars::int;

/// An account whose people and keys gain or lose access.
pub(crate) struct AccessChange(accounts::AccessChange);

impl From<accounts::AccessChange> for AccessChange {
    fn from(change: accounts::AccessChange) -> Self {
        Self(change)
    }
}

/// An account whose people and API keys gain or lose access to what moves, as it comes to stand below it or leaves it.
#[Object]
impl AccessChange {
    /// Id of the account.
    async fn account(&self) -> ID {
        ID(self.0.account_id.to_string())
    }

    /// True if they gain access, false if they lose it.
    async fn gains(&self) -> bool {
        self.0.gains
    }

    /// How many members the account has.
    async fn members(&self) -> i32 {
        int(self.0.members)
    }

    /// How many API keys of the account hold.
    async fn api_keys(&self) -> i32 {
        int(self.0.api_keys)
    }
}
