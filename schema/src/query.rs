//! The queries.

use async_graphql::{Context, ID, Object};
use canopy_domain::entity::{AccountId, MalformedId, RatingId, SimulationId};
use canopy_domain::{Actor, Error, Result};

use crate::authorization::gates;
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::types::me::Me;
use crate::types::node::Node;
use crate::types::plan::Plan;
use crate::types::rating::Rating;
use crate::types::simulation::Simulation;
use crate::types::tenant::Tenant;

/// The most ids of one `nodes`.
const MAX_NODES: usize = 100;

/// What an account is answered with that there is not, or not for the caller.
pub(crate) const NO_ACCOUNT: Error = Error::NotFound("account");

/// The account that `Query.account` asks `actor` about; none if the id is none.
pub(crate) fn account_id(given: Option<&ID>, actor: &Actor) -> Option<AccountId> {
    match given {
        Some(id) => AccountId::parse(id).ok(),
        None => actor.acting_as().cloned(),
    }
}

/// The root of all queries.
pub struct Query;

/// What can be read. Everything needs a credential.
#[Object]
impl Query {
    /// Who is asking. UNAUTHENTICATED without a credential.
    async fn me<'c>(&self, ctx: &Context<'c>) -> Option<Result<Me<'c>>> {
        Some(gates::ME.caller(ctx).map(Me))
    }

    /// An object by its id; null if there is none that the caller may see.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The id of an account, member, plan, rule version, usage event, rating or simulation."
        )]
        id: ID,
    ) -> Option<Result<Node>> {
        nullable(async { Node::load(gates::NODE.caller(ctx)?, &id).await }).await
    }

    /// Objects by their ids, in the order of the ids; null for each that the caller may not see.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids, of any kinds. More are BAD_USER_INPUT.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        let caller = gates::NODES.caller(ctx)?;
        if ids.len() > MAX_NODES {
            let message = format!("`ids` may have at most {MAX_NODES} entries.");
            return Err(Error::bad_input(&["ids"], message));
        }
        futures_util::future::try_join_all(ids.iter().map(|id| Node::load(caller, id))).await
    }

    /// An account. NOT_FOUND if there is none of this id in the caller's scope.
    async fn account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account's id. If not given, the account that is acted on; see Me.actingAs.")]
        id: Option<ID>,
    ) -> Option<Result<Tenant>> {
        let account = async {
            let caller = gates::ACCOUNT.caller(ctx)?;
            let id = account_id(id.as_ref(), caller.actor()).ok_or(NO_ACCOUNT)?;
            let view = caller.loaders.load(reads::Accounts, id).await?;
            view.map(Tenant::from).ok_or(NO_ACCOUNT)
        };
        Some(account.await)
    }

    /// A rating; null if there is none of this id whose buyer the caller may see the usage of.
    async fn rating(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The rating's id.")] id: ID,
    ) -> Option<Result<Rating>> {
        let rating = async {
            let caller = gates::RATING.caller(ctx)?;
            match RatingId::parse(&id) {
                Ok(id) => caller.loaders.load(reads::RatingsById, id).await,
                // A malformed id is one that does not exist.
                Err(MalformedId) => Ok(None),
            }
        };
        nullable(rating).await
    }

    /// A dry run or shadow of a rule version. NOT_FOUND unless the caller has BILLING FULL at its account.
    async fn simulation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The simulation's id.")] id: ID,
    ) -> Option<Result<Simulation>> {
        let simulation = async {
            let caller = gates::SIMULATION.caller(ctx)?;
            let missing = Error::NotFound("simulation");
            let id = SimulationId::parse(&id).map_err(|_| missing.clone())?;
            let view = caller.loaders.load(reads::SimulationsById, id).await?;
            view.map(Simulation::from).ok_or(missing)
        };
        Some(simulation.await)
    }

    /// The plans that the caller may give to an account: those that Canopy ships and those of the caller's
    /// accounts.
    async fn plans(&self, ctx: &Context<'_>) -> Result<Vec<Plan>> {
        let caller = gates::PLANS.caller(ctx)?;
        let plans = caller.loaders.load(reads::AvailablePlans, ()).await?;
        Ok(plans.unwrap_or_default().into_iter().map(Plan::from).collect())
    }
}
