//! `Money`.

use async_graphql::Object;
use canopy_domain::{Error, Micros, Result};

use crate::scalars::Decimal;

/// An amount of money.
pub(crate) struct Money(canopy_domain::Money);

impl From<canopy_domain::Money> for Money {
    fn from(money: canopy_domain::Money) -> Self {
        Self(money)
    }
}

impl Money {
    /// The stored amount, in micro-units of the currency.
    pub(crate) fn of_micros(micros: i64, currency: &str) -> Result<Self> {
        Ok(Self(canopy_domain::Money {
            amount: Micros::new(micros).map_err(Error::internal)?,
            currency: currency.to_owned(),
        }))
    }
}

/// An amount of money, exact.
#[Object]
impl Money {
    /// How much, in units of the currency; micro-units are kept.
    async fn amount(&self) -> Decimal {
        Decimal(self.0.amount)
    }

    /// Which currency: an ISO 4217 code.
    async fn currency(&self) -> &str {
        &self.0.currency
    }
}
