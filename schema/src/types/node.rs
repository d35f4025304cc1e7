//! `Node`: whatever can be fetched again by its id.

use async_graphql::indexmap::IndexMap;
use async_graphql::registry::{MetaField, Registry};
use async_graphql::{ID, OutputType};
use canopy_domain::Result;
use canopy_domain::entity::{
    AccountId, MalformedId, MemberId, PlanId, RatingId, RuleVersionId, SimulationId, UsageEventId,
    UsageHoldId,
};

use super::account::Account;
use super::member::Member;
use super::plan::Plan;
use super::rating::Rating;
use super::rule_version::RuleVersion;
use super::simulation::Simulation;
use super::subaccount::Subaccount;
use super::tenant::Tenant;
use super::usage_event::UsageEvent;
use super::usage_hold::UsageHold;
use crate::interface::interface;
use crate::loaders::reads;
use crate::session::Caller;

interface! {
    /// An object that can be fetched again by its id.
    Node { Account, Subaccount, Member, Plan, RuleVersion, UsageEvent, UsageHold, Rating, Simulation }
    fields: node_fields
}

fn node_fields(registry: &mut Registry) -> IndexMap<String, MetaField> {
    // `Tenant` takes its fields from `Account`, so it has to come first.
    Tenant::create_type_info(registry);
    let mut id = MetaField::new("id", ID::qualified_type_name());
    id.description = Some("The id. Its prefix tells the type.".to_owned());
    IndexMap::from_iter([("id".to_owned(), id)])
}

impl From<Tenant> for Node {
    fn from(tenant: Tenant) -> Self {
        match tenant {
            Tenant::Account(account) => Self::Account(account),
            Tenant::Subaccount(subaccount) => Self::Subaccount(subaccount),
        }
    }
}

/// Whether an id is of the kind that accounts have; it may be malformed.
pub(crate) fn is_of_account(id: &str) -> bool {
    prefix(id) == AccountId::PREFIX
}

/// What tells the kind of an id.
fn prefix(id: &str) -> &str {
    id.split_inclusive('_').next().unwrap_or_default()
}

impl Node {
    /// The object with this id; none if there is none that the caller may see.
    pub(crate) async fn load(caller: &Caller, id: &str) -> Result<Option<Self>> {
        let loaders = &caller.loaders;
        // A malformed id is one that does not exist.
        let found = match prefix(id) {
            AccountId::PREFIX => match AccountId::parse(id) {
                Ok(id) => loaders
                    .load(reads::Accounts, id)
                    .await?
                    .map(|view| Tenant::from(view).into()),
                Err(MalformedId) => None,
            },
            MemberId::PREFIX => match MemberId::parse(id) {
                Ok(id) => loaders
                    .load(reads::MembersById, id)
                    .await?
                    .map(|view| Member::from(view).into()),
                Err(MalformedId) => None,
            },
            PlanId::PREFIX => match PlanId::parse(id) {
                Ok(id) => loaders
                    .load(reads::Plans, id)
                    .await?
                    .map(|row| Plan::from(row).into()),
                Err(MalformedId) => None,
            },
            RuleVersionId::PREFIX => match RuleVersionId::parse(id) {
                Ok(id) => {
                    let view = loaders.load(reads::RuleVersionsById, id).await?;
                    view.map(|view| RuleVersion::from(view).into())
                }
                Err(MalformedId) => None,
            },
            UsageEventId::PREFIX => match UsageEventId::parse(id) {
                Ok(id) => {
                    let row = loaders.load(reads::UsageEventsById, id).await?;
                    row.map(|row| UsageEvent::from(row).into())
                }
                Err(MalformedId) => None,
            },
            UsageHoldId::PREFIX => match UsageHoldId::parse(id) {
                Ok(id) => {
                    let row = loaders.load(reads::UsageHoldsById, id).await?;
                    row.map(|row| UsageHold::from(row).into())
                }
                Err(MalformedId) => None,
            },
            RatingId::PREFIX => match RatingId::parse(id) {
                Ok(id) => loaders
                    .load(reads::RatingsById, id)
                    .await?
                    .map(|row| Rating::from(row).into()),
                Err(MalformedId) => None,
            },
            SimulationId::PREFIX => match SimulationId::parse(id) {
                Ok(id) => loaders
                    .load(reads::SimulationsById, id)
                    .await?
                    .map(|view| Simulation::from(view).into()),
                Err(MalformedId) => None,
            },
            _ => None,
        };
        Ok(found)
    }
}
