//! `UsageHold`.

use async_graphql::{Context, ID, Object};
use canopy_domain::entity::usage_hold;
use canopy_domain::{Error, Result};

use super::money::Money;
use super::rule_version::RuleVersion;
use super::usage_hold_status::UsageHoldStatus;
use crate::connection::{Edge, List};
use crate::scalars::{DateTime, Decimal, Json};
use crate::session::Session;

/// A hold.
pub(crate) struct UsageHold(usage_hold::Model);

impl From<usage_hold::Model> for UsageHold {
    fn from(row: usage_hold::Model) -> Self {
        Self(row)
    }
}

/// Credits that are reserved for usage to come, of all on the path that would pay for it, at a price that stands until
/// the hold ends.
#[Object]
impl UsageHold {
    /// The id, with the prefix `hld_`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Id of the account whose usage it is for.
    async fn account_id(&self) -> ID {
        ID(self.0.account_id.to_string())
    }

    /// How it stands. EXPIRED from `expiresAt` on.
    async fn status(&self, ctx: &Context<'_>) -> UsageHoldStatus {
        self.0.status_at(Session::of(ctx).now()).into()
    }

    /// The key under which it was made, unique among the account's holds.
    async fn idempotency_key(&self) -> &str {
        &self.0.idempotency_key
    }

    /// What is to be measured.
    async fn meter(&self) -> &str {
        &self.0.meter
    }

    /// How much at most, in the meter's own unit.
    async fn quantity(&self) -> Result<Decimal> {
        Decimal::of_micros(self.0.quantity)
    }

    /// What the rules are told beside it: an object.
    async fn attributes(&self) -> Result<Json> {
        serde_json::from_str(&self.0.attributes)
            .map(Json)
            .map_err(Error::internal)
    }

    /// What the account pays for all of it, at most: what was quoted.
    async fn price(&self) -> Result<Money> {
        Money::of_micros(self.0.price, &self.0.currency)
    }

    /// Id of the rule version that prices it for the account, whichever is live meanwhile; null if the seller passes its
    /// cost through, or if the caller may not see the rule.
    async fn rule_version(&self, ctx: &Context<'_>) -> Option<Result<ID>> {
        RuleVersion::visible_id(ctx, self.0.rule_version_id.as_ref()).await
    }

    /// SHA-256 of the rule's wasm, in hexadecimal.
    async fn rule_digest(&self) -> Option<&str> {
        self.0.rule_digest.as_deref()
    }

    /// When it was quoted and made. The usage that is settled occurred then.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// The first instant at which it cannot be settled any more.
    async fn expires_at(&self) -> DateTime {
        self.0.expires_at.into()
    }

    /// When the credits went back or were charged; null while they are held, for a moment beyond `expiresAt` too.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }

    /// Id of the event that was charged; null unless it is SETTLED.
    async fn event_id(&self) -> Option<ID> {
        self.0.event_id.as_ref().map(|id| ID(id.to_string()))
    }
}

/// The holds of an account.
pub(crate) struct UsageHolds;

impl List for UsageHolds {
    const NAME: &'static str = "UsageHold";
    type Row = usage_hold::Model;
    type Node = UsageHold;
    type Edge = Edge<Self>;

    fn node(row: usage_hold::Model) -> UsageHold {
        row.into()
    }

    fn edge(cursor: String, row: usage_hold::Model) -> Edge<Self> {
        Edge::new(cursor, row)
    }
}
