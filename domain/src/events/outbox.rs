//! The outbox: rows are written in the transaction that makes the news, and get their place in the published order
//! afterwards, by one relay at a time among all processes.

use std::sync::Arc;

use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, AccountPath, account, outbox, rule_change, usage_event};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, DbBackend, EntityTrait, FromQueryResult,
};
use serde::{Deserialize, Serialize};

use super::hub::{Published, Told};
use super::rights::RightsChange;
use super::{RuleNews, UsageUpdate, UsageUpdateKind, cursor};
use crate::statement::statement;
use crate::{Domain, Error, Result, transaction};

/// The topic of news of usage events.
pub(super) const USAGE: &str = "usage";
/// The topic of news of rule versions.
pub(super) const RULE: &str = "rule";
/// The topic of changes of rights.
const RIGHTS: &str = "rights";
/// The topic of changes of plans.
const PLANS: &str = "plans";
/// Rows of one insert.
const ROWS: usize = 500;
/// Rows that are read at once to be told.
const TOLD_AT_ONCE: i64 = 500;
/// The advisory lock of the relay on PostgreSQL: "outbox" in ASCII.
const RELAY_LOCK: i64 = 0x6f75_7462_6f78;

const ANY_UNPUBLISHED: &str = "SELECT seq FROM outbox WHERE position IS NULL LIMIT 1";

const GIVE_POSITIONS: &str = "
UPDATE outbox SET position = fresh.place + COALESCE((SELECT MAX(position) FROM outbox), 0)
FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS place
      FROM (SELECT seq FROM outbox WHERE position IS NULL ORDER BY seq LIMIT $1) AS waiting) AS fresh
WHERE outbox.seq = fresh.seq
";

const LAST_POSITION: &str = "SELECT MAX(position) AS last FROM outbox";

const AFTER: &str = "SELECT * FROM outbox WHERE position > $1 ORDER BY position LIMIT $2";

const CHANGES_AFTER: &str = "
SELECT * FROM outbox WHERE position > $1 AND position <= $2 AND topic <> $4 ORDER BY position LIMIT $3
";

/// What a row says: all that a listener is told, so that telling needs no further read.
#[derive(Serialize, Deserialize)]
struct Payload {
    kind: UsageUpdateKind,
    event: usage_event::Model,
}

/// Writes news of `events`, in their order.
pub(crate) async fn write(
    txn: &impl ConnectionTrait,
    kind: UsageUpdateKind,
    events: &[usage_event::Model],
    at: Timestamp,
) -> Result<()> {
    for chunk in events.chunks(ROWS) {
        let rows = chunk.iter().map(|event| {
            let payload = Payload {
                kind,
                event: event.clone(),
            };
            Ok(outbox::ActiveModel {
                seq: NotSet,
                position: NotSet,
                topic: Set(USAGE.to_owned()),
                account_id: Set(event.account_id.clone()),
                path: Set(event.path.clone()),
                payload: Set(serde_json::to_value(payload).map_err(Error::internal)?),
                created_at: Set(at),
            })
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        outbox::Entity::insert_many(rows)
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// Writes news of a step in the life of a rule version, whose owner stands at `path`.
pub(crate) async fn write_rule_change(
    txn: &impl ConnectionTrait,
    path: &AccountPath,
    change: &rule_change::Model,
) -> Result<()> {
    let row = outbox::ActiveModel {
        seq: NotSet,
        position: NotSet,
        topic: Set(RULE.to_owned()),
        account_id: Set(change.account_id.clone()),
        path: Set(path.clone()),
        payload: Set(serde_json::to_value(change).map_err(Error::internal)?),
        created_at: Set(change.changed_at),
    };
    outbox::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes, in the transaction that makes it, that rights have changed at an account.
pub(crate) async fn write_rights_change(
    txn: &impl ConnectionTrait,
    account_id: &AccountId,
    path: &AccountPath,
    change: &RightsChange,
) -> Result<()> {
    let row = outbox::ActiveModel {
        seq: NotSet,
        position: NotSet,
        topic: Set(RIGHTS.to_owned()),
        account_id: Set(account_id.clone()),
        path: Set(path.clone()),
        payload: Set(serde_json::to_value(change).map_err(Error::internal)?),
        created_at: Set(time::now()),
    };
    outbox::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes, in the transaction that makes it, that plans have changed which are nobody's. As each row has its account, it
/// is told with some account; without one there is nobody whose plan is remembered.
pub(crate) async fn write_plans_change(txn: &impl ConnectionTrait) -> Result<()> {
    let Some(account) = account::Entity::find().one(txn).await? else {
        return Ok(());
    };
    let row = outbox::ActiveModel {
        seq: NotSet,
        position: NotSet,
        topic: Set(PLANS.to_owned()),
        account_id: Set(account.id),
        path: Set(account.path),
        payload: Set(serde_json::json!({})),
        created_at: Set(time::now()),
    };
    outbox::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// The last position that was given; 0 before the first.
pub(crate) async fn last_position(db: &impl ConnectionTrait) -> Result<i64> {
    let row = db
        .query_one_raw(statement(db.get_database_backend(), LAST_POSITION, []))
        .await?;
    let last: Option<i64> = match row {
        Some(row) => row.try_get("", "last")?,
        None => None,
    };
    Ok(last.unwrap_or(0))
}

/// What a row tells.
pub(super) fn published(row: outbox::Model) -> Result<Published> {
    let position = row
        .position
        .ok_or_else(|| Error::internal("a published row without a position"))?;
    let cursor = cursor::encode(position);
    let told = match row.topic.as_str() {
        USAGE => {
            let Payload { kind, event } = serde_json::from_value(row.payload).map_err(Error::internal)?;
            Told::Usage(Arc::new(UsageUpdate::new(cursor, kind, event)))
        }
        RULE => {
            let change = serde_json::from_value(row.payload).map_err(Error::internal)?;
            Told::Rule(Arc::new(RuleNews { cursor, change }))
        }
        PLANS => Told::Plans,
        RIGHTS => Told::Rights(serde_json::from_value(row.payload).map_err(Error::internal)?),
        _ => Told::Else,
    };
    Ok(Published {
        position,
        path: row.path,
        told,
    })
}

impl Domain {
    /// Gives unpublished rows of the outbox their place and tells the streams of this process what any process has
    /// published; answers how many places were given. For a worker.
    pub async fn relay_outbox(&self, limit: u64) -> Result<u64> {
        let given = self.give_positions(limit).await?;
        self.tell_streams().await?;
        Ok(given)
    }

    /// Returns when there may be something to relay: after a commit of this process.
    pub async fn outbox_written(&self) {
        self.0.hub.outbox_written().await;
    }

    async fn give_positions(&self, limit: u64) -> Result<u64> {
        let db = &self.0.db;
        let backend = db.get_database_backend();
        let any = db.query_one_raw(statement(backend, ANY_UNPUBLISHED, [])).await?;
        if any.is_none() {
            return Ok(0);
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let given = transaction::run(db, "relay-outbox", |txn| {
            transaction::work(async move {
                // Two relays at once would give one position twice. SQLite has one writer anyway; on PostgreSQL the
                // lock is waited for in a statement of its own, so that the next one sees what the other relay wrote.
                if backend == DbBackend::Postgres {
                    let lock = statement(backend, "SELECT pg_advisory_xact_lock($1)", [RELAY_LOCK.into()]);
                    txn.execute_raw(lock).await?;
                }
                let given = txn
                    .execute_raw(statement(backend, GIVE_POSITIONS, [limit.into()]))
                    .await?;
                Ok(given.rows_affected())
            })
        })
        .await?;
        metrics::counter!("canopy_outbox_published_total").increment(given);
        Ok(given)
    }

    /// Tells what was published since the last time. Only signals order, never the only way to the news: a stream
    /// that sees a gap in the positions reads the database.
    async fn tell_streams(&self) -> Result<()> {
        let hub = &self.0.hub;
        let db = &self.0.db;
        let mut told = hub.told.lock().await;
        if !hub.has_listeners() {
            *told = None;
            return Ok(());
        }
        let after = match *told {
            Some(told) => told,
            // Streams may have begun before this relay did: the newest row tells them how far there is to go.
            None => {
                hub.anything_may_have_changed();
                last_position(db).await?.saturating_sub(1)
            }
        };
        if hub.has_streams() {
            self.tell_all(after, &mut told).await
        } else {
            self.tell_changes(after, &mut told).await
        }
    }

    async fn tell_all(&self, mut after: i64, told: &mut Option<i64>) -> Result<()> {
        let db = &self.0.db;
        loop {
            let values = [after.into(), TOLD_AT_ONCE.into()];
            let page = statement(db.get_database_backend(), AFTER, values);
            let rows = outbox::Model::find_by_statement(page).all(db).await?;
            let is_last = i64::try_from(rows.len()).is_ok_and(|rows| rows < TOLD_AT_ONCE);
            for row in rows {
                let published = published(row)?;
                after = published.position;
                self.0.hub.tell(published);
            }
            *told = Some(after);
            if is_last {
                return Ok(());
            }
        }
    }

    /// Tells what concerns those who keep something in memory, and reads nothing else: most of the news is of usage.
    async fn tell_changes(&self, mut after: i64, told: &mut Option<i64>) -> Result<()> {
        let db = &self.0.db;
        let end = last_position(db).await?;
        while after < end {
            let values = [after.into(), end.into(), TOLD_AT_ONCE.into(), USAGE.into()];
            let page = statement(db.get_database_backend(), CHANGES_AFTER, values);
            let rows = outbox::Model::find_by_statement(page).all(db).await?;
            let is_last = i64::try_from(rows.len()).is_ok_and(|rows| rows < TOLD_AT_ONCE);
            for row in rows {
                let published = published(row)?;
                after = published.position;
                self.0.hub.tell(published);
            }
            if is_last {
                after = end;
            }
            *told = Some(after);
        }
        Ok(())
    }
}
