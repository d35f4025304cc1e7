//! `LineItem`.

use async_graphql::Object;
use canopy_domain::Result;
use serde::Deserialize;

use super::money::Money;
use crate::scalars::Decimal;

/// A line of a receipt, as it is stored.
#[derive(Debug, Clone, Deserialize)]
struct Stored {
    description: String,
    quantity: i64,
    amount: i64,
}

/// A line of a receipt.
pub(crate) struct LineItem {
    stored: Stored,
    currency: String,
}

impl LineItem {
    /// The lines of a stored receipt, whose amounts are in `currency`.
    pub(super) fn list(stored: &serde_json::Value, currency: &str) -> serde_json::Result<Vec<Self>> {
        let items = Vec::<Stored>::deserialize(stored)?.into_iter();
        let wrap = |stored| Self {
            stored,
            currency: currency.to_owned(),
        };
        Ok(items.map(wrap).collect())
    }
}

/// A part of a price, as the seller's rule explains it.
#[Object]
impl LineItem {
    /// What it is for.
    async fn description(&self) -> &str {
        &self.stored.description
    }

    /// The quantity that it charges for.
    async fn quantity(&self) -> Result<Decimal> {
        Decimal::of_micros(self.stored.quantity)
    }

    /// How much; negative for a discount.
    async fn amount(&self) -> Result<Money> {
        Money::of_micros(self.stored.amount, &self.currency)
    }
}
