//! `Credits`.

use async_graphql::Object;
use canopy_domain::ledger;

use super::money::Money;

/// The credits of one account.
pub(crate) struct Credits(ledger::Credits);

impl From<ledger::Credits> for Credits {
    fn from(credits: ledger::Credits) -> Self {
        Self(credits)
    }
}

/// What an account can spend, and what is held of it. No balance is ever below zero.
#[Object]
impl Credits {
    /// What it bought and has left.
    async fn purchased(&self) -> Money {
        self.0.purchased.clone().into()
    }

    /// What it was granted, or paid in advance, and has left.
    async fn pool(&self) -> Money {
        self.0.pool.clone().into()
    }

    /// What is held of both for usage to come: it is in neither, and comes back to them or is charged.
    async fn held(&self) -> Money {
        self.0.held.clone().into()
    }

    /// What is left and not held: `purchased` and `pool` together.
    async fn available(&self) -> Money {
        self.0.available.clone().into()
    }
}
