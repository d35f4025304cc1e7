//! `UsageTotal`.

use async_graphql::Object;
use canopy_domain::usage;

use super::money::Money;
use super::usage_aggregation::UsageAggregation;
use crate::scalars::{Decimal, signed_int};

/// The sum of one meter.
pub(crate) struct UsageTotal(usage::UsageTotal);

impl From<usage::UsageTotal> for UsageTotal {
    fn from(total: usage::UsageTotal) -> Self {
        Self(total)
    }
}

/// The usage of one meter over a whole period.
#[Object]
impl UsageTotal {
    /// What was measured.
    async fn meter(&self) -> &str {
        &self.0.meter
    }

    /// In what it is measured, as the account's plan declares the meter: SECOND, MINUTE, CREDIT, TOKEN, MESSAGE, or a word
    /// of the plan's own. Null if it does not say.
    async fn unit(&self) -> Option<&str> {
        self.0.unit.as_deref()
    }

    /// How it is added up, as the account's plan declares the meter.
    async fn aggregation(&self) -> UsageAggregation {
        self.0.aggregation.into()
    }

    /// How much, in the meter's unit: the sum, the count, the greatest or how many different ones, as `aggregation` says.
    async fn quantity(&self) -> Decimal {
        Decimal(self.0.quantity)
    }

    /// How many events stand. Below zero if more were taken out of closed periods than came in.
    async fn events(&self) -> i32 {
        signed_int(self.0.events)
    }

    /// What was charged for it so far: what each account with usage pays to its own seller. Events whose
    /// rating is pending are not in it.
    async fn amount(&self) -> Money {
        self.0.amount.clone().into()
    }
}
