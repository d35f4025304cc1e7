//! Reading rated usage of an edge by the page: one row for thousands of events, a column of it for each thing that a
//! rule is told. A row per event would cost more than the rule.
//!
//! Pages go by the batches in which prices were made, and within them by the events' ids: so each page lies together on the
//! disk. By account it would cost three times as much, as an account's events are strewn over the whole month.

use std::str::Split;

use canopy_entity::rating::Stored;
use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, UsageBatchId};
use canopy_rules_host::PeriodTotals;
use chrono::{NaiveDate, NaiveDateTime};
use sea_orm::{ConnectionTrait, DbBackend, Value};

use crate::events::usage_news::member;
use crate::statement::statement;
use crate::usage::ratings;
use crate::{Error, Result};

/// Events of one page.
pub(super) const PAGE: usize = 16_384;

/// What is read of each event, in this order, and what stands between two values of a column. No value holds its
/// separator: attributes and ratings are JSON on one line each, and the others are ids, names and numbers.
const COLUMNS: [(&str, char); 6] = [
    ("below", ','),
    ("meter", ','),
    ("quantity", ','),
    ("occurred", ','),
    ("attributes", '\n'),
    ("ratings", '\n'),
];

/// The events `e`, with where their accounts stood then, from behind the seller `$1` on. Their prices are read as they are kept:
/// to take them apart in SQL takes twice as long.
const OF_EVENTS: &str = "SELECT {position} AS position, substr(e.path, strpos(e.path, $1) + 31) AS below, e.meter, e.quantity, {occurred} AS occurred, e.attributes, e.ratings";

/// What a seller sells to some of the accounts below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    seller: AccountId,
    /// What stands in the paths of those accounts.
    through: String,
}

impl Edge {
    /// What `seller` sells to the subtree of `buyer`, or to all below itself if that is none.
    pub(super) fn of(seller: &AccountId, buyer: Option<&AccountId>) -> Self {
        let through = match buyer {
            None => format!("{seller}/{}", AccountId::PREFIX),
            Some(buyer) => format!("{seller}/{buyer}/"),
        };
        Self {
            seller: seller.clone(),
            through,
        }
    }
}

/// Some events of an edge, as columns.
#[derive(Debug)]
pub(super) struct Page {
    /// How many events.
    pub(super) events: usize,
    /// Where the next page begins.
    pub(super) last: String,
    columns: Vec<String>,
    /// Whether answers are compared with receipts.
    receipts: bool,
}

/// One rated event, as it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'p> {
    /// The path of its account then, from behind the seller on.
    pub(super) below: &'p str,
    pub(super) meter: &'p str,
    pub(super) quantity: i64,
    /// Microseconds since 1970.
    pub(super) occurred: i64,
    pub(super) attributes: &'p str,
    /// What the rule was told of the buyer; none if no rule priced it.
    pub(super) facts: Option<(&'p str, PeriodTotals)>,
    pub(super) cost: i64,
    pub(super) price: i64,
    pub(super) receipt: Option<Receipt<'p>>,
}

/// What an answer is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receipt<'p> {
    pub(super) rule_version: &'p str,
    pub(super) input: &'p str,
    pub(super) output: &'p str,
}

/// Before all that a batch made which began at `from`.
pub(super) fn begin(from: Timestamp) -> String {
    format!("{} ", UsageBatchId::first_at(from))
}

/// The next page of an edge behind the position `after`, of batches before `end`; none if there is none. What was taken back
/// until then is left out, with what took it back.
pub(super) async fn read(
    db: &impl ConnectionTrait,
    edge: &Edge,
    after: &str,
    end: &UsageBatchId,
    receipts: bool,
) -> Result<Option<Page>> {
    let backend = db.get_database_backend();
    let (events, in_batch) = (ratings::events_of_batches(backend), ratings::IN_BATCH);
    let rows = format!(
        "{OF_EVENTS} FROM {events}
         WHERE b.rated_by = $1 AND b.batch_id >= $2 AND b.batch_id < $3 AND (b.batch_id > $2 OR e.id > $4) AND {in_batch}
           AND strpos(e.path, $5) > 0 AND (e.correction IS NULL OR e.correction <> 'REVERSAL')
           AND NOT EXISTS (SELECT 1 FROM usage_events back
             WHERE back.corrects_id = e.id AND back.correction = 'REVERSAL' AND back.batch_id < $3)
         ORDER BY b.batch_id, e.id LIMIT {PAGE}"
    );
    let (batch, event) = after.split_once(' ').unwrap_or((after, ""));
    let values = [
        edge.seller.as_str().into(),
        batch.into(),
        end.as_str().into(),
        event.into(),
        edge.through.as_str().into(),
    ];
    let rows = spelled(backend, &rows, "b.batch_id || ' ' || e.id");
    of(db, &rows, values, receipts).await
}

/// News of events that have their prices, at and below a seller.
pub(super) struct News {
    /// Behind this position of the outbox, up to that one.
    pub(super) after: i64,
    pub(super) end: i64,
    pub(super) seller: AccountId,
}

/// The prices at a seller's edge that the news tell of; none if they tell of none. An event is told with its prices
/// once: by the batch that rated it. Corrections are left out: what they take out cannot be taken out of what was looked at.
pub(super) async fn told(db: &impl ConnectionTrait, news: &News) -> Result<Option<Page>> {
    let backend = db.get_database_backend();
    let [batch, first, last] = ["batch", "first", "last"].map(|name| member(backend, name));
    let events = match backend {
        DbBackend::Sqlite => "CROSS JOIN usage_events e".to_owned(),
        _ => format!(
            "CROSS JOIN LATERAL (SELECT e.* FROM usage_events e WHERE e.id >= {first} AND e.id <= {last} OFFSET 0) e"
        ),
    };
    let rows = format!(
        "{OF_EVENTS} FROM outbox o {events}
         WHERE o.position > $2 AND o.position <= $3 AND o.topic = 'usage' AND e.id >= {first} AND e.id <= {last}
           AND e.rating_status = 'RATED' AND coalesce(e.rated_batch_id, e.batch_id) = {batch}
           AND strpos(e.path, $4) > 0 AND e.correction IS NULL
         ORDER BY o.position, e.id"
    );
    let edge = Edge::of(&news.seller, None);
    let values = [
        edge.seller.as_str().into(),
        news.after.into(),
        news.end.into(),
        edge.through.as_str().into(),
    ];
    let rows = spelled(backend, &rows, "e.id");
    of(db, &rows, values, false).await
}

/// A page of the `rows` of a statement, with the receipts if they are wanted.
async fn of(
    db: &impl ConnectionTrait,
    rows: &str,
    values: impl IntoIterator<Item = Value>,
    receipts: bool,
) -> Result<Option<Page>> {
    let backend = db.get_database_backend();
    let columns = COLUMNS.map(|(column, separator)| joined(backend, column, separator));
    let sql = format!(
        "SELECT COUNT(*) AS events, MAX(position) AS last, {} FROM ({rows}) AS page",
        columns.join(", ")
    );
    let row = db.query_one_raw(statement(backend, &sql, values)).await?;
    let row = row.ok_or_else(|| Error::internal("an aggregate without a row"))?;
    let events: i64 = row.try_get("", "events")?;
    if events == 0 {
        return Ok(None);
    }
    let columns = COLUMNS.iter().map(|(column, _)| row.try_get("", column));
    Ok(Some(Page {
        events: usize::try_from(events).map_err(Error::internal)?,
        last: row.try_get("", "last")?,
        columns: columns.collect::<Result<_, _>>()?,
        receipts,
    }))
}

fn joined(backend: DbBackend, column: &str, separator: char) -> String {
    let separator = u32::from(separator);
    match backend {
        DbBackend::Sqlite => format!("group_concat({column}, char({separator})) AS {column}"),
        _ => format!("string_agg({column}::text, chr({separator})) AS {column}"),
    }
}

/// The statement with its `position`.
fn spelled(backend: DbBackend, rows: &str, position: &str) -> String {
    // SQLite keeps an instant as the text of it, which is read faster here than there.
    let occurred = match backend {
        DbBackend::Sqlite => "e.occurred_at",
        _ => "CAST(round(date_part('epoch', e.occurred_at) * 1000000) AS bigint)",
    };
    rows.replace("{occurred}", occurred)
        .replace("{position}", position)
}

impl Page {
    /// The events of the page, in their order.
    pub(super) fn rows(&self) -> Result<Vec<Row<'_>>> {
        let columns = self.columns.iter().zip(COLUMNS);
        let columns = columns.map(|(text, (_, separator))| text.split(separator));
        let mut columns: Vec<Split<'_, char>> = columns.collect();
        let mut rows = Vec::with_capacity(self.events);
        for _ in 0..self.events {
            let row = self.row(&mut columns);
            rows.push(row.ok_or_else(|| Error::internal("a page of usage cannot be read"))?);
        }
        let complete = columns.iter_mut().all(|column| column.next().is_none());
        assert!(complete, "each column of a page has a value for each event");
        Ok(rows)
    }

    fn row<'p>(&self, columns: &mut [Split<'p, char>]) -> Option<Row<'p>> {
        let mut columns = columns.iter_mut();
        let mut next = || columns.next()?.next();
        let (below, meter) = (next()?, next()?);
        let (quantity, occurred, attributes) = (number(next()?)?, instant(next()?)?, next()?);
        let stored: Stored<'p> = serde_json::from_str(next()?).ok()?;
        // An edge for each seller, from the top down: as many are below this seller's as accounts are below its buyer.
        let edge = stored.edges.len().checked_sub(below.matches('/').count())?;
        let charged = stored.edges.get(edge)?;
        let facts = charged.receipt.as_ref().map(|receipt| {
            let (start, quantity, lines) = receipt.period;
            let before = PeriodTotals {
                start,
                quantity,
                lines,
            };
            (receipt.plan, before)
        });
        let receipt = charged.receipt.as_ref().filter(|_| self.receipts);
        Some(Row {
            below,
            meter,
            quantity,
            occurred,
            attributes,
            facts,
            cost: charged.cost,
            price: charged.price,
            receipt: receipt.map(|receipt| Receipt {
                rule_version: receipt.rule,
                input: receipt.input,
                output: receipt.output,
            }),
        })
    }
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Microseconds since 1970, from their number or from SQLite's text in UTC: `2026-01-31T12:00:00.25+00:00`.
fn instant(text: &str) -> Option<i64> {
    if text.as_bytes().get(4) != Some(&b'-') {
        return number(text);
    }
    let field = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let year = text.get(..4)?.parse().ok()?;
    let (rest, utc) = text.get(19..)?.split_at_checked(text.len().checked_sub(25)?)?;
    if utc != "+00:00" {
        return None;
    }
    let micros = match rest.strip_prefix('.') {
        None => 0,
        Some(digits) => {
            digits.parse::<u32>().ok()? * 10_u32.checked_pow(6_u32.checked_sub(digits.len() as u32)?)?
        }
    };
    let date = NaiveDate::from_ymd_opt(year, field(5, 7)?, field(8, 10)?)?;
    let instant: NaiveDateTime =
        date.and_hms_micro_opt(field(11, 13)?, field(14, 16)?, field(17, 19)?, micros)?;
    Some(instant.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_each_database_gives_them() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().timestamp_micros();
        for text in [
            "2026-01-31T12:00:00+00:00",
            "2026-12-01T23:59:59.250+00:00",
            "2026-01-01T00:00:00.000001+00:00",
        ] {
            assert_eq!(instant(text), Some(at(text)), "{text}");
        }
        assert_eq!(instant("1767225600000001"), Some(1_767_225_600_000_001));
        for text in ["2026-01-31T12:00:00+01:00", "2026-13-31T12:00:00+00:00", "", "x"] {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
