//! News of usage: a row of the outbox tells of all events that one batch recorded, and says where they are. They are
//! read when somebody is to be told.
//!
//! A row has as many positions as its batch has places, the last of them being the row's own. A place may stay empty, as
//! its event was known already or could not be paid; so an event is told with the first position behind the one before.

use std::collections::BTreeMap;
use std::sync::Arc;

use canopy_entity::usage_event::{self, RatingStatus};
use canopy_entity::{AccountId, AccountPath, UsageBatchId, UsageEventId, outbox, rating};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Value};
use serde::{Deserialize, Serialize};

use super::hub::{Published, Told};
use super::{UsageUpdate, UsageUpdateKind, cursor};
use crate::statement::{list, statement};
use crate::{AccountView, Error, Micros, Money, Result};

/// The topic of the rows.
pub(super) const TOPIC: &str = "usage";

/// So many events are read at once, unless a single row has more.
const EVENTS: i64 = 4_000;
/// Rows that are looked at to find so many events.
const ROWS: i64 = 500;

const POSITIONS: &str = "
SELECT position, events FROM outbox WHERE position > $1 AND position <= $2 AND topic = 'usage'
ORDER BY position LIMIT $3
";

/// What a row says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Contents {
    pub(super) kind: UsageUpdateKind,
    pub(super) batch: UsageBatchId,
    /// The least and the greatest id of its events.
    pub(super) first: UsageEventId,
    pub(super) last: UsageEventId,
    /// The places of those that had no price yet.
    pub(super) pending: Vec<i32>,
}

impl Contents {
    /// What a batch did to `events`, which are in the order of their ids.
    pub(super) fn new(
        kind: UsageUpdateKind,
        batch: &UsageBatchId,
        events: &[&usage_event::Model],
    ) -> Option<Self> {
        let pending = events
            .iter()
            .filter(|event| event.rating_status == RatingStatus::Pending);
        Some(Self {
            kind,
            batch: batch.clone(),
            first: events.first()?.id.clone(),
            last: events.last()?.id.clone(),
            pending: pending.map(|event| event.place).collect(),
        })
    }

    /// The place of an event among the positions of the row, from 0.
    fn place(&self, event: &usage_event::Model) -> i32 {
        match self.kind {
            UsageUpdateKind::Recorded | UsageUpdateKind::Corrected => event.place,
            // An event is rated late by itself.
            UsageUpdateKind::Rated => 0,
        }
    }
}

/// Whose news is wanted.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) account: AccountId,
    /// Whether that of everything below, too: of what stood below when it was used.
    pub(super) include_descendants: bool,
    /// Of which meters, where it is of usage; of all if none.
    pub(super) meters: Option<Vec<String>>,
}

impl Scope {
    /// All news of `account`, and of what is below it if `include_descendants`.
    pub(super) fn of(account: &AccountView, include_descendants: bool) -> Self {
        Self {
            account: account.id().clone(),
            include_descendants,
            meters: None,
        }
    }

    pub(super) fn has_meter(&self, meter: &str) -> bool {
        let wanted = self.meters.as_ref();
        wanted.is_none_or(|meters| meters.iter().any(|wanted| wanted == meter))
    }

    pub(super) fn covers(&self, path: &AccountPath) -> bool {
        match self.include_descendants {
            true => path.leads_through(&self.account),
            false => path.leads_to(&self.account),
        }
    }
}

/// What the account that used something pays to its own seller, or gets back; none if nobody sells to it.
fn own_charge(event: &usage_event::Model) -> Result<Option<Money>> {
    let charged = rating::own_charge(event).map_err(Error::internal)?;
    let money = charged.map(|(currency, micros)| {
        let amount = Micros::new(micros).map_err(Error::internal)?;
        let currency = currency.to_owned();
        Ok(Money { amount, currency })
    });
    money.transpose()
}

/// The news of a row, whose events these are.
pub(super) fn published(row: &outbox::Model, events: Vec<usage_event::Model>) -> Result<Vec<Published>> {
    let last = row
        .position
        .ok_or_else(|| Error::internal("a published row without a position"))?;
    let contents: Contents = serde_json::from_value(row.payload.clone()).map_err(Error::internal)?;
    let mut before = last - i64::from(row.events);
    let base = before;
    let mut news = Vec::with_capacity(events.len());
    for mut event in events {
        let place = contents.place(&event);
        event.rating_status = match contents.pending.contains(&place) {
            true => RatingStatus::Pending,
            false => RatingStatus::Rated,
        };
        let position = base + i64::from(place) + 1;
        let path = event.path.clone();
        let charged = match event.rating_status {
            RatingStatus::Rated => own_charge(&event)?,
            _ => None,
        };
        let update = UsageUpdate::new(cursor::encode(position), contents.kind, event, charged);
        news.push(Published {
            first: before + 1,
            position,
            path,
            told: Told::Usage(Arc::new(update)),
        });
        before = position;
    }
    Ok(news)
}

/// The events of the rows with positions behind `after` and up to `end`, by the position of the row, in their order; those
/// in `scope` if there is one.
pub(super) async fn events(
    db: &impl ConnectionTrait,
    after: i64,
    end: i64,
    scope: Option<&Scope>,
) -> Result<BTreeMap<i64, Vec<usage_event::Model>>> {
    let backend = db.get_database_backend();
    let mut values: Vec<Value> = vec![after.into(), end.into()];
    let from = from(backend, scope, &mut values);
    let sql = format!("SELECT o.position AS told_at, e.* {from} ORDER BY o.position, e.id");
    let mut events: BTreeMap<i64, Vec<usage_event::Model>> = BTreeMap::new();
    for row in db.query_all_raw(statement(backend, &sql, values)).await? {
        let position = row.try_get("", "told_at")?;
        let event = usage_event::Model::from_query_result(&row, "")?;
        events.entry(position).or_default().push(event);
    }
    Ok(events)
}

/// How many events in `scope` have positions behind `after` and up to `end`.
pub(super) async fn count(db: &impl ConnectionTrait, after: i64, end: i64, scope: &Scope) -> Result<i64> {
    let backend = db.get_database_backend();
    let mut values: Vec<Value> = vec![after.into(), end.into()];
    let from = from(backend, Some(scope), &mut values);
    let behind = "o.position - o.events + 1 + (CASE WHEN {kind} = 'RATED' THEN 0 ELSE e.place END) > $1";
    let behind = behind.replace("{kind}", &member(backend, "kind"));
    let sql = format!("SELECT COUNT(*) AS events {from} AND {behind}");
    let row = db.query_one_raw(statement(backend, &sql, values)).await?;
    let row = row.ok_or_else(|| Error::internal("a count without a row"))?;
    Ok(row.try_get("", "events")?)
}

/// A page of the news in `scope` behind `after` and up to `end`, and the position up to which that is all.
pub(super) async fn behind(
    db: &impl ConnectionTrait,
    after: i64,
    end: i64,
    scope: &Scope,
) -> Result<(Vec<Published>, i64)> {
    let values = [after.into(), end.into(), ROWS.into()];
    let rows = db
        .query_all_raw(statement(db.get_database_backend(), POSITIONS, values))
        .await?;
    let mut upto = end;
    let mut sum = 0;
    for row in &rows {
        let (position, events): (i64, i32) = (row.try_get("", "position")?, row.try_get("", "events")?);
        sum += i64::from(events);
        upto = position;
        if sum >= EVENTS {
            break;
        }
    }
    let is_all = sum < EVENTS && i64::try_from(rows.len()).is_ok_and(|rows| rows < ROWS);
    let upto = if is_all { end } else { upto };
    let mut found = events(db, after, upto, Some(scope)).await?;
    let mut news = Vec::new();
    if !found.is_empty() {
        for row in super::outbox::rows_at(db, found.keys().copied()).await? {
            let events = row.position.and_then(|position| found.remove(&position));
            news.extend(published(&row, events.unwrap_or_default())?);
        }
    }
    news.retain(|published| published.position > after);
    Ok((news, upto))
}

/// The rows `o` behind `$1` and up to `$2`, and of each the events `e` that it tells of, in the one order that costs what is
/// told and not what was ever recorded.
fn from(backend: DbBackend, scope: Option<&Scope>, values: &mut Vec<Value>) -> String {
    let mut place = values.len();
    let mut given = |value: Value| {
        values.push(value);
        place += 1;
        format!("${place}")
    };
    let meters = scope.and_then(|scope| scope.meters.as_ref());
    let scope = match scope {
        None => "true".to_owned(),
        Some(scope) => {
            let account = given(scope.account.as_str().into());
            match scope.include_descendants {
                true => format!("strpos(e.path, {account}) > 0"),
                false => format!("e.account_id = {account}"),
            }
        }
    };
    let scope = match meters {
        None => scope,
        Some(meters) => format!("{scope} AND e.meter IN [{}]", given(list(meters))),
    };
    let [kind, batch, first, last] = ["kind", "batch", "first", "last"].map(|name| member(backend, name));
    let range = format!("e.id >= {first} AND e.id <= {last} AND {scope}");
    let rows = format!(
        "o.position > $1 AND o.position <= $2 AND o.topic = '{TOPIC}' AND (e.batch_id = {batch} OR {kind} = 'RATED')"
    );
    match backend {
        DbBackend::Sqlite => format!("FROM outbox o CROSS JOIN usage_events e WHERE {range} AND {rows}"),
        _ => format!(
            "FROM outbox o CROSS JOIN LATERAL (SELECT e.* FROM usage_events e WHERE {range} OFFSET 0) e WHERE {rows}"
        ),
    }
}

/// A member of what a row says.
pub(crate) fn member(backend: DbBackend, name: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("json_extract(o.payload, '$.{name}')"),
        _ => format!("(o.payload ->> '{name}')"),
    }
}
