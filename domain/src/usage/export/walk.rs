//! The walk of an export: along the accounts in the order of their paths, each with what it has in the order of its keys.
//!
//! So neither the number of accounts nor that of rows costs memory or a long transaction. What the actor may see of an
//! account is asked when the walk comes to it.

use std::collections::{HashMap, VecDeque};

use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::BucketLength;
use canopy_entity::{AccountId, AccountPath, Level, PermissionKey, UsageEventId};
use sea_orm::{FromQueryResult, Value};

use super::statements::{BELOW, EVENTS, EVENTS_OF, SUMS, SUMS_OF, Spelled, of_buckets, of_events};
use super::{ExportUsage, ExportedEvent, ExportedRows, ExportedSum};
use crate::statement::{list, statement};
use crate::usage::{Granularity, Period, bucket};
use crate::{AccountView, Actor, Domain, Result};

/// Rows of one page.
const ROWS: usize = 1_000;
/// Accounts that are looked up at once.
const ACCOUNTS: usize = 500;
/// Accounts whose rows are read at once, if they have few.
const TOGETHER: usize = 100;

/// A walk along the accounts and their rows.
pub(super) struct Walk {
    domain: Domain,
    actor: Actor,
    wanted: ExportUsage,
    /// The path behind which accounts are still to be looked up; none if there are no more.
    below: Option<AccountPath>,
    /// The end of the subtree's paths.
    end: String,
    /// The next accounts, in their order.
    waiting: VecDeque<AccountView>,
    /// The first of them, if it has more rows than a page, and the last row that was read of it.
    within: Option<Last>,
    /// How many accounts are likely to have no more rows than a page together.
    together: usize,
}

/// Where a page of one account ended.
enum Last {
    Nothing,
    Event(UsageEventId),
    Sum(Timestamp, String),
}

#[derive(FromQueryResult)]
struct Found {
    id: AccountId,
    path: AccountPath,
}

impl Walk {
    pub(super) fn new(domain: Domain, actor: Actor, account: AccountView, wanted: ExportUsage) -> Self {
        Self {
            domain,
            actor,
            below: wanted.include_descendants.then(|| account.path().clone()),
            end: account.path().end(),
            waiting: VecDeque::from([account]),
            within: None,
            together: TOGETHER,
            wanted,
        }
    }

    /// The next page; none behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<ExportedRows>> {
        loop {
            if let Some(last) = self.within.take() {
                self.domain.0.faults.check("usage.export.next")?;
                let until = self.until(&last);
                let rows = self.page(&last, until).await?;
                match rows.last().filter(|_| rows.len() == ROWS) {
                    Some(last) => self.within = Some(last),
                    None if until < self.wanted.period.end => {
                        self.within = Some(Last::Sum(until, String::new()));
                    }
                    None => drop(self.waiting.pop_front()),
                }
                if !rows.is_empty() {
                    return Ok(Some(rows));
                }
            } else if self.waiting.is_empty() {
                if !self.look_up().await? {
                    return Ok(None);
                }
            } else if let Some(rows) = self.together().await? {
                return Ok(Some(rows));
            }
        }
    }

    /// Looks up the accounts that come next; false if there are no more.
    async fn look_up(&mut self) -> Result<bool> {
        let Some(after) = self.below.take() else {
            return Ok(false);
        };
        let db = &self.domain.0.db;
        let most = i64::try_from(ACCOUNTS).expect("the bound is small");
        let values = [after.as_str().into(), self.end.as_str().into(), most.into()];
        let below = statement(db.get_database_backend(), BELOW, values);
        let found = Found::find_by_statement(below).all(db).await?;
        self.below = match found.last() {
            Some(last) if found.len() == ACCOUNTS => Some(last.path.clone()),
            _ => None,
        };
        let ids: Vec<AccountId> = found.into_iter().map(|found| found.id).collect();
        let mut views = self.domain.accounts(&self.actor, &ids).await?;
        let views = ids.iter().filter_map(|id| views.remove(id));
        self.waiting
            .extend(views.filter(|view| view.access().allows(PermissionKey::Usage, Level::Full)));
        Ok(self.below.is_some() || !self.waiting.is_empty())
    }

    /// The rows of the accounts that come next, as many as have no more than a page together. None if they have no rows,
    /// or if the first one alone has more.
    async fn together(&mut self) -> Result<Option<ExportedRows>> {
        loop {
            let count = self.waiting.len().min(self.together);
            let accounts: Vec<&AccountId> = self.waiting.iter().take(count).map(AccountView::id).collect();
            let rows = self.of(&accounts).await?;
            if rows.len() <= ROWS {
                let accounts: Vec<AccountView> = self.waiting.drain(..count).collect();
                let rows = in_order(rows, &accounts);
                self.together = TOGETHER.min(2 * count);
                return Ok((!rows.is_empty()).then_some(rows));
            }
            if count == 1 {
                self.within = Some(Last::Nothing);
                return Ok(None);
            }
            self.together = count / 2;
        }
    }

    /// At most one row more than a page of these accounts.
    async fn of(&self, accounts: &[&AccountId]) -> Result<ExportedRows> {
        let mut values = self.values(list(accounts), ROWS + 1);
        match self.wanted.granularity {
            None => self.events(&EVENTS_OF, values).await,
            Some(granularity) => {
                values.push(kept(granularity).as_str().into());
                self.sums(&SUMS_OF, values).await
            }
        }
    }

    /// Up to when the page behind `last` looks: hours are made of what is kept, so that their order is known only once all
    /// were made. Those of a month are few enough.
    fn until(&self, last: &Last) -> Timestamp {
        let Period { start, end } = self.wanted.period;
        let is_made = |granularity: Granularity| granularity.kept().is_none();
        if !self.wanted.granularity.is_some_and(is_made) {
            return end;
        }
        let from = match last {
            Last::Sum(start, _) => *start,
            _ => start,
        };
        let month = bucket::start_of(BucketLength::Month, from);
        bucket::end_of(BucketLength::Month, month).map_or(end, |next| next.min(end))
    }

    /// A page of the first account behind `last`.
    async fn page(&self, last: &Last, until: Timestamp) -> Result<ExportedRows> {
        let Some(account) = self.waiting.front() else {
            return Ok(ExportedRows::Events(Vec::new()));
        };
        let mut values = self.values(account.id().as_str().into(), ROWS);
        let rows = match self.wanted.granularity {
            None => {
                let after = match last {
                    Last::Event(id) => id.as_str(),
                    _ => "",
                };
                values.push(after.into());
                self.events(&EVENTS, values).await?
            }
            Some(granularity) => {
                let (start, meter) = match last {
                    Last::Sum(start, meter) => (*start, meter.as_str()),
                    _ => (self.wanted.period.start, ""),
                };
                // The period of the page, within that of the export.
                (values[1], values[2]) = (start.into(), until.into());
                values.extend([kept(granularity).as_str().into(), start.into(), meter.into()]);
                self.sums(&SUMS, values).await?
            }
        };
        Ok(in_order(rows, std::slice::from_ref(account)))
    }

    fn values(&self, accounts: Value, rows: usize) -> Vec<Value> {
        let Period { start, end } = self.wanted.period;
        let rows = i64::try_from(rows).expect("the bound is small");
        vec![accounts, start.into(), end.into(), rows.into()]
    }

    async fn events(&self, sql: &Spelled, values: Vec<Value>) -> Result<ExportedRows> {
        let db = &self.domain.0.db;
        let backend = db.get_database_backend();
        let statement = self.statement(&of_events(sql.of(backend), backend), values);
        let rows = ExportedEvent::find_by_statement(statement).all(db).await?;
        Ok(ExportedRows::Events(rows))
    }

    async fn sums(&self, sql: &Spelled, values: Vec<Value>) -> Result<ExportedRows> {
        let db = &self.domain.0.db;
        let backend = db.get_database_backend();
        let are_kept = self.wanted.granularity.is_some_and(|own| own.kept().is_some());
        let statement = self.statement(&of_buckets(sql.of(backend), backend, are_kept), values);
        let rows = ExportedSum::find_by_statement(statement).all(db).await?;
        Ok(ExportedRows::Sums(rows))
    }

    fn statement(&self, sql: &str, mut values: Vec<Value>) -> sea_orm::Statement {
        let backend = self.domain.0.db.get_database_backend();
        let meters = match &self.wanted.meters {
            None => String::new(),
            Some(meters) => {
                values.push(list(meters));
                format!("AND e.meter IN [${}]", values.len())
            }
        };
        statement(backend, &sql.replace("{meters}", &meters), values)
    }
}

impl ExportedRows {
    fn last(&self) -> Option<Last> {
        Some(match self {
            ExportedRows::Events(rows) => Last::Event(rows.last()?.id.clone()),
            ExportedRows::Sums(rows) => {
                let last = rows.last()?;
                Last::Sum(last.bucket_start, last.meter.clone())
            }
        })
    }
}

/// Which buckets are kept that these are, or are made of.
fn kept(granularity: Granularity) -> BucketLength {
    granularity.kept().unwrap_or(BucketLength::Quarter)
}

/// The rows in the order of their accounts and keys, with what they need of their accounts.
fn in_order(mut rows: ExportedRows, accounts: &[AccountView]) -> ExportedRows {
    let places: HashMap<&AccountId, usize> = accounts
        .iter()
        .enumerate()
        .map(|(place, account)| (account.id(), place))
        .collect();
    let place = |id: &AccountId| places.get(id).copied().unwrap_or(usize::MAX);
    match &mut rows {
        ExportedRows::Events(rows) => {
            rows.sort_by(|a, b| (place(&a.account_id), &a.id).cmp(&(place(&b.account_id), &b.id)));
            for row in rows {
                if let Some(account) = accounts.get(place(&row.account_id)) {
                    row.account_name.clone_from(&account.row().name);
                }
            }
        }
        ExportedRows::Sums(rows) => {
            rows.sort_by(|a, b| {
                let key = |row: &ExportedSum| (place(&row.account_id), row.bucket_start);
                key(a).cmp(&key(b)).then_with(|| a.meter.cmp(&b.meter))
            });
            for row in rows {
                if let Some(account) = accounts.get(place(&row.account_id)) {
                    row.account_name.clone_from(&account.row().name);
                    row.currency.clone_from(&account.row().currency);
                }
            }
        }
    }
    rows
}
