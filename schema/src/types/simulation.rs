//! `Simulation`.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use canopy_domain::entity::simulation::SimulationStatus as Status;
use canopy_domain::simulation::SimulationView;
use canopy_domain::{Error, Result};

use super::money::Money;
use super::rule_version::RuleVersion;
use super::simulation_account::{SimulationAccount, SimulationAccounts};
use super::simulation_status::{SimulationKind, SimulationStatus};
use crate::connection::{Connection, Edge, List, page};
use crate::loaders::reads;
use crate::scalars::{DateTime, Decimal, Json, int};
use crate::session::Session;

/// A simulation.
#[derive(Clone)]
pub(crate) struct Simulation(pub(crate) SimulationView);

impl From<SimulationView> for Simulation {
    fn from(view: SimulationView) -> Self {
        Self(view)
    }
}

impl Simulation {
    fn money(&self, micros: i64) -> Result<Money> {
        Money::of_micros(micros, &self.0.row.currency)
    }
}

/// Which stored usage a dry run takes, by the time at which it occurred.
#[derive(Debug, Clone, Copy, InputObject)]
pub(crate) struct SimulationPeriodInput {
    /// The first instant.
    pub(crate) from: DateTime,
    /// The first instant after it; later than `from`, by at most 366 days.
    pub(crate) to: DateTime,
}

/// Which usage a simulation takes, by the time at which it occurred.
#[derive(Debug, Clone, Copy, SimpleObject)]
pub(crate) struct SimulationPeriod {
    /// The first instant.
    from: DateTime,
    /// The first instant after it; null for a shadow, which goes on.
    to: Option<DateTime>,
}

/// What a rule version would have charged to its owner's customers, beside what they were charged. A dry run
/// takes stored usage, a shadow takes usage as it comes in. Nobody's price changes. Each event is asked about
/// with the facts and the cost that it had then; what the sellers above and below charge is not run again.
#[Object]
impl Simulation {
    /// The id, with the prefix `sim_`.
    async fn id(&self) -> ID {
        ID(self.0.row.id.to_string())
    }

    /// What it goes by.
    async fn kind(&self) -> SimulationKind {
        self.0.row.kind.into()
    }

    /// How far it is.
    async fn status(&self) -> SimulationStatus {
        self.0.row.status.into()
    }

    /// Id of the account that sells: the owner of the rule version.
    async fn account(&self) -> ID {
        ID(self.0.row.account_id.to_string())
    }

    /// The candidate.
    async fn rule_version(&self, ctx: &Context<'_>) -> Result<RuleVersion> {
        let id = self.0.row.rule_version_id.clone();
        let found = Session::caller(ctx)?
            .loaders
            .load(reads::RuleVersionsById, id)
            .await?;
        found
            .map(RuleVersion::from)
            .ok_or(Error::NotFound("rule version"))
    }

    /// What the candidate is called with in place of its own configuration; null if it is not replaced.
    async fn configuration(&self) -> Option<Json> {
        self.0.row.configuration.clone().map(Json)
    }

    /// Which usage it takes.
    async fn period(&self) -> SimulationPeriod {
        SimulationPeriod {
            from: self.0.row.period_from.into(),
            to: self.0.row.period_to.map(DateTime),
        }
    }

    /// How many events there are. Until it is DONE this counts whole days and events without a price, so it may
    /// be too high; 0 before a worker has taken it up.
    async fn events_total(&self) -> i32 {
        int(self.0.row.events_total.unsigned_abs())
    }

    /// How many events were run so far. While it is RUNNING it moves every half second, and the sums with it.
    async fn events_done(&self) -> i32 {
        int(self.0.row.events_done.unsigned_abs())
    }

    /// For how many of them the candidate has no price that may be charged: it failed or refused, or its price is
    /// negative, out of range or below the cost. They count on neither side of the sums.
    async fn failures(&self) -> i32 {
        int(self.0.row.failures.unsigned_abs())
    }

    /// What went wrong with the first of them.
    async fn failure_message(&self) -> Option<&str> {
        self.0.row.failure_message.as_deref()
    }

    /// How many events of the period wait for a price. They are not run, since neither their cost nor the usage
    /// before them is settled.
    async fn pending(&self) -> i32 {
        int(self.0.row.pending.unsigned_abs())
    }

    /// How many answers differ from their receipts in any byte: price, line items or reason. Null unless `verify`
    /// was asked.
    async fn differing(&self) -> Option<i32> {
        self.0.row.differing.map(|events| int(events.unsigned_abs()))
    }

    /// What was charged for the events that the candidate has a price for.
    async fn before(&self) -> Result<Money> {
        self.money(self.0.row.before_amount)
    }

    /// What the candidate charges for them.
    async fn after(&self) -> Result<Money> {
        self.money(self.0.row.after_amount)
    }

    /// `after` less `before`.
    async fn difference(&self) -> Result<Money> {
        self.money(self.0.row.after_amount - self.0.row.before_amount)
    }

    /// The size of the difference in percent of `before`, rounded up; null where nothing was charged before and
    /// something would be.
    async fn variance(&self) -> Option<Result<Decimal>> {
        self.0.variance().map(Decimal::of_micros)
    }

    /// The median of the change by event; null before it is DONE, or without events. The change of an event is
    /// what the candidate charges for it less what was charged. Percentiles are by nearest rank and within 1 % of
    /// a change that was really met at that place; within 4 % for a very wide spread of changes.
    async fn p50_change(&self) -> Option<Result<Money>> {
        self.0.row.p50_change.map(|change| self.money(change))
    }

    /// The 95th percentile of the change by event: 95 % of the events change by this or less, in the order from
    /// the largest decrease to the largest increase.
    async fn p95_change(&self) -> Option<Result<Money>> {
        self.0.row.p95_change.map(|change| self.money(change))
    }

    /// The accounts that used something, in the order of the tree; none before it is DONE.
    async fn accounts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Connection<SimulationAccounts>> {
        let page = page(ctx, first, after, last, before)?;
        let loaders = &Session::caller(ctx)?.loaders;
        let rows = loaders
            .load(reads::SimulationAccountsOf(page), self.0.clone())
            .await?;
        let currency = &self.0.row.currency;
        let rows = rows.unwrap_or_default().map(|row| SimulationAccount {
            row,
            currency: currency.clone(),
        });
        Ok(rows.into())
    }

    /// Where the results of all accounts can be downloaded as CSV, on this server, with the same credential; null
    /// before it is DONE.
    async fn csv_url(&self) -> Option<String> {
        let row = &self.0.row;
        (row.status == Status::Done).then(|| format!("/simulations/{}.csv", row.id))
    }

    /// When it was begun.
    async fn created_at(&self) -> DateTime {
        self.0.row.created_at.into()
    }

    /// When a worker took it up.
    async fn started_at(&self) -> Option<DateTime> {
        self.0.row.started_at.map(DateTime)
    }

    /// When it ended.
    async fn finished_at(&self) -> Option<DateTime> {
        self.0.row.finished_at.map(DateTime)
    }

    /// Why it FAILED.
    async fn error(&self) -> Option<&str> {
        self.0.row.error.as_deref()
    }
}

/// The simulations of an account.
pub(crate) struct Simulations;

impl List for Simulations {
    const NAME: &'static str = "Simulation";
    type Row = SimulationView;
    type Node = Simulation;
    type Edge = Edge<Self>;

    fn node(row: SimulationView) -> Simulation {
        row.into()
    }

    fn edge(cursor: String, row: SimulationView) -> Edge<Self> {
        Edge::new(cursor, row)
    }
}
