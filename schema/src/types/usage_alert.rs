//! `UsageAlert`.

use async_graphql::{Context, ID, Object};
use canopy_domain::Result;
use canopy_domain::entity::usage_alert;

use super::alert_period::AlertPeriod;
use super::money::Money;
use super::usage_alert_crossing::UsageAlertCrossings;
use crate::connection::{Connection, Edge, List, page};
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::scalars::{DateTime, Decimal};
use crate::session::Session;

/// A threshold on usage.
pub(crate) struct UsageAlert(usage_alert::Model);

impl From<usage_alert::Model> for UsageAlert {
    fn from(row: usage_alert::Model) -> Self {
        Self(row)
    }
}

/// A threshold on the usage of an account. It is told once in each period in which it is reached; see usageAlerts of
/// Subscription.
#[Object]
impl UsageAlert {
    /// The id, with the prefix `alr_`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Id of the account whose usage it is about.
    async fn account_id(&self) -> ID {
        ID(self.0.account_id.to_string())
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What is measured.
    async fn meter(&self) -> &str {
        &self.0.meter
    }

    /// What is added up, by when the usage counts, in UTC.
    async fn period(&self) -> AlertPeriod {
        self.0.period.into()
    }

    /// Whether the usage of all accounts below counts too.
    async fn include_descendants(&self) -> bool {
        self.0.include_descendants
    }

    /// The threshold, if it is a quantity of the meter, added up as the account's plan has it.
    async fn threshold_quantity(&self) -> Option<Result<Decimal>> {
        self.0.quantity.map(Decimal::of_micros)
    }

    /// The threshold, if it is what the account is charged.
    async fn threshold_amount(&self) -> Option<Result<Money>> {
        let amount = self.0.amount?;
        Some(Money::of_micros(amount, &self.0.currency))
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        self.0.updated_at.into()
    }

    /// When it was reached, in the order in which that happened.
    async fn crossings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<UsageAlertCrossings>>> {
        let rows = async {
            let caller = Session::caller(ctx)?;
            let page = page(ctx, first, after, last, before)?;
            let read = reads::UsageAlertCrossings(page);
            caller.loaders.load(read, self.0.clone()).await
        };
        nullable(rows).await
    }
}

/// The alerts of an account.
pub(crate) struct UsageAlerts;

impl List for UsageAlerts {
    const NAME: &'static str = "UsageAlert";
    type Row = usage_alert::Model;
    type Node = UsageAlert;
    type Edge = Edge<Self>;

    fn node(row: usage_alert::Model) -> UsageAlert {
        row.into()
    }

    fn edge(cursor: String, row: usage_alert::Model) -> Edge<Self> {
        Edge::new(cursor, row)
    }
}
