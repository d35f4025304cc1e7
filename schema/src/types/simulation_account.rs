//! `SimulationAccount`.

use async_graphql::{ID, Object};
use canopy_domain::Result;
use canopy_domain::simulation::{SimulationAccount as Row, variance};

use super::money::Money;
use crate::connection::{Edge, List};
use crate::scalars::{Decimal, int};

/// The part of one account in a simulation, with the currency of its money.
#[derive(Clone)]
pub(crate) struct SimulationAccount {
    pub(super) row: Row,
    pub(super) currency: String,
}

/// What a simulation came to for one account.
#[Object]
impl SimulationAccount {
    /// Id of the account that used something.
    async fn account(&self) -> ID {
        ID(self.row.account_id.to_string())
    }

    /// How many of its events were run.
    async fn events(&self) -> i32 {
        int(self.row.events.unsigned_abs())
    }

    /// For how many of them the candidate has no price that may be charged: it failed or refused, or its price is
    /// negative, out of range or below the cost. They count on neither side of the sums.
    async fn failures(&self) -> i32 {
        int(self.row.failures.unsigned_abs())
    }

    /// How many of its events wait for a price. They were not run.
    async fn pending(&self) -> i32 {
        int(self.row.pending.unsigned_abs())
    }

    /// What was charged for the events that the candidate has a price for.
    async fn before(&self) -> Result<Money> {
        Money::of_micros(self.row.before_amount, &self.currency)
    }

    /// What the candidate charges for them.
    async fn after(&self) -> Result<Money> {
        Money::of_micros(self.row.after_amount, &self.currency)
    }

    /// `after` less `before`.
    async fn difference(&self) -> Result<Money> {
        Money::of_micros(self.row.after_amount - self.row.before_amount, &self.currency)
    }

    /// The size of the difference in percent of `before`, rounded up; null where nothing was charged before and
    /// something would be.
    async fn variance(&self) -> Option<Result<Decimal>> {
        variance(self.row.before_amount, self.row.after_amount).map(Decimal::of_micros)
    }

    /// The median of the change by event. The change of an event is what the candidate charges for it less what
    /// was charged; see Simulation.p50Change.
    async fn p50_change(&self) -> Option<Result<Money>> {
        self.row
            .p50_change
            .map(|change| Money::of_micros(change, &self.currency))
    }

    /// The 95th percentile of the change by event: 95 % of the events change by this or less, in the order from
    /// the largest decrease to the largest increase.
    async fn p95_change(&self) -> Option<Result<Money>> {
        self.row
            .p95_change
            .map(|change| Money::of_micros(change, &self.currency))
    }
}

/// The accounts of a simulation.
pub(crate) struct SimulationAccounts;

impl List for SimulationAccounts {
    const NAME: &'static str = "SimulationAccount";
    type Row = SimulationAccount;
    type Node = SimulationAccount;
    type Edge = Edge<Self>;

    fn node(row: SimulationAccount) -> SimulationAccount {
        row
    }

    fn edge(cursor: String, row: SimulationAccount) -> Edge<Self> {
        Edge::new(cursor, row)
    }
}
