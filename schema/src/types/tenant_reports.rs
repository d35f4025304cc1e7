//! What each account has, uses and owes: the fields of `Tenant` about limits, usage, money and rules.

use async_graphql::{Context, Object};
use canopy_domain::{AccountView, Result};

use super::billing_transfer::BillingTransfer;
use super::closed_period::ClosedPeriod;
use super::credits::Credits;
use super::granularity::Granularity;
use super::limits::Limits;
use super::rule_kind::RuleKind;
use super::rule_version::RuleVersions;
use super::simulation::Simulations;
use super::usage::Usage;
use super::usage_alert::UsageAlerts;
use super::usage_event::UsageEvents;
use super::usage_hold::UsageHolds;
use super::usage_period::{UsageArguments, UsagePeriodInput};
use super::webhook_endpoint::WebhookEndpoints;
use crate::authorization::gates;
use crate::connection::{Connection, page};
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::scalars::Decimal;
use crate::session::Session;

/// A part of `Account` and `Subaccount`.
pub(super) struct TenantReports(pub(super) AccountView);

#[Object]
impl TenantReports {
    /// How much of each resource the account may have and has, and what decided it. Null, with a FORBIDDEN
    /// error, without SETTINGS READ, and with RULE_FAILED where a limits rule fails.
    async fn limits(&self, ctx: &Context<'_>) -> Option<Result<Limits>> {
        let limits = async {
            let caller = gates::LIMITS.open(ctx, &self.0)?;
            let resources = caller
                .loaders
                .load(reads::Limits, self.0.clone())
                .await?
                .transpose()?;
            Ok(resources.map(|resources| Limits::new(self.0.clone(), resources)))
        };
        nullable(limits).await
    }

    /// Who pays for the account, and how far a transfer of billing to it got. Null, with a FORBIDDEN error,
    /// without BILLING FULL.
    async fn billing_transfer(&self, ctx: &Context<'_>) -> Option<Result<BillingTransfer>> {
        let billing = async {
            let caller = gates::BILLING_TRANSFER.open(ctx, &self.0)?;
            caller.loaders.load(reads::Billing, self.0.clone()).await
        };
        nullable(billing).await
    }

    /// What the account can spend. Null, with a FORBIDDEN error, without BILLING FULL. Also null, without an
    /// error, for a subaccount with creditMode MANUAL unless the caller's access comes from above: it does
    /// not see what its parent allocated to it.
    async fn credits(&self, ctx: &Context<'_>) -> Option<Result<Credits>> {
        let credits = async {
            let caller = gates::CREDITS.open(ctx, &self.0)?;
            caller.loaders.load(reads::CreditsOf, self.0.clone()).await
        };
        nullable(credits).await
    }

    /// Usage in sums. Null, with a FORBIDDEN error, without USAGE FULL.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which usage, by the time at which it occurred. The last 30 days if not given.")]
        period: Option<UsagePeriodInput>,
        #[graphql(
            desc = "The length of a bucket.",
            default_with = "UsageArguments::DEFAULT_GRANULARITY"
        )]
        granularity: Granularity,
        #[graphql(
            desc = "The time zone by whose clocks buckets begin: a name of the IANA database, as in `Asia/Kolkata`, or `ACCOUNT` for each account's own. UTC if not given."
        )]
        time_zone: Option<String>,
        #[graphql(desc = "Only these meters. All if not given.")] meters: Option<Vec<String>>,
        #[graphql(
            desc = "Whether the usage of all accounts below counts too: of those that stood below when it was used.",
            default
        )]
        include_descendants: bool,
    ) -> Option<Result<Usage>> {
        let usage = async {
            let caller = gates::USAGE.open(ctx, &self.0)?;
            let asked = UsageArguments {
                period,
                granularity,
                time_zone,
                meters,
                include_descendants,
                only_totals: !ctx.look_ahead().field("buckets").exists(),
            };
            let read = reads::UsageOf(asked.query(Session::of(ctx).now())?);
            let sums = caller.loaders.load(read, self.0.clone()).await?;
            Ok(sums.map(|sums| Usage::new(granularity, sums)))
        };
        nullable(usage).await
    }

    /// The last closed months of the account's tree in which the account may have used something, newest first; see
    /// UsageEvent.adjusts. Null, with a FORBIDDEN error, without USAGE FULL.
    async fn closed_periods(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "So many, 0 to 120.", default = 12)] first: i32,
    ) -> Option<Result<Vec<ClosedPeriod>>> {
        let closed = async {
            let caller = gates::CLOSED_PERIODS.open(ctx, &self.0)?;
            let closed = caller
                .loaders
                .load(reads::ClosedPeriods(first), self.0.clone())
                .await?;
            Ok(closed.map(|closed| closed.into_iter().map(ClosedPeriod::from).collect::<Vec<_>>()))
        };
        nullable(closed).await
    }

    /// The account's own usage events, in the order in which they were recorded. Null, with a FORBIDDEN
    /// error, without USAGE FULL.
    async fn usage_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<UsageEvents>>> {
        let rows = async {
            let caller = gates::USAGE_EVENTS.open(ctx, &self.0)?;
            let page = page(ctx, first, after, last, before)?;
            caller
                .loaders
                .load(reads::UsageEvents(page), self.0.clone())
                .await
        };
        nullable(rows).await
    }

    /// The thresholds on the account's usage, in the order in which they were made. Null, with a FORBIDDEN error,
    /// without USAGE FULL.
    async fn usage_alerts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<UsageAlerts>>> {
        let rows = async {
            let caller = gates::USAGE_ALERTS.open(ctx, &self.0)?;
            let page = page(ctx, first, after, last, before)?;
            caller
                .loaders
                .load(reads::UsageAlerts(page), self.0.clone())
                .await
        };
        nullable(rows).await
    }

    /// Where webhooks of the account go, in the order in which the endpoints were made. Null, with a FORBIDDEN error,
    /// without WEBHOOKS READ.
    async fn webhook_endpoints(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<WebhookEndpoints>>> {
        let rows = async {
            let caller = gates::WEBHOOK_ENDPOINTS.open(ctx, &self.0)?;
            let page = page(ctx, first, after, last, before)?;
            caller
                .loaders
                .load(reads::WebhookEndpoints(page), self.0.clone())
                .await
        };
        nullable(rows).await
    }

    /// What is or was held for the account's usage, in the order in which the holds were made. Null, with a FORBIDDEN
    /// error, without USAGE FULL.
    async fn usage_holds(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<UsageHolds>>> {
        let rows = async {
            let caller = gates::USAGE_HOLDS.open(ctx, &self.0)?;
            let page = page(ctx, first, after, last, before)?;
            caller.loaders.load(reads::UsageHolds(page), self.0.clone()).await
        };
        nullable(rows).await
    }

    /// The account's rule versions, in the order in which they were uploaded. Null, with a FORBIDDEN error,
    /// without BILLING FULL.
    async fn rule_versions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only rules of this kind. All if not given.")] kind: Option<RuleKind>,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<RuleVersions>>> {
        let rows = async {
            let caller = gates::RULE_VERSIONS.open(ctx, &self.0)?;
            let page = page(ctx, first, after, last, before)?;
            let read = reads::RuleVersions((kind.map(Into::into), page));
            caller.loaders.load(read, self.0.clone()).await
        };
        nullable(rows).await
    }

    /// The account's dry runs and shadows, in the order in which they were begun; the last 100 dry runs are kept.
    /// Null, with a FORBIDDEN error, without BILLING FULL.
    async fn simulations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many rows, 0 to 100. 25 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many rows, 0 to 100. Not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<Simulations>>> {
        let rows = async {
            let caller = gates::SIMULATIONS.open(ctx, &self.0)?;
            let page = page(ctx, first, after, last, before)?;
            caller
                .loaders
                .load(reads::Simulations(page), self.0.clone())
                .await
        };
        nullable(rows).await
    }

    /// The greatest variance in percent with which a PRICING version goes live without being confirmed; see
    /// setRuleGuard. Null if there is no guard; also, with a FORBIDDEN error, without BILLING FULL.
    async fn max_variance(&self, ctx: &Context<'_>) -> Option<Result<Decimal>> {
        let guard = async {
            let caller = gates::MAX_VARIANCE.open(ctx, &self.0)?;
            let percent = caller.loaders.load(reads::RuleGuards, self.0.clone()).await?;
            Ok(percent.map(Decimal))
        };
        nullable(guard).await
    }
}
