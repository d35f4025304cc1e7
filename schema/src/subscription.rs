//! The subscriptions.

use async_graphql::{Context, ID, Subscription as GraphqlSubscription};
use canopy_domain::entity::{AccountId, SimulationId};
use canopy_domain::events::FollowUsage;
use canopy_domain::{Error, Result, measures};
use futures_util::{Stream, StreamExt};

use crate::authorization::gates;
use crate::live;
use crate::loaders::reads;
use crate::types::rule_change_update::RuleChangeUpdate;
use crate::types::simulation::Simulation;
use crate::types::usage_alert_update::UsageAlertUpdate;

/// The root of all subscriptions.
pub struct Subscription;

/// What can be followed live, over WebSocket or server-sent events.
#[GraphqlSubscription]
impl Subscription {
    /// News of an account's usage, as soon as it is committed. Needs USAGE FULL, else FORBIDDEN; NOT_FOUND
    /// for an account out of scope. The stream ends with an error when the right is taken away.
    async fn usage_updates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account.")] account_id: ID,
        #[graphql(
            desc = "Whether the usage of all accounts below is told too: of those that stood below when it was used.",
            default
        )]
        include_descendants: bool,
        #[graphql(desc = "Only the usage of these meters, at most 50. Of all if not given.")] meters: Option<
            Vec<String>,
        >,
        #[graphql(
            desc = "Tells at most one update in so long, \"100ms\" to \"1h\", which stands for all events since the \
                    last one. Each event by itself if not given."
        )]
        every: Option<String>,
        #[graphql(
            desc = "The cursor of the last update seen: the stream goes on behind it. From now on if none."
        )]
        after: Option<String>,
    ) -> Result<live::Updates> {
        // Only `live` can give one: for a subscriber whose stream has passed the gates below and looks at its rights.
        if let Some(update) = live::given(ctx) {
            return Ok(update);
        }
        let caller = gates::USAGE_UPDATES.caller(ctx)?;
        let missing = Error::NotFound("account");
        let id = AccountId::parse(&account_id).map_err(|_| missing.clone())?;
        let account = caller.loaders.load(reads::Accounts, id).await?.ok_or(missing)?;
        gates::USAGE_UPDATES.open(ctx, &account)?;
        let not_a_duration = || Error::bad_input(&["every"], format!("This is not {}.", measures::DURATION));
        let every = every.map(|text| measures::duration(&text).ok_or_else(not_a_duration));
        let follow = FollowUsage {
            include_descendants,
            meters,
            every: every.transpose()?,
            after: after.as_deref(),
        };
        let domain = caller.domain();
        let updates = domain.usage_updates(caller.actor(), &account, follow).await?;
        Ok(live::hand_over(ctx, updates))
    }

    /// News of the thresholds on an account's usage, as soon as they are reached: one update for each period in which
    /// an alert is. Needs USAGE FULL, else FORBIDDEN; NOT_FOUND for an account out of scope. The stream ends with an
    /// error when the right is taken away.
    async fn usage_alerts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account.")] account_id: ID,
        #[graphql(desc = "Whether the alerts of all accounts below are told too.", default)]
        include_descendants: bool,
        #[graphql(
            desc = "The cursor of the last update seen: the stream goes on behind it. From now on if none."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<UsageAlertUpdate>> + use<>> {
        let caller = gates::FOLLOW_USAGE_ALERTS.caller(ctx)?;
        let missing = Error::NotFound("account");
        let id = AccountId::parse(&account_id).map_err(|_| missing.clone())?;
        let account = caller.loaders.load(reads::Accounts, id).await?.ok_or(missing)?;
        gates::FOLLOW_USAGE_ALERTS.open(ctx, &account)?;
        let domain = caller.domain();
        let updates = domain
            .usage_alert_updates(caller.actor(), &account, include_descendants, after.as_deref())
            .await?;
        Ok(updates.map(|update| update.map(UsageAlertUpdate::from)))
    }

    /// News of an account's own rules, as soon as it is committed: each step in the life of their versions, a
    /// quarantine among them. Needs BILLING FULL, else FORBIDDEN; NOT_FOUND for an account out of scope. The
    /// stream ends with an error when the right is taken away.
    async fn rule_changes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account.")] account_id: ID,
        #[graphql(
            desc = "The cursor of the last update seen: the stream goes on behind it. From now on if none."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<RuleChangeUpdate>> + use<>> {
        let caller = gates::RULE_CHANGES.caller(ctx)?;
        let missing = Error::NotFound("account");
        let id = AccountId::parse(&account_id).map_err(|_| missing.clone())?;
        let account = caller.loaders.load(reads::Accounts, id).await?.ok_or(missing)?;
        gates::RULE_CHANGES.open(ctx, &account)?;
        let domain = caller.domain();
        let updates = domain
            .rule_changes(caller.actor(), &account, after.as_deref())
            .await?;
        Ok(updates.map(|update| update.map(RuleChangeUpdate::from)))
    }

    /// A simulation as it is now, and again each time that it has moved. The stream ends with the simulation, or
    /// with an error when the right is taken away. Needs BILLING FULL at its account; NOT_FOUND without.
    async fn simulation_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The simulation's id.")] id: ID,
    ) -> Result<impl Stream<Item = Result<Simulation>> + use<>> {
        let caller = gates::SIMULATION_PROGRESS.caller(ctx)?;
        let id = SimulationId::parse(&id).map_err(|_| Error::NotFound("simulation"))?;
        let progress = caller.domain().simulation_progress(caller.actor(), &id).await?;
        Ok(progress.map(|view| view.map(Simulation::from)))
    }
}
