//! `UsageSum`.

use async_graphql::{Context, ID, Object};
use canopy_domain::{Result, events};

use super::money::Money;
use super::tenant::Tenant;
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::scalars::Decimal;
use crate::session::Session;

/// What an update adds to the usage of an account.
pub(crate) struct UsageSum(events::UsageSum);

impl From<events::UsageSum> for UsageSum {
    fn from(sum: events::UsageSum) -> Self {
        Self(sum)
    }
}

/// What an update adds to the usage of one account and meter.
#[Object]
impl UsageSum {
    /// Id of the account.
    async fn account_id(&self) -> ID {
        ID(self.0.account.to_string())
    }

    /// The account; null if it has since left the caller's scope.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Tenant>> {
        let id = self.0.account.clone();
        nullable(async { Session::caller(ctx)?.loaders.load(reads::Accounts, id).await }).await
    }

    /// What was measured.
    async fn meter(&self) -> &str {
        &self.0.meter
    }

    /// How much was recorded, in the meter's own unit, added up whatever the meter's aggregation is: what a greatest value, or
    /// a count of different values, has come to is told by `usage`.
    async fn quantity(&self) -> Decimal {
        Decimal(self.0.quantity)
    }

    /// How many events were recorded; less than none if more were taken out by corrections.
    async fn events(&self) -> i32 {
        i32::try_from(self.0.events).unwrap_or(i32::MAX)
    }

    /// What the account is charged by its own seller: for what was recorded, and for what was recorded before and has
    /// its price only now. Null if none of it has a price, or if nobody sells to the account.
    async fn amount(&self) -> Option<Money> {
        self.0.amount.clone().map(Money::from)
    }
}
