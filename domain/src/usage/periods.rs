//! Closed periods: months in UTC to whose sums nothing is added any more. What would count in one counts at the present
//! instead, and says which it adjusts.
//!
//! The end of the last closed month is one of the terms of a tree: who records usage holds them, and who closes a month
//! changes them. So no transaction adds to a month that was closed before it was committed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use canopy_entity::time::{self, Timestamp};
use canopy_entity::usage_aggregate::BucketLength;
use canopy_entity::{AccountId, AccountPath, Level, PermissionKey, usage_event, usage_period};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};

use super::bucket;
use crate::pricing::{Facts, lock_terms};
use crate::statement::statement;
use crate::store::{Given, Query};
use crate::{AccountView, Actor, Domain, Error, Result, transaction};

/// The most closed months that are told of an account.
pub const MAX_PERIODS: i32 = 120;

const OPEN: &str = "
SELECT root_id FROM tree_terms WHERE closed_until IS NULL OR closed_until < $1 ORDER BY root_id LIMIT $2
";

/// The first month in which anything is counted in a tree.
const FIRST: &str = "
SELECT MIN(bucket_start) AS first FROM usage_sums WHERE account_id = $1 AND granularity = 'MONTH'
";

const CLOSE: &str = "UPDATE tree_terms SET closed_until = $2, version = version + 1 WHERE root_id = $1";

static CLOSED: LazyLock<Query> = LazyLock::new(|| {
    Query::new(
        "SELECT p.root_id, p.starts_at, p.closed_at FROM usage_periods p WHERE p.root_id IN [$1]
         ORDER BY p.root_id, p.starts_at DESC",
    )
});

/// A month that is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedPeriod {
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
    /// When it was closed.
    pub closed_at: Timestamp,
}

/// When something counts that would count at `at`, if that lies in a closed period of the tree of `path`; none if it does
/// not.
pub(super) fn counted_at(
    facts: &Facts,
    path: &AccountPath,
    at: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    let until = facts.closed_until(path)?;
    // The clock of whoever closed the period may be ahead of this one.
    (at < until).then(|| now.max(until))
}

/// Says of an event that is about to be recorded when it counts.
pub(super) fn place(facts: &Facts, event: &mut Arc<usage_event::Model>, now: Timestamp) {
    let counted_at = counted_at(facts, &event.path, event.occurred_at, now);
    if counted_at != event.counted_at {
        let event = Arc::make_mut(event);
        event.counted_at = counted_at;
        event.adjusts = counted_at.map(|_| bucket::start_of(BucketLength::Month, event.occurred_at));
    }
}

/// An event as it counts when it is corrected now: where it does, or at the present if that is closed.
pub(super) fn placed_again(facts: &Facts, event: &usage_event::Model, now: Timestamp) -> usage_event::Model {
    let mut event = event.clone();
    let at = event.counts_at();
    if let Some(counted_at) = counted_at(facts, &event.path, at, now) {
        event.counted_at = Some(counted_at);
        event.adjusts = Some(bucket::start_of(BucketLength::Month, at));
    }
    event
}

impl Domain {
    /// Closes, tree by tree, all months that ended so long ago; at most `limit` trees. Answers how many. For a worker, of
    /// which any number may be at it.
    pub async fn close_periods(&self, after: Duration, limit: u64) -> Result<u64> {
        let db = &self.0.db;
        let ago = chrono::Duration::from_std(after).ok();
        let end = ago.and_then(|ago| time::now().checked_sub_signed(ago));
        let Some(until) = end.map(|end| bucket::start_of(BucketLength::Month, end)) else {
            return Ok(0);
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let open = statement(db.get_database_backend(), OPEN, [until.into(), limit.into()]);
        let mut closed = 0;
        for row in db.query_all_raw(open).await? {
            let root: AccountId = row.try_get("", "root_id")?;
            let root = &root;
            let is_closed = transaction::run(&self.0.writer, "close-periods", |txn| {
                transaction::work(async move { close(txn, root, until).await })
            });
            closed += u64::from(is_closed.await?);
        }
        Ok(closed)
    }

    /// The last `most` closed months of each account in which it may have used something, newest first. One without
    /// `USAGE` FULL is missing from the answer.
    pub async fn closed_periods(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
        most: i32,
    ) -> Result<HashMap<AccountId, Vec<ClosedPeriod>>> {
        let most = usize::try_from(most)
            .ok()
            .filter(|most| *most <= MAX_PERIODS as usize);
        let most =
            most.ok_or_else(|| Error::bad_input(&["first"], format!("`first` is 0 to {MAX_PERIODS}.")))?;
        let visible = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Usage, Level::Full));
        let visible: Vec<&AccountView> = visible.collect();
        let mut roots: Vec<AccountId> = visible.iter().map(|account| account.path().root_id()).collect();
        roots.sort();
        roots.dedup();
        if roots.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<&str> = roots.iter().map(AccountId::as_str).collect();
        let mut closed: HashMap<AccountId, Vec<ClosedPeriod>> = HashMap::new();
        for row in self.rows(&CLOSED, &[Given::Texts(&ids)]).await? {
            let (root, start) = (row.parsed(0)?, row.time(1)?);
            closed.entry(root).or_default().push(ClosedPeriod {
                start,
                end: next_month(start)?,
                closed_at: row.time(2)?,
            });
        }
        // Usage may be from before the account was made.
        let early = chrono::Duration::from_std(self.0.usage_window.max_age).unwrap_or_default();
        let of_account = |account: &AccountView| {
            let since = account.row().created_at - early;
            let months = closed.get(&account.path().root_id()).into_iter().flatten();
            let months = months.filter(|month| month.end > since).take(most);
            (account.id().clone(), months.copied().collect())
        };
        Ok(visible.into_iter().map(of_account).collect())
    }
}

/// Closes all months of a tree up to `until`; false if they are closed already.
async fn close(txn: &impl ConnectionTrait, root: &AccountId, until: Timestamp) -> Result<bool> {
    let backend = txn.get_database_backend();
    // Whoever records usage in the tree is done now, and whoever comes later finds it closed.
    let before = lock_terms(txn, root).await?;
    if before.is_some_and(|before| before >= until) {
        return Ok(false);
    }
    let first = txn.query_one_raw(statement(backend, FIRST, [root.as_str().into()]));
    let first = first
        .await?
        .ok_or_else(|| Error::internal("an aggregate without a row"))?;
    let first: Option<Timestamp> = first.try_get("", "first")?;
    let values = [root.as_str().into(), until.into()];
    txn.execute_raw(statement(backend, CLOSE, values)).await?;
    let closed_at = time::now();
    let mut months = Vec::new();
    let mut start = before.max(first.filter(|_| before.is_none()));
    while let Some(month) = start.filter(|month| *month < until) {
        months.push(usage_period::Model {
            root_id: root.clone(),
            starts_at: month,
            closed_at,
        });
        start = Some(next_month(month)?);
    }
    for months in months.chunks(500) {
        let rows = months.iter().cloned().map(IntoActiveModel::into_active_model);
        usage_period::Entity::insert_many(rows)
            .exec_without_returning(txn)
            .await?;
    }
    Ok(true)
}

fn next_month(start: Timestamp) -> Result<Timestamp> {
    bucket::end_of(BucketLength::Month, start).ok_or_else(|| Error::internal("a month beyond the calendar"))
}
