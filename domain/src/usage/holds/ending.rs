//! Holds that end without usage: given up by those who made them, or past their time.

use canopy_entity::time::{self, Timestamp};
use canopy_entity::usage_hold::{self, HoldStatus};
use canopy_entity::{UsageHoldId, usage_hold_edge};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{check, quote, write};
use crate::domain::Faults;
use crate::idempotency::Replayable;
use crate::ledger::Held;
use crate::statement::statement;
use crate::{Actor, Domain, Result, transaction};

const DUE: &str = "
SELECT id FROM usage_holds WHERE status = 'HELD' AND expires_at <= $1 ORDER BY expires_at LIMIT $2
";

const EDGES: &str = "SELECT * FROM usage_hold_edges WHERE hold_id = $1 ORDER BY edge";

/// Who ends a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// Its owner, at any time.
    Owner,
    /// Its time.
    Time,
}

impl Domain {
    /// Gives back all that is held. Needs `USAGE` FULL at the hold's account. A hold that was voided or has expired stays as it
    /// is; one that was settled is a conflict.
    pub async fn void_hold(&self, actor: &Actor, id: &UsageHoldId) -> Result<Replayable<usage_hold::Model>> {
        let hold = self.own_hold(actor, id).await?;
        let (hold, has_ended) = match hold.status {
            HoldStatus::Held => self.end_hold(id, By::Owner).await?,
            _ => (hold, false),
        };
        match hold.status {
            HoldStatus::Settled => Err(check::over(
                "This hold was settled: what was charged is taken back by correcting its event.",
            )),
            _ if has_ended => Ok(Replayable::fresh(hold)),
            _ => Ok(Replayable::replayed(hold)),
        }
    }

    /// Gives back what is held past its time, at most `limit` holds; answers how many. For a worker, of which any number may
    /// be at it.
    pub async fn expire_holds(&self, limit: u64) -> Result<u64> {
        let db = &self.0.db;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let due = statement(db.get_database_backend(), DUE, [time::now().into(), limit.into()]);
        let mut expired = 0;
        for row in db.query_all_raw(due).await? {
            let id: UsageHoldId = row.try_get("", "id")?;
            let (_, has_ended) = self.end_hold(&id, By::Time).await?;
            expired += u64::from(has_ended);
        }
        Ok(expired)
    }

    /// The hold as it is then, and whether it ended by this.
    async fn end_hold(&self, id: &UsageHoldId, by: By) -> Result<(usage_hold::Model, bool)> {
        let faults = &self.0.faults;
        let ended = transaction::run(&self.0.writer, "end-hold", |txn| {
            transaction::work(async move { end(txn, faults, id, by).await })
        });
        let (hold, has_ended) = ended.await?;
        if has_ended {
            faults.check("hold.end.committed")?;
        }
        Ok((hold, has_ended))
    }
}

async fn end(
    txn: &impl ConnectionTrait,
    faults: &Faults,
    id: &UsageHoldId,
    by: By,
) -> Result<(usage_hold::Model, bool)> {
    let hold = write::lock(txn, id).await?;
    let now = time::now();
    let status = match (hold.status, hold.status_at(now), by) {
        (HoldStatus::Held, HoldStatus::Expired, _) => HoldStatus::Expired,
        (HoldStatus::Held, _, By::Owner) => HoldStatus::Voided,
        _ => return Ok((hold, false)),
    };
    faults.check("hold.end.locked")?;
    let held = held(txn, &hold).await?;
    write::release(txn, id, &held, now).await?;
    faults.check("hold.end.released")?;
    write::end(txn, id, status, None, now).await?;
    Ok((ended(hold, status, now), true))
}

fn ended(hold: usage_hold::Model, status: HoldStatus, now: Timestamp) -> usage_hold::Model {
    usage_hold::Model {
        status,
        ended_at: Some(now),
        ..hold
    }
}

/// What is held, edge by edge from the top down.
async fn held(txn: &impl ConnectionTrait, hold: &usage_hold::Model) -> Result<Vec<Held>> {
    let edges = statement(txn.get_database_backend(), EDGES, [hold.id.as_str().into()]);
    let edges = usage_hold_edge::Model::find_by_statement(edges).all(txn).await?;
    Ok(edges.into_iter().map(|edge| quote::part(hold, edge)).collect())
}
