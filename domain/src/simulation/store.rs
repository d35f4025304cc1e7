//! The statements on the tables of simulations. Each change of a running simulation names who holds it, so that who
//! has lost it changes nothing.

use std::collections::{BTreeMap, HashSet};

use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, SimulationAccountId, SimulationId, simulation, simulation_account};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel};

use super::accounts::Accounts;
use super::tally::Tally;
use crate::statement::{list, statement};
use crate::{Error, Micros, Result};

/// How long a worker has a simulation without saying so again.
pub(super) const LEASE: chrono::Duration = chrono::Duration::seconds(60);
/// Rows of one insert.
const ROWS: usize = 500;
/// How many simulations of an account are kept besides those that run.
const KEPT: i64 = 100;

const WAITING: &str = "
SELECT * FROM simulations WHERE status = 'RUNNING' AND kind = 'DRY_RUN' AND lease_until IS NULL ORDER BY id LIMIT 1
";

const TAKE: &str = "
UPDATE simulations SET lease_holder = $1, lease_until = $2, started_at = $3
WHERE id = $4 AND status = 'RUNNING' AND lease_until IS NULL
";

const EXPIRE: &str = "
UPDATE simulations SET status = 'FAILED', finished_at = $1, error = $2, lease_holder = NULL, lease_until = NULL
WHERE status = 'RUNNING' AND kind = 'DRY_RUN' AND lease_until < $1
";

const LET_GO: &str = "
UPDATE simulations SET lease_holder = NULL, lease_until = NULL, started_at = NULL, events_done = 0, failures = 0,
  differing = CASE WHEN verify THEN 0 END, before_amount = 0, after_amount = 0, failure_message = NULL
WHERE status = 'RUNNING' AND kind = 'DRY_RUN' AND lease_holder = $1
";

const EXPECT: &str =
    "UPDATE simulations SET events_total = $1 WHERE id = $2 AND status = 'RUNNING' AND lease_holder = $3";

const MOVED: &str = "
UPDATE simulations SET events_done = $1, failures = $2, differing = CASE WHEN verify THEN $3 END, before_amount = $4,
  after_amount = $5, failure_message = $6, lease_until = $7
WHERE id = $8 AND status = 'RUNNING' AND lease_holder = $9
";

const DONE: &str = "
UPDATE simulations SET status = 'DONE', events_total = events_done, pending = $1, p50_change = $2, p95_change = $3,
  changes = $4, finished_at = $5, lease_holder = NULL, lease_until = NULL
WHERE id = $6 AND status = 'RUNNING' AND lease_holder = $7
";

const FAILED: &str = "
UPDATE simulations SET status = 'FAILED', error = $1, finished_at = $2, lease_holder = NULL, lease_until = NULL
WHERE id = $3 AND status = 'RUNNING' AND lease_holder = $4
";

const CANCELLED: &str = "
UPDATE simulations SET status = 'CANCELLED', finished_at = $1, lease_holder = NULL, lease_until = NULL
WHERE id = $2 AND status = 'RUNNING' AND kind = 'DRY_RUN'
";

const BY_ID: &str = "SELECT * FROM simulations WHERE id IN [$1]";

const RUNNING: &str = "SELECT account_id FROM simulations WHERE status = 'RUNNING' AND kind = 'DRY_RUN'";

const PRUNE: &str = "
DELETE FROM simulations WHERE account_id = $1 AND kind = 'DRY_RUN' AND status <> 'RUNNING' AND id NOT IN (
  SELECT id FROM simulations WHERE account_id = $1 AND kind = 'DRY_RUN' AND status <> 'RUNNING'
  ORDER BY id DESC LIMIT $2)
";

/// Simulations by their ids.
pub(super) async fn by_id<'i>(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = &'i SimulationId>,
) -> Result<Vec<simulation::Model>> {
    let statement = statement(db.get_database_backend(), BY_ID, [list(ids)]);
    Ok(simulation::Model::find_by_statement(statement).all(db).await?)
}

/// The accounts that have a dry run that has not ended.
pub(super) async fn running(db: &impl ConnectionTrait) -> Result<HashSet<AccountId>> {
    let rows = db
        .query_all_raw(statement(db.get_database_backend(), RUNNING, []))
        .await?;
    rows.iter()
        .map(|row| Ok(row.try_get("", "account_id")?))
        .collect()
}

/// Deletes the oldest simulations of an account beyond those that are kept.
pub(super) async fn prune(db: &impl ConnectionTrait, account: &AccountId) -> Result<()> {
    execute(db, PRUNE, [account.as_str().into(), KEPT.into()]).await?;
    Ok(())
}

/// The dry run that waits longest, now held by `holder`.
pub(super) async fn take(db: &impl ConnectionTrait, holder: &str) -> Result<Option<simulation::Model>> {
    loop {
        let waiting = statement(db.get_database_backend(), WAITING, []);
        let Some(row) = simulation::Model::find_by_statement(waiting).one(db).await? else {
            return Ok(None);
        };
        let now = time::now();
        let values = [
            holder.into(),
            (now + LEASE).into(),
            now.into(),
            row.id.as_str().into(),
        ];
        if execute(db, TAKE, values).await? == 1 {
            return Ok(by_id(db, [&row.id]).await?.pop());
        }
    }
}

/// Fails the dry runs whose worker has not been heard of; answers how many.
pub(super) async fn expire(db: &impl ConnectionTrait, why: &str) -> Result<u64> {
    execute(db, EXPIRE, [time::now().into(), why.into()]).await
}

/// Gives back what `holder` holds, to be run from the beginning by another.
pub(super) async fn let_go(db: &impl ConnectionTrait, holder: &str) -> Result<u64> {
    execute(db, LET_GO, [holder.into()]).await
}

/// Who writes to a simulation that runs.
pub(super) struct Held<'a> {
    pub(super) id: &'a SimulationId,
    pub(super) holder: &'a str,
}

impl Held<'_> {
    /// Says how many events there may be.
    pub(super) async fn expect(&self, db: &impl ConnectionTrait, total: i64) -> Result<bool> {
        let values = [total.into(), self.id.as_str().into(), self.holder.into()];
        Ok(execute(db, EXPECT, values).await? == 1)
    }

    /// Says how far it is, and keeps it longer; false if it is no longer held.
    pub(super) async fn moved(
        &self,
        db: &impl ConnectionTrait,
        sums: &Tally,
        failure: Option<&str>,
        now: Timestamp,
    ) -> Result<bool> {
        let values = [
            sums.events.into(),
            sums.failures.into(),
            sums.differing.into(),
            amount(sums.before)?.into(),
            amount(sums.after)?.into(),
            failure.map(str::to_owned).into(),
            (now + LEASE).into(),
            self.id.as_str().into(),
            self.holder.into(),
        ];
        Ok(execute(db, MOVED, values).await? == 1)
    }

    /// Completes it with the results of all accounts; false, and nothing written, if it is no longer held. For a
    /// transaction.
    pub(super) async fn done(
        &self,
        txn: &impl ConnectionTrait,
        accounts: &Accounts,
        pending: &BTreeMap<AccountId, i64>,
    ) -> Result<bool> {
        let total = accounts.total();
        let waiting: i64 = pending.values().sum();
        let values = [
            waiting.into(),
            total.changes.percentile(50).into(),
            total.changes.percentile(95).into(),
            serde_json::to_value(&total.changes)
                .map_err(Error::internal)?
                .into(),
            time::now().into(),
            self.id.as_str().into(),
            self.holder.into(),
        ];
        if execute(txn, DONE, values).await? != 1 {
            return Ok(false);
        }
        let rows = rows(self.id, accounts, pending)?;
        for chunk in rows.chunks(ROWS) {
            let rows = chunk.iter().cloned().map(IntoActiveModel::into_active_model);
            simulation_account::Entity::insert_many(rows)
                .exec_without_returning(txn)
                .await?;
        }
        Ok(true)
    }

    /// Ends it without results.
    pub(super) async fn failed(&self, db: &impl ConnectionTrait, why: &str) -> Result<bool> {
        let values = [
            why.into(),
            time::now().into(),
            self.id.as_str().into(),
            self.holder.into(),
        ];
        Ok(execute(db, FAILED, values).await? == 1)
    }
}

/// Ends a dry run that has not ended; false if it has.
pub(super) async fn cancel(db: &impl ConnectionTrait, id: &SimulationId) -> Result<bool> {
    Ok(execute(db, CANCELLED, [time::now().into(), id.as_str().into()]).await? == 1)
}

/// A row for each account that has events, in order of their paths; last those that only wait for prices.
fn rows(
    id: &SimulationId,
    accounts: &Accounts,
    pending: &BTreeMap<AccountId, i64>,
) -> Result<Vec<simulation_account::Model>> {
    let mut waiting = pending.clone();
    let tallies = accounts.tallies();
    let mut rows = Vec::with_capacity(tallies.len());
    for (account, tally) in tallies {
        rows.push(row(id, account, &tally, waiting.remove(account).unwrap_or(0))?);
    }
    for (account, events) in waiting {
        rows.push(row(id, &account, &Tally::default(), events)?);
    }
    Ok(rows)
}

pub(super) fn row(
    id: &SimulationId,
    account: &AccountId,
    tally: &Tally,
    pending: i64,
) -> Result<simulation_account::Model> {
    Ok(simulation_account::Model {
        id: SimulationAccountId::new(),
        simulation_id: id.clone(),
        account_id: account.clone(),
        events: tally.events,
        failures: tally.failures,
        pending,
        before_amount: amount(tally.before)?,
        after_amount: amount(tally.after)?,
        p50_change: tally.changes.percentile(50),
        p95_change: tally.changes.percentile(95),
        changes: serde_json::to_value(&tally.changes).map_err(Error::internal)?,
    })
}

/// A sum as it is stored, if it is in the range of exact numbers.
pub(super) fn amount(sum: i128) -> Result<i64> {
    let sum = i64::try_from(sum).ok().and_then(|sum| Micros::new(sum).ok());
    sum.map(Micros::get)
        .ok_or_else(|| Error::bad_input(&["period"], "The sums are too large: take a shorter period."))
}

pub(super) async fn execute(
    db: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = sea_orm::Value>,
) -> Result<u64> {
    let statement = statement(db.get_database_backend(), sql, values);
    Ok(db.execute_raw(statement).await?.rows_affected())
}
