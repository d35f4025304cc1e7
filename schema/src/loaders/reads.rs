//! The reads that resolvers gather: one per service of the domain and set of arguments.

use std::collections::HashMap;
use std::sync::Arc;

use canopy_domain::billing::BillingView;
use canopy_domain::entity::rule_version::RuleKind;
use canopy_domain::entity::webhook_delivery::DeliveryStatus;
use canopy_domain::entity::{
    AccountId, MemberId, PlanId, RatingId, RuleVersionId, SimulationId, UsageAlertId, UsageEventId,
    UsageHoldId, WebhookDeliveryId, WebhookEndpointId,
};
use canopy_domain::entity::{
    api_key, plan, rating, rule_failure, usage_alert, usage_alert_crossing, usage_event, usage_hold,
    webhook_attempt, webhook_delivery, webhook_endpoint,
};
use canopy_domain::ledger::Credits;
use canopy_domain::limits::{LimitSteps, ResourceLimit};
use canopy_domain::members::{AccessibleAccount, MemberView, Person};
use canopy_domain::receipts::{PriceStep, RuleRun};
use canopy_domain::rules::{Quarantine, RuleChange, RuleCheckReport, RuleVersionView};
use canopy_domain::simulation::{SimulationAccount, SimulationView};
use canopy_domain::usage::{ClosedPeriod, UsageQuery, UsageView};
use canopy_domain::{AccountView, Micros, Page, PageArgs, Result};
use futures_util::future::BoxFuture;

use super::Read;
use crate::session::Reader;

/// What tells one parent of a read from another.
pub(crate) trait Parent {
    /// The id by which it is known.
    type Key;

    /// Its id.
    fn key(&self) -> Self::Key;
}

impl Parent for AccountView {
    type Key = AccountId;

    fn key(&self) -> AccountId {
        self.id().clone()
    }
}

impl Parent for usage_event::Model {
    type Key = UsageEventId;

    fn key(&self) -> UsageEventId {
        self.id.clone()
    }
}

impl Parent for usage_alert::Model {
    type Key = UsageAlertId;

    fn key(&self) -> UsageAlertId {
        self.id.clone()
    }
}

impl Parent for webhook_endpoint::Model {
    type Key = WebhookEndpointId;

    fn key(&self) -> WebhookEndpointId {
        self.id.clone()
    }
}

impl Parent for webhook_delivery::Model {
    type Key = WebhookDeliveryId;

    fn key(&self) -> WebhookDeliveryId {
        self.id.clone()
    }
}

impl Parent for rating::Model {
    type Key = RatingId;

    fn key(&self) -> RatingId {
        self.id.clone()
    }
}

impl Parent for RuleVersionView {
    type Key = RuleVersionId;

    fn key(&self) -> RuleVersionId {
        self.row.id.clone()
    }
}

impl Parent for SimulationView {
    type Key = SimulationId;

    fn key(&self) -> SimulationId {
        self.row.id.clone()
    }
}

/// Ids are their own keys; `()` stands for the actor, of whom there is one.
macro_rules! own_key {
    ($($id:ty),*) => {$(
        impl Parent for $id {
            type Key = $id;

            fn key(&self) -> $id {
                self.clone()
            }
        }
    )*};
}

own_key!(
    AccountId,
    MemberId,
    PlanId,
    RatingId,
    RuleVersionId,
    SimulationId,
    UsageEventId,
    UsageHoldId,
    ()
);

/// The answer about the actor, as a read for one parent.
fn about_actor<T>(answer: T) -> HashMap<(), T> {
    HashMap::from([((), answer)])
}

macro_rules! reads {
    ($(
        $(#[$doc:meta])*
        $name:ident $(($argument:ty))? of $parent:ty => $value:ty,
        |$this:ident, $reader:ident, $parents:ident| $call:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(PartialEq)]
        pub(crate) struct $name $((pub(crate) $argument))?;

        impl Read<Arc<Reader>> for $name {
            type Parent = $parent;
            type Key = <$parent as Parent>::Key;
            type Value = $value;

            fn key(parent: &$parent) -> Self::Key {
                Parent::key(parent)
            }

            fn read(
                self: Box<Self>,
                reader: Arc<Reader>,
                parents: Vec<$parent>,
            ) -> BoxFuture<'static, Result<HashMap<Self::Key, $value>>> {
                Box::pin(async move {
                    let ($this, $reader, $parents) = (&*self, &*reader, parents.as_slice());
                    $call
                })
            }
        }
    )*};
}

reads! {
    /// Accounts by id.
    Accounts of AccountId => AccountView,
    |_read, reader, ids| reader.domain.accounts(&reader.actor, ids).await;

    /// The ancestors of an account that are in scope, from the topmost down.
    Ancestors of AccountView => Vec<AccountView>,
    |_read, reader, accounts| reader.domain.ancestors(&reader.actor, accounts).await;

    /// A page of an account's children.
    Subaccounts(PageArgs) of AccountView => Page<AccountView>,
    |read, reader, accounts| reader.domain.subaccounts(&reader.actor, accounts, &read.0).await;

    /// A page of an account's members.
    Members(PageArgs) of AccountView => Page<MemberView>,
    |read, reader, accounts| reader.domain.members(&reader.actor, accounts, &read.0).await;

    /// A page of an account's API keys.
    ApiKeys(PageArgs) of AccountView => Page<api_key::Model>,
    |read, reader, accounts| reader.domain.pages_of_api_keys(&reader.actor, accounts, &read.0).await;

    /// An account's limits; the failure of a rule is that of its own accounts.
    Limits of AccountView => Result<Vec<ResourceLimit>>,
    |_read, reader, accounts| reader.domain.limits(&reader.actor, accounts).await;

    /// How an account's limits came about.
    LimitExplanations of AccountView => Result<LimitSteps>,
    |_read, reader, accounts| reader.domain.explain_limits(&reader.actor, accounts, &reader.reruns).await;

    /// Who pays for an account.
    Billing of AccountView => BillingView,
    |_read, reader, accounts| reader.domain.billing(&reader.actor, accounts).await;

    /// An account's credits.
    CreditsOf of AccountView => Credits,
    |_read, reader, accounts| reader.domain.credits(&reader.actor, accounts).await;

    /// An account's usage, in sums.
    UsageOf(UsageQuery) of AccountView => UsageView,
    |read, reader, accounts| reader.domain.usage(&reader.actor, accounts, &read.0).await;

    /// The last closed months of an account, as many as given.
    ClosedPeriods(i32) of AccountView => Vec<ClosedPeriod>,
    |read, reader, accounts| reader.domain.closed_periods(&reader.actor, accounts, read.0).await;

    /// A page of an account's usage events.
    UsageEvents(PageArgs) of AccountView => Page<usage_event::Model>,
    |read, reader, accounts| reader.domain.usage_events(&reader.actor, accounts, &read.0).await;

    /// A page of an account's alerts.
    UsageAlerts(PageArgs) of AccountView => Page<usage_alert::Model>,
    |read, reader, accounts| reader.domain.usage_alerts(&reader.actor, accounts, &read.0).await;

    /// A page of an alert's crossings.
    UsageAlertCrossings(PageArgs) of usage_alert::Model => Page<usage_alert_crossing::Model>,
    |read, reader, alerts| reader.domain.usage_alert_crossings(&reader.actor, alerts, &read.0).await;

    /// A page of an account's endpoints of webhooks.
    WebhookEndpoints(PageArgs) of AccountView => Page<webhook_endpoint::Model>,
    |read, reader, accounts| reader.domain.webhook_endpoints(&reader.actor, accounts, &read.0).await;

    /// A page of an endpoint's messages, of one status or of all.
    WebhookDeliveries((Option<DeliveryStatus>, PageArgs)) of webhook_endpoint::Model => Page<webhook_delivery::Model>,
    |read, reader, endpoints| {
        let (status, page) = &read.0;
        reader.domain.webhook_deliveries(&reader.actor, endpoints, *status, page).await
    };

    /// The tries to deliver a message.
    WebhookAttempts of webhook_delivery::Model => Vec<webhook_attempt::Model>,
    |_read, reader, deliveries| reader.domain.webhook_attempts(&reader.actor, deliveries).await;

    /// A page of an account's holds.
    UsageHolds(PageArgs) of AccountView => Page<usage_hold::Model>,
    |read, reader, accounts| reader.domain.usage_holds(&reader.actor, accounts, &read.0).await;

    /// Holds by id.
    UsageHoldsById of UsageHoldId => usage_hold::Model,
    |_read, reader, ids| reader.domain.usage_holds_by_id(&reader.actor, ids).await;

    /// A page of an account's rule versions, of one kind or of all.
    RuleVersions((Option<RuleKind>, PageArgs)) of AccountView => Page<RuleVersionView>,
    |read, reader, accounts| {
        let (kind, page) = &read.0;
        reader.domain.rule_versions(&reader.actor, accounts, *kind, page).await
    };

    /// Simulations by id.
    SimulationsById of SimulationId => SimulationView,
    |_read, reader, ids| reader.domain.simulations_by_id(&reader.actor, ids).await;

    /// A page of an account's simulations.
    Simulations(PageArgs) of AccountView => Page<SimulationView>,
    |read, reader, accounts| reader.domain.simulations(&reader.actor, accounts, &read.0).await;

    /// A page of a simulation's accounts.
    SimulationAccountsOf(PageArgs) of SimulationView => Page<SimulationAccount>,
    |read, reader, views| reader.domain.simulation_accounts(&reader.actor, views, &read.0).await;

    /// The last shadow of a rule version.
    ShadowsOf of RuleVersionView => SimulationView,
    |_read, reader, versions| reader.domain.shadows_of(&reader.actor, versions).await;

    /// The greatest variance that an account's guard allows, in percent.
    RuleGuards of AccountView => Micros,
    |_read, reader, accounts| reader.domain.rule_guards(&reader.actor, accounts).await;

    /// Memberships by id.
    MembersById of MemberId => MemberView,
    |_read, reader, ids| reader.domain.members_by_id(&reader.actor, ids).await;

    /// The plan of an account.
    PlanOf of AccountView => Arc<plan::Model>,
    |_read, reader, accounts| reader.domain.plans_of(&reader.actor, accounts).await;

    /// Plans by id.
    Plans of PlanId => plan::Model,
    |_read, reader, ids| reader.domain.plans(&reader.actor, ids).await;

    /// Rule versions by id.
    RuleVersionsById of RuleVersionId => RuleVersionView,
    |_read, reader, ids| reader.domain.rule_versions_by_id(&reader.actor, ids).await;

    /// The last steps in the life of a rule version, as many as given.
    RuleHistory(i32) of RuleVersionView => Vec<RuleChange>,
    |read, reader, versions| reader.domain.rule_history(&reader.actor, versions, read.0).await;

    /// What a rule version failed on last, as many as given.
    RuleFailures(i32) of RuleVersionView => Vec<rule_failure::Model>,
    |read, reader, versions| reader.domain.rule_failures(&reader.actor, versions, read.0).await;

    /// Why a rule version is in quarantine.
    Quarantines of RuleVersionView => Quarantine,
    |_read, reader, versions| reader.domain.rule_quarantines(&reader.actor, versions).await;

    /// The JSON Schema of a rule version's configuration.
    ConfigurationSchemas of RuleVersionView => serde_json::Value,
    |_read, reader, versions| reader.domain.configuration_schemas(&reader.actor, versions).await;

    /// The last check that a rule version passed.
    CheckReports of RuleVersionView => RuleCheckReport,
    |_read, reader, versions| reader.domain.rule_check_reports(&reader.actor, versions).await;

    /// Usage events by id.
    UsageEventsById of UsageEventId => usage_event::Model,
    |_read, reader, ids| reader.domain.usage_events_by_id(&reader.actor, ids).await;

    /// Ratings by id.
    RatingsById of RatingId => rating::Model,
    |_read, reader, ids| reader.domain.ratings_by_id(&reader.actor, ids).await;

    /// How the price of a rating came about.
    Explanations of rating::Model => Vec<PriceStep>,
    |_read, reader, ratings| reader.domain.explain_ratings(&reader.actor, ratings, &reader.reruns).await;

    /// What a rule version did last, as many runs as given.
    RuleRuns(i32) of RuleVersionView => Vec<RuleRun>,
    |read, reader, versions| {
        reader.domain.rule_runs(&reader.actor, versions, read.0, &reader.reruns).await
    };

    /// The ratings of a usage event, from the topmost edge down.
    RatingsOf of usage_event::Model => Vec<rating::Model>,
    |_read, reader, events| reader.domain.ratings_of(&reader.actor, events).await;

    /// A page of the accounts that the actor may switch to.
    AccessibleAccounts(PageArgs) of () => Page<AccessibleAccount>,
    |read, reader, _actor| Ok(about_actor(reader.domain.accessible_accounts(&reader.actor, &read.0).await?));

    /// The person behind the actor.
    CurrentUser of () => Option<Person>,
    |_read, reader, _actor| Ok(about_actor(reader.domain.current_user(&reader.actor).await?));

    /// The API key that the actor presented.
    OwnApiKey of () => Option<api_key::Model>,
    |_read, reader, _actor| Ok(about_actor(reader.domain.own_api_key(&reader.actor).await?));

    /// The plans that the actor may give.
    AvailablePlans of () => Vec<plan::Model>,
    |_read, reader, _actor| Ok(about_actor(reader.domain.available_plans(&reader.actor).await?));
}
