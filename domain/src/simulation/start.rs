//! Asking for a dry run, and ending one.

use canopy_entity::rule_version::RuleKind;
use canopy_entity::simulation::{self, SimulationKind, SimulationStatus};
use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, Level, PermissionKey, RuleVersionId, SimulationId, time};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};
use serde::{Deserialize, Serialize};

use super::{SimulationView, store};
use crate::idempotency::{Claim, Replayable};
use crate::rules::{MAX_CONFIGURATION, named};
use crate::statement::storable;
use crate::transaction::{LostRace, breaks_uniqueness};
use crate::{AccountView, Actor, Domain, Error, Result, audit, transaction};

/// The most dry runs that may wait or run at once, of all accounts.
pub const MAX_RUNNING: usize = 100;
/// The most accounts that may be named.
const MAX_NAMED: usize = 100;
/// The longest period, in days.
const MAX_DAYS: i64 = 366;

/// A dry run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SimulateRule {
    /// The candidate: a pricing version, whatever its status.
    pub rule_version_id: RuleVersionId,
    /// What it is called with in place of its own configuration; an object.
    pub configuration: Option<serde_json::Value>,
    /// Only the usage of these accounts and all below them; of all customers if empty. Each stands below the
    /// version's owner.
    pub account_ids: Vec<AccountId>,
    /// The first instant of usage that counts.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
    /// Whether each answer is compared with the receipt, byte for byte; that takes about three times as long.
    pub verify: bool,
}

impl Domain {
    /// Begins a dry run; a worker runs it. Needs `BILLING` FULL at the version's owner, which has one at a time.
    pub async fn simulate_rule(
        &self,
        actor: &Actor,
        input: SimulateRule,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<SimulationView>> {
        let id = &input.rule_version_id;
        let mut versions = self.rule_versions_by_id(actor, std::slice::from_ref(id)).await?;
        let version = versions.remove(id).ok_or(Error::NotFound("rule version"))?.row;
        let Some(owner) = &version.owner_account_id else {
            return Err(Error::bad_input(
                &["ruleVersionId"],
                "A built-in rule belongs to nobody: upload it for your account first, with its configuration.",
            ));
        };
        let account = self.account(actor, owner).await?;
        account.access().require(PermissionKey::Billing, Level::Full)?;
        if version.kind != RuleKind::Pricing {
            return Err(Error::bad_input(
                &["ruleVersionId"],
                "Only pricing rules can be simulated.",
            ));
        }
        check(&input)?;
        self.check_named(actor, &account, &input.account_ids).await?;
        let claim = Claim::new(actor, "simulateRule", idempotency_key, &input)?;
        if let Some(answer) = claim.find(&self.0.db).await? {
            return Ok(Replayable::replayed(answer));
        }
        // What cannot be loaded cannot be tried.
        let rule = self.loaded_rule(&version).await?;
        if let Some(configuration) = &input.configuration {
            self.hold_configuration(&account, &named(&version), rule.manifest(), configuration)
                .await?;
        }

        let row = &row(actor, &account, input);
        let (claim, account) = (&claim, &account);
        let begun = transaction::run(&self.0.writer, "simulate-rule", |txn| {
            transaction::work(async move {
                if let Some(answer) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(answer));
                }
                write(txn, actor, account, row).await?;
                let view = SimulationView { row: row.clone() };
                claim.store(txn, &view).await?;
                Ok(Replayable::fresh(view))
            })
        })
        .await?;
        self.0.simulations.waiting.notify_one();
        Ok(begun)
    }

    /// Ends a dry run that has not ended; one that has stays as it is. Needs `BILLING` FULL at its account.
    pub async fn cancel_simulation(
        &self,
        actor: &Actor,
        id: &SimulationId,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<SimulationView>> {
        let view = self.simulation(actor, id).await?;
        if view.row.kind == SimulationKind::Shadow {
            return Err(Error::bad_input(
                &["id"],
                "A shadow ends when its version leaves the status SHADOW: activate or retire the version.",
            ));
        }
        let account = self.account(actor, &view.row.account_id).await?;
        let claim = Claim::new(actor, "cancelSimulation", idempotency_key, id)?;
        if let Some(answer) = claim.find(&self.0.db).await? {
            return Ok(Replayable::replayed(answer));
        }
        let (claim, account) = (&claim, &account);
        let ended = transaction::run(&self.0.writer, "cancel-simulation", |txn| {
            transaction::work(async move {
                if let Some(answer) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(answer));
                }
                if store::cancel(txn, id).await? {
                    audit::write(txn, actor, entry(account, "simulation.cancel", id)).await?;
                }
                let row = store::by_id(txn, [id]).await?.pop();
                let view = SimulationView {
                    row: row.ok_or(Error::NotFound("simulation"))?,
                };
                claim.store(txn, &view).await?;
                Ok(Replayable::fresh(view))
            })
        })
        .await?;
        self.0.simulations.moved.send_replace(());
        Ok(ended)
    }

    /// Each named account is in scope and below `owner`.
    async fn check_named(&self, actor: &Actor, owner: &AccountView, named: &[AccountId]) -> Result<()> {
        if named.len() > MAX_NAMED {
            let message = format!("At most {MAX_NAMED} accounts can be named.");
            return Err(Error::bad_input(&["accountIds"], message));
        }
        let found = self.accounts(actor, named).await?;
        for (place, id) in named.iter().enumerate() {
            let account = found.get(id).ok_or(Error::NotFound("account"))?;
            if account.id() == owner.id() || !owner.path().contains(account.path()) {
                return Err(Error::bad_input(
                    &["accountIds", &place.to_string()],
                    "The account does not stand below the rule's owner, which sells to those below it.",
                ));
            }
        }
        Ok(())
    }
}

fn check(input: &SimulateRule) -> Result<()> {
    if input.from >= input.to {
        return Err(Error::bad_input(
            &["period", "to"],
            "`to` must be later than `from`.",
        ));
    }
    if (input.to - input.from).num_days() > MAX_DAYS {
        let message = format!("A period has at most {MAX_DAYS} days.");
        return Err(Error::bad_input(&["period"], message));
    }
    match &input.configuration {
        Some(configuration)
            if !configuration.is_object()
                || !storable(configuration)
                || configuration.to_string().len() > MAX_CONFIGURATION =>
        {
            Err(Error::bad_input(
                &["configuration"],
                format!(
                    "A configuration is a JSON object of at most {MAX_CONFIGURATION} bytes, without NUL characters."
                ),
            ))
        }
        _ => Ok(()),
    }
}

fn row(actor: &Actor, account: &AccountView, input: SimulateRule) -> simulation::Model {
    simulation::Model {
        id: SimulationId::new(),
        account_id: account.id().clone(),
        rule_version_id: input.rule_version_id,
        kind: SimulationKind::DryRun,
        status: SimulationStatus::Running,
        configuration: input.configuration,
        account_ids: serde_json::json!(input.account_ids),
        period_from: time::truncate(input.from),
        period_to: Some(time::truncate(input.to)),
        verify: input.verify,
        currency: account.row().currency.clone(),
        events_total: 0,
        events_done: 0,
        failures: 0,
        pending: 0,
        differing: input.verify.then_some(0),
        before_amount: 0,
        after_amount: 0,
        p50_change: None,
        p95_change: None,
        changes: serde_json::json!({}),
        failure_message: None,
        error: None,
        position: None,
        created_by: actor.label(),
        created_at: time::now(),
        started_at: None,
        finished_at: None,
        lease_holder: None,
        lease_until: None,
    }
}

async fn write(
    txn: &impl ConnectionTrait,
    actor: &Actor,
    account: &AccountView,
    row: &simulation::Model,
) -> Result<()> {
    let running = store::running(txn).await?;
    if running.contains(account.id()) {
        return Err(Error::conflict(
            &["ruleVersionId"],
            "The account has a dry run that has not ended: wait for it or cancel it.",
        ));
    }
    if running.len() >= MAX_RUNNING {
        return Err(Error::busy());
    }
    store::prune(txn, account.id()).await?;
    let inserted = simulation::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(txn)
        .await;
    match inserted {
        Ok(_) => audit::write(txn, actor, entry(account, "rule.simulate", &row.id)).await,
        Err(error) if breaks_uniqueness(&error) => Err(Error::internal(LostRace)),
        Err(error) => Err(error.into()),
    }
}

fn entry<'a>(account: &'a AccountView, action: &'static str, id: &'a SimulationId) -> audit::Entry<'a> {
    audit::Entry {
        account_id: account.id(),
        path: account.path(),
        action,
        target: id.as_str(),
        detail: serde_json::json!({}),
    }
}
