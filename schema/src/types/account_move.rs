//! `AccountMove`.

use async_graphql::{ID, Object};
use canopy_domain::Result;
use canopy_domain::accounts::MoveChanges;

use super::access_change::AccessChange;
use super::limit_change::LimitChange;
use super::money::Money;
use super::payer_change::PayerChange;
use crate::scalars::{DateTime, int};

/// What the move of an account comes to.
pub(crate) struct AccountMove(MoveChanges);

impl From<MoveChanges> for AccountMove {
    fn from(changes: MoveChanges) -> Self {
        Self(changes)
    }
}

/// What the move of an account changes for all whom it concerns.
#[Object]
impl AccountMove {
    /// The first instant at which the account stands at its new place; null if it was not moved. Usage from before is sold
    /// by those above the old place, however late it is reported.
    async fn at(&self) -> Option<DateTime> {
        self.0.at.map(Into::into)
    }

    /// How many accounts move: the account and all below it.
    async fn accounts(&self) -> i32 {
        int(self.0.accounts)
    }

    /// Id of the parent that it leaves.
    async fn from(&self) -> ID {
        ID(self.0.from.to_string())
    }

    /// Id of the new parent.
    async fn to(&self) -> ID {
        ID(self.0.to.to_string())
    }

    /// Whose people and keys lose access to what moves, and whose gain it; from the top down.
    async fn access(&self) -> Vec<AccessChange> {
        self.0.access.iter().cloned().map(AccessChange::from).collect()
    }

    /// The account's limits that change, by resource.
    async fn limits(&self) -> Vec<LimitChange> {
        self.0.limits.iter().cloned().map(LimitChange::from).collect()
    }

    /// Who pays for what the account uses.
    async fn payer(&self) -> PayerChange {
        self.0.payer.clone().into()
    }

    /// Id of its plan before; null if it had none.
    async fn plan_before(&self) -> Option<ID> {
        self.0.plan_before.as_ref().map(|plan| ID(plan.to_string()))
    }

    /// Id of its plan after; null if it has none.
    async fn plan_after(&self) -> Option<ID> {
        self.0.plan_after.as_ref().map(|plan| ID(plan.to_string()))
    }

    /// What was left of the credits that the account was granted: it goes back to the parent that it leaves. What the
    /// account purchased stays its own.
    async fn credits_returned(&self) -> Result<Money> {
        Money::of_micros(self.0.credits_returned, &self.0.currency)
    }
}
