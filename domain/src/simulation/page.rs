//! Reading rated usage of an edge by the page: one row for thousands of events, a column of it for each thing that a
//! rule is told. A row per event would cost more than the rule.
//!
//! Pages go by the ratings' ids, which are in the order in which they were made: so each page lies together on the
//! disk. By account it would cost three times as much, as an account's events are strewn over the whole month.

use canopy_entity::{AccountId, RatingId, account};
use canopy_rules_host::PeriodTotals;
use chrono::{NaiveDate, NaiveDateTime};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Value};

use crate::events::usage_news::member;
use crate::statement::statement;
use crate::{Error, Result};

/// Events of one page.
pub(super) const PAGE: usize = 16_384;

/// What is read of each event, in this order, and what stands between two values of a column. No value holds its
/// separator: the attributes are JSON on one line, and the others are ids, names and numbers.
const COLUMNS: [(&str, char); 11] = [
    ("account_id", ','),
    ("meter", ','),
    ("quantity", ','),
    ("occurred", ','),
    ("attributes", '\n'),
    ("buyer_plan", ','),
    ("period_start", ','),
    ("period_quantity", ','),
    ("period_lines", ','),
    ("cost", ','),
    ("price", ','),
];

/// What is read besides to compare answers with receipts.
const RECEIPTS: [(&str, char); 3] = [
    ("rule_version_id", ','),
    ("input_digest", ','),
    ("output_digest", ','),
];

/// What stands for a value that is not there.
const NONE: &str = "-";

/// The ratings `r` of one edge with their events `e`.
const OF_EVENTS: &str = "
SELECT r.id, e.account_id, e.meter, e.quantity, {occurred} AS occurred, e.attributes,
       COALESCE(r.buyer_plan, '-') AS buyer_plan,
       COALESCE(CAST(r.period_start AS text), '-') AS period_start,
       COALESCE(CAST(r.period_quantity AS text), '-') AS period_quantity,
       COALESCE(CAST(r.period_lines AS text), '-') AS period_lines, r.cost, r.price,
       COALESCE(r.rule_version_id, '-') AS rule_version_id, COALESCE(r.input_digest, '-') AS input_digest,
       COALESCE(r.output_digest, '-') AS output_digest
";

/// Whose edge a page is of.
#[derive(Debug, Clone)]
pub(super) enum Edge {
    /// All that this account sells.
    Seller(AccountId),
    /// All that its parent sells to this account and those below it.
    Buyer(AccountId),
}

/// Some events of an edge, as columns.
#[derive(Debug)]
pub(super) struct Page {
    /// How many events.
    pub(super) events: usize,
    /// Where the next page begins.
    pub(super) last: String,
    columns: Vec<String>,
}

/// One rated event, as it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'p> {
    pub(super) account: &'p str,
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

/// The next page of an edge behind the rating `after`, up to the rating `end`; none if there is none. What was taken back
/// until then is left out, with what took it back.
pub(super) async fn read(
    db: &impl ConnectionTrait,
    edge: &Edge,
    after: &str,
    end: &RatingId,
    receipts: bool,
) -> Result<Option<Page>> {
    let (column, account) = match edge {
        Edge::Seller(account) => ("seller_account_id", account),
        Edge::Buyer(account) => ("buyer_account_id", account),
    };
    let rows = format!(
        "{OF_EVENTS} FROM ratings r CROSS JOIN usage_events e
         WHERE e.id = r.event_id AND r.{column} = $1 AND r.id > $2 AND r.id < $3 AND r.reverses_id IS NULL
           AND NOT EXISTS (SELECT 1 FROM ratings back WHERE back.reverses_id = r.id AND back.id < $3)
         ORDER BY r.id LIMIT {PAGE}"
    );
    let values = [account.as_str().into(), after.into(), end.as_str().into()];
    of(db, &rows, "MAX(id)", values, receipts).await
}

/// News of events that have their prices, at and below a seller.
pub(super) struct News<'a> {
    /// Behind this position of the outbox, up to that one.
    pub(super) after: i64,
    pub(super) end: i64,
    pub(super) seller: &'a account::Model,
}

/// The ratings at a seller's edge that the news tell of; none if they tell of none. An event is told with its prices
/// once: by the batch that rated it. Corrections are left out: what they take out cannot be taken out of what was looked at.
pub(super) async fn told(db: &impl ConnectionTrait, news: &News<'_>) -> Result<Option<Page>> {
    let [batch, first, last] = ["batch", "first", "last"].map(|name| member(db.get_database_backend(), name));
    let rows = format!(
        "{OF_EVENTS} FROM outbox o CROSS JOIN ratings r CROSS JOIN usage_events e
         WHERE o.position > $1 AND o.position <= $2 AND o.topic = 'usage'
           AND r.event_id >= {first} AND r.event_id <= {last} AND r.batch_id = {batch}
           AND r.seller_account_id = $3 AND e.id = r.event_id AND e.correction IS NULL
         ORDER BY o.position, r.event_id"
    );
    let values = [news.after.into(), news.end.into(), news.seller.id.as_str().into()];
    of(db, &rows, "MAX(id)", values, false).await
}

/// A page of the `rows` of a statement, with the text `last` of them all.
async fn of(
    db: &impl ConnectionTrait,
    rows: &str,
    last: &str,
    values: impl IntoIterator<Item = Value>,
    receipts: bool,
) -> Result<Option<Page>> {
    let backend = db.get_database_backend();
    let columns = columns(receipts).map(|(column, separator)| joined(backend, column, separator));
    let columns: Vec<String> = columns.collect();
    let rows = spelled(backend, rows);
    let sql = format!(
        "SELECT COUNT(*) AS events, {last} AS last, {} FROM ({rows}) AS page",
        columns.join(", ")
    );
    let row = db.query_one_raw(statement(backend, &sql, values)).await?;
    let row = row.ok_or_else(|| Error::internal("an aggregate without a row"))?;
    Page::of(&row, receipts)
}

fn columns(receipts: bool) -> impl Iterator<Item = (&'static str, char)> {
    let receipts = if receipts { RECEIPTS.as_slice() } else { &[] };
    COLUMNS.iter().chain(receipts).copied()
}

fn joined(backend: DbBackend, column: &str, separator: char) -> String {
    let separator = u32::from(separator);
    match backend {
        DbBackend::Sqlite => format!("group_concat({column}, char({separator})) AS {column}"),
        _ => format!("string_agg({column}::text, chr({separator})) AS {column}"),
    }
}

fn spelled(backend: DbBackend, rows: &str) -> String {
    // SQLite keeps an instant as the text of it, which is read faster here than there.
    let occurred = match backend {
        DbBackend::Sqlite => "e.occurred_at",
        _ => "CAST(round(date_part('epoch', e.occurred_at) * 1000000) AS bigint)",
    };
    rows.replace("{occurred}", occurred)
}

impl Page {
    fn of(row: &QueryResult, receipts: bool) -> Result<Option<Self>> {
        let events: i64 = row.try_get("", "events")?;
        if events == 0 {
            return Ok(None);
        }
        let columns = columns(receipts).map(|(column, _)| row.try_get("", column));
        Ok(Some(Self {
            events: usize::try_from(events).map_err(Error::internal)?,
            last: row.try_get("", "last")?,
            columns: columns.collect::<Result<_, _>>()?,
        }))
    }

    /// The events of the page, in their order.
    pub(super) fn rows(&self) -> Result<Vec<Row<'_>>> {
        let separators = columns(true).map(|(_, separator)| separator);
        let columns = self.columns.iter().zip(separators);
        let mut columns: Vec<_> = columns.map(|(text, separator)| text.split(separator)).collect();
        let mut rows = Vec::with_capacity(self.events);
        for _ in 0..self.events {
            rows.push(row(&mut columns).ok_or_else(|| Error::internal("a page of usage cannot be read"))?);
        }
        let complete = columns.iter_mut().all(|column| column.next().is_none());
        assert!(complete, "each column of a page has a value for each event");
        Ok(rows)
    }
}

fn row<'p>(columns: &mut [std::str::Split<'p, char>]) -> Option<Row<'p>> {
    let mut columns = columns.iter_mut();
    let mut next = || columns.next()?.next();
    let (account, meter) = (next()?, next()?);
    let (quantity, occurred, attributes) = (number(next()?)?, instant(next()?)?, next()?);
    let (plan, start, before, lines) = (next()?, next()?, next()?, next()?);
    let (cost, price) = (number(next()?)?, number(next()?)?);
    let facts = match plan {
        NONE => None,
        plan => Some((
            plan,
            PeriodTotals {
                start: number(start)?,
                quantity: number(before)?,
                lines: number(lines)?,
            },
        )),
    };
    let receipt = match (next(), next(), next()) {
        (Some(rule_version), Some(input), Some(output)) => Some(Receipt {
            rule_version,
            input,
            output,
        }),
        _ => None,
    };
    Some(Row {
        account,
        meter,
        quantity,
        occurred,
        attributes,
        facts,
        cost,
        price,
        receipt,
    })
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
    use canopy_entity::time::Timestamp;

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
