//! Shadows: a version in status SHADOW is asked about new usage as it is rated, beside the live path and after it.
//!
//! New ratings are found by the positions that the relay gives to the news of them: each event is told with its
//! prices once, in an order without gaps, however late its transaction commits. How far a shadow has looked is kept
//! with what it has counted and changes in the same transaction, so that no rating is skipped or counted twice; a
//! lease keeps other processes from doing the same work in vain.

use std::collections::HashMap;

use canopy_entity::rule_version::{self, RuleKind, RuleStatus};
use canopy_entity::simulation::{self, SimulationKind, SimulationStatus};
use canopy_entity::{AccountId, RuleVersionId, SimulationId, account, simulation_account, time};
use sea_orm::{ActiveEnum, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel};

use super::accounts::Accounts;
use super::before::Before;
use super::changes::Changes;
use super::job::seller;
use super::run::Run;
use super::tally::Tally;
use super::{SimulationView, page, store};
use crate::events::outbox;
use crate::rules::RuleVersionView;
use crate::statement::{list, statement};
use crate::transaction::breaks_uniqueness;
use crate::{Actor, Domain, Error, Result, transaction};

/// News that is looked through at once.
const WINDOW: i64 = 4_000;

const WITHOUT_SHADOW: &str = "
SELECT * FROM rule_versions v WHERE v.status = $1 AND v.kind = $2 AND v.owner_account_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM simulations s
                  WHERE s.rule_version_id = v.id AND s.kind = 'SHADOW' AND s.status = 'RUNNING')
ORDER BY v.id LIMIT 100
";

const RUNNING: &str = "SELECT * FROM simulations WHERE kind = 'SHADOW' AND status = 'RUNNING' ORDER BY id";

const END: &str = "
UPDATE simulations SET status = 'DONE', finished_at = $1, lease_holder = NULL, lease_until = NULL
WHERE kind = 'SHADOW' AND status = 'RUNNING' AND NOT EXISTS (
  SELECT 1 FROM rule_versions v WHERE v.id = simulations.rule_version_id AND v.status = 'SHADOW')
";

const HOLD: &str = "
UPDATE simulations SET lease_holder = $1, lease_until = $2
WHERE id = $3 AND status = 'RUNNING' AND (lease_until IS NULL OR lease_until < $4 OR lease_holder = $1)
";

const LOOKED: &str = "
UPDATE simulations SET position = $1, events_total = $2, events_done = $2, failures = $3, before_amount = $4,
  after_amount = $5, p50_change = $6, p95_change = $7, changes = $8, failure_message = COALESCE(failure_message, $9)
WHERE id = $10 AND status = 'RUNNING' AND position = $11
";

const OF_ACCOUNTS: &str = "SELECT * FROM simulation_accounts WHERE simulation_id = $1 AND account_id IN [$2]";

const ADDED: &str = "
UPDATE simulation_accounts SET events = $1, failures = $2, before_amount = $3, after_amount = $4, p50_change = $5,
  p95_change = $6, changes = $7 WHERE id = $8
";

const OF_VERSIONS: &str =
    "SELECT * FROM simulations WHERE kind = 'SHADOW' AND rule_version_id IN [$1] ORDER BY id";

impl Domain {
    /// Lets each version in status SHADOW look at what was rated since the last time; answers how many ratings were
    /// looked at. For a worker; `holder` names it among all workers of all processes.
    pub async fn follow_shadows(&self, holder: &str) -> Result<u64> {
        let db = &self.0.db;
        store::execute(db, END, [time::now().into()]).await?;
        self.begin_shadows().await?;
        let running = statement(db.get_database_backend(), RUNNING, []);
        let mut looked = 0;
        for shadow in simulation::Model::find_by_statement(running).all(db).await? {
            let now = time::now();
            let until = (now + store::LEASE).into();
            let values = [holder.into(), until, shadow.id.as_str().into(), now.into()];
            if store::execute(db, HOLD, values).await? != 1 {
                continue;
            }
            // One that cannot be followed must not keep the others from it.
            match self.follow(&shadow).await {
                Ok(events) => looked += events,
                Err(error) => {
                    tracing::warn!(simulation = %shadow.id, ?error, "a shadow could not look");
                }
            }
        }
        if looked > 0 {
            self.0.simulations.moved.send_replace(());
        }
        Ok(looked)
    }

    /// The last shadow of each version; versions that never had one are missing from the answer.
    pub async fn shadows_of(
        &self,
        _actor: &Actor,
        versions: &[RuleVersionView],
    ) -> Result<HashMap<RuleVersionId, SimulationView>> {
        let db = &self.0.db;
        // A built-in version belongs to nobody and is never in shadow.
        let ids: Vec<&RuleVersionId> = versions.iter().map(|version| &version.row.id).collect();
        let statement = statement(db.get_database_backend(), OF_VERSIONS, [list(ids)]);
        let rows = simulation::Model::find_by_statement(statement).all(db).await?;
        let views = rows
            .into_iter()
            .map(|row| (row.rule_version_id.clone(), SimulationView { row }));
        Ok(views.collect())
    }

    async fn begin_shadows(&self) -> Result<()> {
        let db = &self.0.db;
        let values = [
            RuleStatus::Shadow.to_value().into(),
            RuleKind::Pricing.to_value().into(),
        ];
        let waiting = statement(db.get_database_backend(), WITHOUT_SHADOW, values);
        for version in rule_version::Model::find_by_statement(waiting).all(db).await? {
            let owner = version.owner_account_id.clone();
            let owner = owner.ok_or_else(|| Error::internal("a built-in rule in shadow"))?;
            let owner = account::Entity::find_by_id(owner).one(db).await?;
            let owner = owner.ok_or(Error::NotFound("account"))?;
            let row = begun(&owner, &version, outbox::last_position(db).await?);
            match simulation::Entity::insert(row.into_active_model())
                .exec_without_returning(db)
                .await
            {
                Ok(_) => {}
                // Another process began it.
                Err(error) if breaks_uniqueness(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Looks at the next news.
    async fn follow(&self, shadow: &simulation::Model) -> Result<u64> {
        let db = &self.0.db;
        let from = shadow.position.unwrap_or(0);
        let end = outbox::last_position(db).await?.min(from + WINDOW);
        if end <= from {
            return Ok(0);
        }
        let seller = seller(db, shadow).await?;
        let news = page::News {
            after: from,
            end,
            seller: seller.id.clone(),
        };
        let Some(page) = page::told(db, &news).await? else {
            return self
                .looked(shadow, end, &Accounts::below(&seller.id, Vec::new()), None)
                .await;
        };
        let mut run = Run {
            candidate: self.candidate(shadow, &seller).await?,
            period: (chrono::DateTime::UNIX_EPOCH, None),
            accounts: Accounts::below(&seller.id, Vec::new()),
            before: Before::live(),
            sums: Tally::default(),
            failure: None,
        };
        run.page(db, &page).await?;
        self.looked(shadow, end, &run.accounts, run.failure.as_deref())
            .await
    }

    /// Adds what was counted to what had been.
    async fn looked(
        &self,
        shadow: &simulation::Model,
        end: i64,
        accounts: &Accounts,
        failure: Option<&str>,
    ) -> Result<u64> {
        let new = accounts.total();
        let events = new.events.unsigned_abs();
        let new = &new;
        transaction::run(&self.0.writer, "follow-shadow", |txn| {
            transaction::work(async move { add(txn, shadow, end, accounts, new, failure).await })
        })
        .await?;
        Ok(events)
    }
}

async fn add(
    txn: &impl ConnectionTrait,
    shadow: &simulation::Model,
    end: i64,
    accounts: &Accounts,
    new: &Tally,
    failure: Option<&str>,
) -> Result<()> {
    let mut total = Tally {
        events: shadow.events_done,
        failures: shadow.failures,
        differing: 0,
        before: shadow.before_amount.into(),
        after: shadow.after_amount.into(),
        changes: changes(&shadow.changes)?,
    };
    total.merge(new);
    let values = [
        end.into(),
        total.events.into(),
        total.failures.into(),
        store::amount(total.before)?.into(),
        store::amount(total.after)?.into(),
        total.changes.percentile(50).into(),
        total.changes.percentile(95).into(),
        serde_json::to_value(&total.changes)
            .map_err(Error::internal)?
            .into(),
        failure.map(str::to_owned).into(),
        shadow.id.as_str().into(),
        shadow.position.into(),
    ];
    // Whoever looked at the same news first has counted it.
    if store::execute(txn, LOOKED, values).await? != 1 {
        return Ok(());
    }
    let tallies = accounts.tallies();
    let mut known = known(txn, &shadow.id, tallies.iter().map(|(id, _)| *id)).await?;
    for (id, tally) in &tallies {
        match known.remove(*id) {
            None => {
                let row = store::row(&shadow.id, id, tally, 0)?;
                simulation_account::Entity::insert(row.into_active_model())
                    .exec_without_returning(txn)
                    .await?;
            }
            Some(row) => grow(txn, &row, tally).await?,
        }
    }
    Ok(())
}

async fn grow(txn: &impl ConnectionTrait, row: &simulation_account::Model, new: &Tally) -> Result<()> {
    let mut sum = Tally {
        events: row.events,
        failures: row.failures,
        differing: 0,
        before: row.before_amount.into(),
        after: row.after_amount.into(),
        changes: changes(&row.changes)?,
    };
    sum.merge(new);
    let values = [
        sum.events.into(),
        sum.failures.into(),
        store::amount(sum.before)?.into(),
        store::amount(sum.after)?.into(),
        sum.changes.percentile(50).into(),
        sum.changes.percentile(95).into(),
        serde_json::to_value(&sum.changes)
            .map_err(Error::internal)?
            .into(),
        row.id.as_str().into(),
    ];
    store::execute(txn, ADDED, values).await.map(drop)
}

async fn known<'i>(
    txn: &impl ConnectionTrait,
    id: &SimulationId,
    accounts: impl Iterator<Item = &'i AccountId>,
) -> Result<HashMap<AccountId, simulation_account::Model>> {
    let values = [id.as_str().into(), list(accounts)];
    let statement = statement(txn.get_database_backend(), OF_ACCOUNTS, values);
    let rows = simulation_account::Model::find_by_statement(statement)
        .all(txn)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.account_id.clone(), row))
        .collect())
}

fn changes(stored: &serde_json::Value) -> Result<Changes> {
    serde_json::from_value(stored.clone()).map_err(Error::internal)
}

fn begun(owner: &account::Model, version: &rule_version::Model, position: i64) -> simulation::Model {
    let now = time::now();
    simulation::Model {
        id: SimulationId::new(),
        account_id: owner.id.clone(),
        rule_version_id: version.id.clone(),
        kind: SimulationKind::Shadow,
        status: SimulationStatus::Running,
        configuration: None,
        account_ids: serde_json::json!([]),
        period_from: now,
        period_to: None,
        verify: false,
        currency: owner.currency.clone(),
        events_total: 0,
        events_done: 0,
        failures: 0,
        pending: 0,
        differing: None,
        before_amount: 0,
        after_amount: 0,
        p50_change: None,
        p95_change: None,
        changes: serde_json::json!(Changes::default()),
        failure_message: None,
        error: None,
        position: Some(position),
        created_by: "system".to_owned(),
        created_at: now,
        started_at: Some(now),
        finished_at: None,
        lease_holder: None,
        lease_until: None,
    }
}
