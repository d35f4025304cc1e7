//! `UsageBucket`.

use async_graphql::Object;
use canopy_domain::usage;

use super::money::Money;
use super::usage_aggregation::UsageAggregation;
use crate::scalars::{DateTime, Decimal, signed_int};

/// The sum of one meter in one bucket.
pub(crate) struct UsageBucket(usage::UsageBucket);

impl From<usage::UsageBucket> for UsageBucket {
    fn from(bucket: usage::UsageBucket) -> Self {
        Self(bucket)
    }
}

/// The usage of one meter in one hour, day or month.
#[Object]
impl UsageBucket {
    /// The bucket's first instant.
    async fn start(&self) -> DateTime {
        self.0.start.into()
    }

    /// What was measured.
    async fn meter(&self) -> &str {
        &self.0.total.meter
    }

    /// In what it is measured, as the account's plan declares the meter: SECOND, MINUTE, CREDIT, TOKEN, MESSAGE, or a word
    /// of the plan's own. Null if it does not say.
    async fn unit(&self) -> Option<&str> {
        self.0.total.unit.as_deref()
    }

    /// How it is added up, as the account's plan declares the meter.
    async fn aggregation(&self) -> UsageAggregation {
        self.0.total.aggregation.into()
    }

    /// How much, in the meter's unit: the sum, the count, the greatest or how many different ones, as `aggregation` says.
    async fn quantity(&self) -> Decimal {
        Decimal(self.0.total.quantity)
    }

    /// How many events stand. Below zero if more were taken out of closed periods than came in.
    async fn events(&self) -> i32 {
        signed_int(self.0.total.events)
    }

    /// What was charged for it so far: what each account with usage pays to its own seller. Events whose
    /// rating is pending are not in it.
    async fn amount(&self) -> Money {
        self.0.total.amount.clone().into()
    }
}
