//! The outbox: rows are written in the transaction that makes the news, and get their place in the published order
//! afterwards, by one relay at a time among all processes.

use std::collections::BTreeMap;
use std::sync::Arc;

use canopy_entity::time::{self, Timestamp};
use canopy_entity::{AccountId, AccountPath, UsageBatchId, account, outbox, rule_change, usage_event};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, DbBackend, EntityTrait, FromQueryResult,
};
use serde::Serialize;

use super::alert_news::{self, TOPIC as ALERT};
use super::hub::{Published, Told};
use super::rights::RightsChange;
use super::usage_news::{Contents, TOPIC as USAGE};
use super::{RuleNews, UsageUpdateKind, cursor, usage_news};
use crate::statement::{list, statement};
use crate::{Domain, Error, Result, transaction};

/// The topic of news of rule versions.
pub(super) const RULE: &str = "rule";
/// The topic of changes of rights.
const RIGHTS: &str = "rights";
/// The topic of changes of plans.
const PLANS: &str = "plans";
/// Rows that are read at once to be told.
const TOLD_AT_ONCE: i64 = 500;
/// Usage events that are read at once to be told, unless a single row has more.
const EVENTS_AT_ONCE: i64 = 4_000;
/// The advisory lock of the relay on PostgreSQL: "outbox" in ASCII.
const RELAY_LOCK: i64 = 0x6f75_7462_6f78;

/// A relay that is paused with the lock in its hands must not hold up the next one.
const LOCK_RELAY: &str =
    "SELECT set_config('idle_in_transaction_session_timeout', '2s', true), pg_advisory_xact_lock($1)";

const ANY_UNPUBLISHED: &str = "SELECT seq FROM outbox WHERE position IS NULL LIMIT 1";

const GIVE_POSITIONS: &str = "
UPDATE outbox SET position = fresh.places + COALESCE((SELECT MAX(position) FROM outbox), 0)
FROM (SELECT seq, SUM(events) OVER (ORDER BY seq) AS places
      FROM (SELECT seq, events FROM outbox WHERE position IS NULL ORDER BY seq LIMIT $1) AS waiting) AS fresh
WHERE outbox.seq = fresh.seq
";

const LAST_POSITION: &str = "SELECT MAX(position) AS last FROM outbox";

pub(super) const AFTER: &str = "SELECT * FROM outbox WHERE position > $1 ORDER BY position LIMIT $2";

const AT: &str = "SELECT * FROM outbox WHERE position IN (SELECT CAST(value AS bigint) FROM {positions}) ORDER BY position";

const RULES_BEHIND: &str = "
SELECT * FROM outbox WHERE account_id = $1 AND position > $2 AND position <= $3 AND topic = $4 ORDER BY position LIMIT $5
";

const RULES_MISSED: &str = "
SELECT COUNT(*) AS rules FROM outbox WHERE account_id = $1 AND position > $2 AND position <= $3 AND topic = $4
";

const CHANGES_AFTER: &str = "
SELECT * FROM outbox WHERE position > $1 AND position <= $2 AND topic <> $4 ORDER BY position LIMIT $3
";

/// Writes news of what `batch` did to `events`, which are of one tree and in the order of their ids.
pub(crate) async fn write(
    txn: &impl ConnectionTrait,
    kind: UsageUpdateKind,
    batch: &UsageBatchId,
    events: &[&usage_event::Model],
    at: Timestamp,
) -> Result<()> {
    let Some(contents) = Contents::new(kind, batch, events) else {
        return Ok(());
    };
    let paths = events.iter().map(|event| Some(event.path.clone()));
    let nearest = paths.reduce(|one, other| one?.nearest(&other?)).flatten();
    let path = nearest.ok_or_else(|| Error::internal("news of two trees in one row"))?;
    let account_id = path
        .at(path.depth())
        .ok_or_else(|| Error::internal("a path without an account"))?;
    let places = match kind {
        UsageUpdateKind::Recorded | UsageUpdateKind::Corrected => {
            let places = events.iter().map(|event| event.place + 1);
            places.max().unwrap_or(1)
        }
        UsageUpdateKind::Rated => 1,
    };
    let row = outbox::ActiveModel {
        events: Set(places),
        ..row(USAGE, account_id, path, &contents, at)?
    };
    outbox::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// A row that tells one fact.
pub(super) fn row(
    topic: &str,
    account_id: AccountId,
    path: AccountPath,
    payload: &impl Serialize,
    at: Timestamp,
) -> Result<outbox::ActiveModel> {
    Ok(outbox::ActiveModel {
        seq: NotSet,
        events: Set(1),
        position: NotSet,
        topic: Set(topic.to_owned()),
        account_id: Set(account_id),
        path: Set(path),
        payload: Set(serde_json::to_value(payload).map_err(Error::internal)?),
        created_at: Set(at),
    })
}

/// Writes news of a step in the life of a rule version, whose owner stands at `path`.
pub(crate) async fn write_rule_change(
    txn: &impl ConnectionTrait,
    path: &AccountPath,
    change: &rule_change::Model,
) -> Result<()> {
    let row = row(
        RULE,
        change.account_id.clone(),
        path.clone(),
        change,
        change.changed_at,
    )?;
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
    let row = row(RIGHTS, account_id.clone(), path.clone(), change, time::now())?;
    outbox::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes, in the transaction that makes it, that plans have changed which are nobody's. As each row has its account, it
/// is told with some account; without one there is nobody whose plan is remembered.
pub(crate) async fn write_plans_change(txn: &impl ConnectionTrait) -> Result<()> {
    let Some(account) = account::Entity::find().one(txn).await? else {
        return Ok(());
    };
    let row = row(
        PLANS,
        account.id,
        account.path,
        &serde_json::json!({}),
        time::now(),
    )?;
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

/// The rows with these last positions, in order.
pub(super) async fn rows_at(
    db: &impl ConnectionTrait,
    positions: impl Iterator<Item = i64>,
) -> Result<Vec<outbox::Model>> {
    let backend = db.get_database_backend();
    let table = match backend {
        DbBackend::Sqlite => "json_each($1)",
        _ => "jsonb_array_elements_text($1) AS asked(value)",
    };
    let statement = statement(backend, &AT.replace("{positions}", table), [list(positions)]);
    Ok(outbox::Model::find_by_statement(statement).all(db).await?)
}

/// What a row tells that is not of usage.
pub(super) fn published(row: outbox::Model) -> Result<Published> {
    let position = row
        .position
        .ok_or_else(|| Error::internal("a published row without a position"))?;
    let cursor = cursor::encode(position);
    let told = match row.topic.as_str() {
        RULE => {
            let change = serde_json::from_value(row.payload).map_err(Error::internal)?;
            Told::Rule(Arc::new(RuleNews { cursor, change }))
        }
        PLANS => Told::Plans,
        ALERT => alert_news::told(position, row.payload)?,
        RIGHTS => Told::Rights(serde_json::from_value(row.payload).map_err(Error::internal)?),
        _ => Told::Else,
    };
    Ok(Published {
        first: position,
        position,
        path: row.path,
        told,
    })
}

/// A page of the news of the rules of `account` behind `after` and up to `end`, and the position up to which that is all.
pub(super) async fn rules_behind(
    db: &impl ConnectionTrait,
    account: &AccountId,
    after: i64,
    end: i64,
) -> Result<(Vec<Published>, i64)> {
    let values = [
        account.as_str().into(),
        after.into(),
        end.into(),
        RULE.into(),
        TOLD_AT_ONCE.into(),
    ];
    let page = statement(db.get_database_backend(), RULES_BEHIND, values);
    let rows = outbox::Model::find_by_statement(page).all(db).await?;
    let is_all = i64::try_from(rows.len()).is_ok_and(|rows| rows < TOLD_AT_ONCE);
    let news = rows.into_iter().map(published).collect::<Result<Vec<_>>>()?;
    let upto = match news.last() {
        Some(last) if !is_all => last.position,
        _ => end,
    };
    Ok((news, upto))
}

/// How many news there are of the rules of `account` behind `after` and up to `end`.
pub(super) async fn count_rules(
    db: &impl ConnectionTrait,
    account: &AccountId,
    after: i64,
    end: i64,
) -> Result<i64> {
    let values = [account.as_str().into(), after.into(), end.into(), RULE.into()];
    let count = statement(db.get_database_backend(), RULES_MISSED, values);
    let row = db.query_one_raw(count).await?;
    let row = row.ok_or_else(|| Error::internal("a count without a row"))?;
    Ok(row.try_get("", "rules")?)
}

/// What a row tells, of which these are the events if it is of usage.
pub(super) fn news_of(row: outbox::Model, events: Vec<usage_event::Model>) -> Result<Vec<Published>> {
    match row.topic.as_str() {
        USAGE => usage_news::published(&row, events),
        _ => Ok(vec![published(row)?]),
    }
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
        let given = transaction::run(&self.0.writer, "relay-outbox", |txn| {
            transaction::work(async move {
                // Two relays at once would give one position twice. SQLite has one writer anyway; on PostgreSQL the
                // lock is waited for in a statement of its own, so that the next one sees what the other relay wrote.
                if backend == DbBackend::Postgres {
                    txn.execute_raw(statement(backend, LOCK_RELAY, [RELAY_LOCK.into()]))
                        .await?;
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

    /// Tells the streams of this process what was published since the last time, by whichever process. For a worker.
    ///
    /// Only signals order, never the only way to the news: a stream that sees a gap in the positions reads the database.
    pub async fn tell_streams(&self) -> Result<()> {
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
            after = self.tell_rows(after, rows).await?;
            *told = Some(after);
            if is_last {
                return Ok(());
            }
        }
    }

    /// Tells what `rows` say, which are the next ones behind `after`; answers the last position that was told.
    async fn tell_rows(&self, mut after: i64, rows: Vec<outbox::Model>) -> Result<i64> {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let (mut some, mut events) = (Vec::new(), 0);
            while let Some(row) = rows.next_if(|_| events < EVENTS_AT_ONCE) {
                events += i64::from(row.events);
                some.push(row);
            }
            let end = some.last().and_then(|row| row.position).unwrap_or(after);
            let mut usage = match some.iter().any(|row| row.topic == USAGE) {
                true => usage_news::events(&self.0.db, after, end, None).await?,
                false => BTreeMap::new(),
            };
            for row in some {
                let of_row = row.position.and_then(|position| usage.remove(&position));
                for published in news_of(row, of_row.unwrap_or_default())? {
                    if published.position > after {
                        after = published.position;
                        self.0.hub.tell(published);
                    }
                }
            }
            after = end;
        }
        Ok(after)
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
