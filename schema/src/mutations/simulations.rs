//! `simulateRule`, `cancelSimulation` and `setRuleGuard`.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use canopy_domain::Result;
use canopy_domain::idempotency::Replayable;
use canopy_domain::simulation::{SetRuleGuard, SimulateRule, SimulationView};

use super::parse_id;
use crate::authorization::gates;
use crate::errors::refuse;
use crate::scalars::{Decimal, Json};
use crate::types::simulation::{Simulation, SimulationPeriodInput};
use crate::types::user_error::UserError;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct SimulationMutations;

#[Object]
impl SimulationMutations {
    /// Begins a dry run: what a pricing rule version would have charged for usage that is stored. Needs BILLING
    /// FULL at the version's account, which has one at a time: another is a CONFLICT. Follow it by
    /// `simulationProgress`, or read it again by `simulation`.
    async fn simulate_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to try on which usage.")] input: SimulateRuleInput,
    ) -> Option<Result<SimulateRulePayload>> {
        let payload = async {
            let caller = gates::SIMULATE_RULE.caller(ctx)?;
            let named = input.account_ids.unwrap_or_default();
            let simulation = SimulateRule {
                rule_version_id: parse_id(&input.rule_version_id, "rule version")?,
                configuration: input.configuration.map(|json| json.0),
                account_ids: named
                    .iter()
                    .map(|id| parse_id(id, "account"))
                    .collect::<Result<_>>()?,
                from: input.period.from.0,
                to: input.period.to.0,
                verify: input.verify,
            };
            let key = input.idempotency_key.as_deref();
            let (simulation, replayed, user_errors) = told(
                caller
                    .domain()
                    .simulate_rule(caller.actor(), simulation, key)
                    .await,
            )?;
            Ok(SimulateRulePayload {
                simulation,
                replayed,
                user_errors,
            })
        };
        Some(payload.await)
    }

    /// Ends a dry run that is RUNNING; one that has ended stays as it is. Needs BILLING FULL at its account.
    async fn cancel_simulation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] input: CancelSimulationInput,
    ) -> Option<Result<CancelSimulationPayload>> {
        let payload = async {
            let caller = gates::CANCEL_SIMULATION.caller(ctx)?;
            let id = parse_id(&input.id, "simulation")?;
            let key = input.idempotency_key.as_deref();
            let (simulation, replayed, user_errors) =
                told(caller.domain().cancel_simulation(caller.actor(), &id, key).await)?;
            Ok(CancelSimulationPayload {
                simulation,
                replayed,
                user_errors,
            })
        };
        Some(payload.await)
    }

    /// Sets how far a PRICING version may be from what was charged, to go live by `activateRule` without
    /// `confirmVariance`: the last complete dry run of that very version on the usage of all customers must have no
    /// failures and at most this variance. Needs BILLING FULL.
    async fn set_rule_guard(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose guard, and the variance.")] input: SetRuleGuardInput,
    ) -> Option<Result<SetRuleGuardPayload>> {
        let payload = async {
            let caller = gates::SET_RULE_GUARD.caller(ctx)?;
            let guard = SetRuleGuard {
                account_id: parse_id(&input.account_id, "account")?,
                max_variance: input.max_variance.map(|percent| percent.0),
            };
            let key = input.idempotency_key.as_deref();
            let (set, user_errors) =
                refuse(caller.domain().set_rule_guard(caller.actor(), guard, key).await)?;
            Ok(SetRuleGuardPayload {
                replayed: set.as_ref().is_some_and(|set| set.replayed),
                max_variance: set.and_then(|set| set.value).map(Decimal),
                user_errors,
            })
        };
        Some(payload.await)
    }
}

/// What a mutation of simulations answers.
type Told = (Option<Simulation>, bool, Vec<UserError>);

fn told(outcome: Result<Replayable<SimulationView>>) -> Result<Told> {
    let (begun, user_errors) = refuse(outcome)?;
    let replayed = begun.as_ref().is_some_and(|begun| begun.replayed);
    Ok((begun.map(|begun| begun.value.into()), replayed, user_errors))
}

/// A dry run to begin.
#[derive(InputObject)]
struct SimulateRuleInput {
    /// Id of the candidate: a PRICING version of any status. NOT_FOUND if the caller may not see it.
    rule_version_id: ID,
    /// What the candidate is called with in place of its own configuration: an object.
    configuration: Option<Json>,
    /// Only the usage of these accounts and of all accounts below them: at most 100, each below the version's
    /// account. All of its customers' if not given.
    account_ids: Option<Vec<ID>>,
    /// Which usage.
    period: SimulationPeriodInput,
    /// Whether each answer is compared byte for byte with the receipt; see Simulation.differing. It takes about
    /// three times as long.
    #[graphql(default)]
    verify: bool,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// What beginning a dry run came to.
#[derive(SimpleObject)]
struct SimulateRulePayload {
    /// The dry run, as it begins; null if refused.
    simulation: Option<Simulation>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// A dry run to end.
#[derive(InputObject)]
struct CancelSimulationInput {
    /// Its id. NOT_FOUND if the caller may not see it.
    id: ID,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// What ending a dry run came to.
#[derive(SimpleObject)]
struct CancelSimulationPayload {
    /// The dry run, ended; null if refused.
    simulation: Option<Simulation>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// A guard to set or to lift.
#[derive(InputObject)]
struct SetRuleGuardInput {
    /// Id of the account whose rules are guarded: the seller. NOT_FOUND if it is out of scope.
    account_id: ID,
    /// The greatest variance in percent, not negative: see Simulation.variance. Null lifts the guard.
    max_variance: Option<Decimal>,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// What setting a guard came to.
#[derive(SimpleObject)]
struct SetRuleGuardPayload {
    /// The greatest variance in percent that holds from now on; null if the guard is lifted, or if refused.
    max_variance: Option<Decimal>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}
