//! `UsageAlertCrossing`.

use async_graphql::{ID, Object};
use canopy_domain::Result;
use canopy_domain::entity::usage_alert_crossing;

use super::alert_period::AlertPeriod;
use super::money::Money;
use crate::connection::{Edge, List};
use crate::scalars::{DateTime, Decimal};

/// That usage reached a threshold.
pub(crate) struct UsageAlertCrossing(usage_alert_crossing::Model);

impl From<usage_alert_crossing::Model> for UsageAlertCrossing {
    fn from(row: usage_alert_crossing::Model) -> Self {
        Self(row)
    }
}

/// That usage reached the threshold of an alert, and the alert as it was then. It is never changed.
#[Object]
impl UsageAlertCrossing {
    /// The id, with the prefix `alc_`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Id of the alert, which may have been changed or deleted since.
    async fn alert_id(&self) -> ID {
        ID(self.0.alert_id.to_string())
    }

    /// Id of the account whose usage it is.
    async fn account_id(&self) -> ID {
        ID(self.0.account_id.to_string())
    }

    /// What the alert was called.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What was measured.
    async fn meter(&self) -> &str {
        &self.0.meter
    }

    /// What was added up.
    async fn period(&self) -> AlertPeriod {
        self.0.period.into()
    }

    /// The first instant of the period, which is over if what reached the threshold was reported late.
    async fn period_start(&self) -> DateTime {
        self.0.period_start.into()
    }

    /// Whether the usage of all accounts below counted too.
    async fn include_descendants(&self) -> bool {
        self.0.include_descendants
    }

    /// The threshold, if it was a quantity of the meter.
    async fn threshold_quantity(&self) -> Option<Result<Decimal>> {
        self.0.threshold_quantity.map(Decimal::of_micros)
    }

    /// The threshold, if it was what the account is charged.
    async fn threshold_amount(&self) -> Option<Result<Money>> {
        let amount = self.0.threshold_amount?;
        Some(Money::of_micros(amount, &self.0.currency))
    }

    /// What had been used in the period by then, in the meter's own unit, as `usage` told it. It stays if the usage is
    /// corrected.
    async fn quantity(&self) -> Result<Decimal> {
        Decimal::of_micros(self.0.quantity)
    }

    /// What had been charged for it by then.
    async fn amount(&self) -> Result<Money> {
        Money::of_micros(self.0.amount, &self.0.currency)
    }

    /// When it was reached: when the usage was recorded, corrected or got its price, or the alert was made or changed.
    async fn crossed_at(&self) -> DateTime {
        self.0.crossed_at.into()
    }
}

/// When an alert was reached.
pub(crate) struct UsageAlertCrossings;

impl List for UsageAlertCrossings {
    const NAME: &'static str = "UsageAlertCrossing";
    type Row = usage_alert_crossing::Model;
    type Node = UsageAlertCrossing;
    type Edge = Edge<Self>;

    fn node(row: usage_alert_crossing::Model) -> UsageAlertCrossing {
        row.into()
    }

    fn edge(cursor: String, row: usage_alert_crossing::Model) -> Edge<Self> {
        Edge::new(cursor, row)
    }
}
