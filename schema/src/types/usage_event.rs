//! `UsageEvent`.

use async_graphql::{Context, ID, Object};
use canopy_domain::entity::usage_event;
use canopy_domain::{Error, Result};

use super::rating::Rating;
use super::rating_status::RatingStatus;
use super::tenant::Tenant;
use super::usage_correction::UsageCorrection;
use crate::connection::{Edge, List};
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::scalars::{DateTime, Decimal, Json};
use crate::session::Session;

/// A usage event.
pub(crate) struct UsageEvent(usage_event::Model);

impl From<usage_event::Model> for UsageEvent {
    fn from(row: usage_event::Model) -> Self {
        Self(row)
    }
}

/// Something that an account used, as it was reported, or a correction of that. It never changes; its ratings may come
/// later.
#[Object]
impl UsageEvent {
    /// The id, with the prefix `evt_`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The account that used it; null if the account has since left the caller's scope.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Tenant>> {
        let id = self.0.account_id.clone();
        nullable(async { Session::caller(ctx)?.loaders.load(reads::Accounts, id).await }).await
    }

    /// What was measured.
    async fn meter(&self) -> &str {
        &self.0.meter
    }

    /// How much, in the meter's own unit. Negative if it takes another event out.
    async fn quantity(&self) -> Result<Decimal> {
        Decimal::of_micros(self.0.quantity)
    }

    /// When it was used.
    async fn occurred_at(&self) -> DateTime {
        self.0.occurred_at.into()
    }

    /// When it counts in the sums: as it occurred, unless the month of that was closed.
    async fn counted_at(&self) -> DateTime {
        self.0.counts_at().into()
    }

    /// The first instant of the closed month that it adjusts: it counts later, as nothing is added to that one. Null if it
    /// counts as it occurred.
    async fn adjusts(&self) -> Option<DateTime> {
        self.0.adjusts.map(DateTime::from)
    }

    /// When Canopy took it in.
    async fn recorded_at(&self) -> DateTime {
        self.0.recorded_at.into()
    }

    /// The reporter's key for it, unique within the account.
    async fn idempotency_key(&self) -> &str {
        &self.0.idempotency_key
    }

    /// What else the reporter told: an object.
    async fn attributes(&self) -> Result<Json> {
        serde_json::from_str(&self.0.attributes)
            .map(Json)
            .map_err(Error::internal)
    }

    /// Whether it has its price.
    async fn rating_status(&self) -> RatingStatus {
        self.0.rating_status.into()
    }

    /// What it corrects, and why; null if it was reported as usage.
    async fn correction(&self) -> Option<UsageCorrection> {
        UsageCorrection::of(&self.0)
    }

    /// What each seller of the chain charged its buyer for it, from the top of the tree down, as far as the
    /// buyers are in the caller's scope. Empty while ratingStatus is PENDING, and for the usage of a root,
    /// which nobody sells to.
    async fn ratings(&self, ctx: &Context<'_>) -> Result<Vec<Rating>> {
        let caller = Session::caller(ctx)?;
        let ratings = caller.loaders.load(reads::RatingsOf, self.0.clone()).await?;
        Ok(ratings
            .unwrap_or_default()
            .into_iter()
            .map(Rating::from)
            .collect())
    }
}

/// The usage events of an account.
pub(crate) struct UsageEvents;

impl List for UsageEvents {
    const NAME: &'static str = "UsageEvent";
    type Row = usage_event::Model;
    type Node = UsageEvent;
    type Edge = Edge<Self>;

    fn node(row: usage_event::Model) -> UsageEvent {
        row.into()
    }

    fn edge(cursor: String, row: usage_event::Model) -> Edge<Self> {
        Edge::new(cursor, row)
    }
}
