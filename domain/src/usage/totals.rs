//! Sums of what accounts used, themselves or with all below them: a walk along the key of their aggregates.

use std::sync::LazyLock;

use canopy_entity::usage_aggregate::BucketLength;

use super::asked::Asked;
use super::bucket;
use super::read::{Part, Period, UsageQuery};
use crate::store::{Given, Query, Row};
use crate::{Domain, Result};

/// Reads of aggregates, with and without a list of meters.
struct Sums {
    all: Query,
    of_meters: Query,
}

impl Sums {
    /// With `tree_` for the names of the columns that are of an account and all below it.
    fn new(tree: &str, columns: &str, behind: &str) -> Self {
        let mut columns = columns.replace("g.", &format!("g.{tree}"));
        if behind.contains("g.bucket_start") {
            columns.push_str(", g.bucket_start");
        }
        let query = |meters: &str| {
            let wanted = format!(
                "g.granularity = $2 AND g.bucket_start >= $3 AND g.bucket_start < $4 AND {}",
                holds("g", tree)
            );
            // No planner knows how many accounts a list has; one that expects many reads the sums of all tenants.
            Query::of(
                &format!(
                    "SELECT asked.value, g.meter, {columns} FROM [$1] AS asked CROSS JOIN LATERAL
                       (SELECT g.* FROM usage_aggregates g WHERE g.account_id = asked.value AND {wanted} {meters} OFFSET 0) g
                     {behind} LIMIT $5"
                ),
                &format!(
                    "SELECT asked.value, g.meter, {columns} FROM [$1] AS asked CROSS JOIN usage_aggregates g
                     WHERE g.account_id = asked.value AND {wanted} {meters} {behind} LIMIT $5"
                ),
            )
        };
        Self {
            all: query(""),
            of_meters: query("AND g.meter IN [$6]"),
        }
    }
}

/// A row for each meter of each account.
static TOTALS: LazyLock<[Sums; 2]> = LazyLock::new(|| {
    let sums =
        "CAST(SUM(g.quantity) AS bigint), CAST(SUM(g.events) AS bigint), CAST(SUM(g.amount) AS bigint)";
    ["", "tree_"].map(|tree| Sums::new(tree, sums, "GROUP BY asked.value, g.meter"))
});

/// A row for each bucket and meter of each account.
static BUCKETS: LazyLock<[Sums; 2]> = LazyLock::new(|| {
    let behind = "ORDER BY asked.value, g.bucket_start, g.meter";
    ["", "tree_"].map(|tree| Sums::new(tree, "g.quantity, g.events, g.amount", behind))
});

/// A statement about rows that are kept by bucket, of accounts that go by the clocks of their zones: it is told accounts
/// as `$1`, spans of time as `$2`, and has a row for each account, bucket and meter.
pub(super) struct OverSpans<'a> {
    pub(super) table: &'a str,
    /// What is made of the rows `g` of one span, and by what, under names that the rows have too: PostgreSQL would sort the
    /// rows of all buckets otherwise.
    pub(super) parts: &'a str,
    pub(super) parts_by: &'a str,
    /// What is made of the rows or parts `g` of a bucket.
    pub(super) columns: &'a str,
    /// Which rows are wanted.
    pub(super) wanted: &'a str,
    pub(super) behind: &'a str,
}

/// The statement, which looks up each span of each account by itself.
pub(super) fn over_spans(over: &OverSpans<'_>) -> Query {
    let OverSpans {
        table,
        parts,
        parts_by,
        columns,
        wanted,
        behind,
    } = over;
    let columns = format!("asked.id, span.zone, span.place, g.meter, {columns}");
    let of_span = "g.account_id = asked.id AND g.granularity = span.length
        AND g.bucket_start >= span.start AND g.bucket_start < span.until";
    let behind = format!("GROUP BY asked.id, span.zone, span.place, g.meter {behind}");
    Query::of(
        &format!(
            "SELECT {columns}
             FROM jsonb_to_recordset($1::text::jsonb) AS asked (id text, zone bigint)
             JOIN jsonb_to_recordset($2::text::jsonb)
               AS span (zone bigint, place bigint, length text, start timestamptz, until timestamptz)
             ON span.zone = asked.zone
             CROSS JOIN LATERAL (SELECT {parts} FROM {table} g WHERE {of_span} {wanted} GROUP BY {parts_by}) g
             {behind}"
        ),
        &format!(
            "WITH asked AS MATERIALIZED (
               SELECT value ->> 'id' AS id, value ->> 'zone' AS zone FROM json_each($1)
             ), span AS MATERIALIZED (
               SELECT value ->> 'zone' AS zone, value ->> 'place' AS place, value ->> 'length' AS length,
                 value ->> 'start' AS start, value ->> 'until' AS until
               FROM json_each($2)
             )
             SELECT {columns} FROM asked CROSS JOIN span CROSS JOIN {table} g
             WHERE span.zone = asked.zone AND {of_span} {wanted} {behind}"
        ),
    )
}

/// The same for buckets that are not kept as they are, and for periods of such.
static MADE: LazyLock<[Made; 2]> = LazyLock::new(|| {
    ["", "tree_"].map(|tree| {
        let columns = ["quantity", "events", "amount"].map(|sum| format!("{tree}{sum}"));
        let sums = columns.each_ref().map(|column| format!("SUM(g.{column})"));
        let parts = columns.map(|column| format!("SUM(g.{column}) AS {column}"));
        let parts = format!("g.meter, {}", parts.join(", "));
        let whole = sums.each_ref().map(|sum| format!("CAST({sum} AS bigint)"));
        let any = sums.map(|sum| format!("{sum} <> 0"));
        let query = |meters: &str| {
            over_spans(&OverSpans {
                table: "usage_aggregates",
                parts: &parts,
                parts_by: "g.meter",
                columns: &whole.join(", "),
                wanted: &format!("AND {} {meters}", holds("g", tree)),
                behind: &format!(
                    "HAVING {} ORDER BY asked.id, span.place, g.meter LIMIT $3",
                    any.join(" OR ")
                ),
            })
        };
        Made {
            all: query(""),
            of_meters: query("AND g.meter IN [$4]"),
        }
    })
});

/// Reads of buckets that are made, with and without a list of meters.
struct Made {
    all: Query,
    of_meters: Query,
}

impl Domain {
    /// What each account used, with all below it if the query says so: in buckets, or in as few parts as there are if
    /// nobody looks at buckets. At most `most` rows.
    pub(super) async fn sums_of(&self, asked: &Asked, query: &UsageQuery, most: usize) -> Result<Vec<Part>> {
        let meters: Option<Vec<&str>> = query
            .meters
            .as_ref()
            .map(|meters| meters.iter().map(String::as_str).collect());
        let meters = meters.as_deref();
        let most = i64::try_from(most).expect("the bound is small");
        match asked.kept(query) {
            Some((period, length)) => {
                let spans = match length {
                    Some(length) => vec![(length, period)],
                    None => bucket::spans(period),
                };
                self.kept_sums(asked, query, (&spans, meters), most).await
            }
            None => self.made_sums(asked, query, meters, most).await,
        }
    }

    /// Sums of buckets that are kept as they were asked for, or of a period that is made of some.
    async fn kept_sums(
        &self,
        asked: &Asked,
        query: &UsageQuery,
        (spans, meters): (&[(BucketLength, Period)], Option<&[&str]>),
        most: i64,
    ) -> Result<Vec<Part>> {
        let sums = match query.only_totals {
            true => &*TOTALS,
            false => &*BUCKETS,
        };
        let sums = &sums[usize::from(query.include_descendants)];
        let ids = &asked.ids();
        let reads = spans.iter().map(|(length, span)| async move {
            let mut given = vec![
                Given::Texts(ids),
                Given::Text(length.as_str()),
                Given::Time(span.start),
                Given::Time(span.end),
                Given::Number(most),
            ];
            given.extend(meters.map(Given::Texts));
            let query = if meters.is_some() {
                &sums.of_meters
            } else {
                &sums.all
            };
            self.rows(query, &given).await
        });
        let rows = futures_util::future::try_join_all(reads).await?;
        let has_buckets = !query.only_totals;
        rows.iter().flatten().map(|row| part(row, has_buckets)).collect()
    }

    /// Sums of buckets of other clocks, or of a period of such.
    async fn made_sums(
        &self,
        asked: &Asked,
        query: &UsageQuery,
        meters: Option<&[&str]>,
        most: i64,
    ) -> Result<Vec<Part>> {
        let spans = asked.spans(query.granularity, query.only_totals, !query.only_totals, |_| true)?;
        let made = &MADE[usize::from(query.include_descendants)];
        let mut given = vec![
            Given::Text(&spans.accounts),
            Given::Text(&spans.spans),
            Given::Number(most),
        ];
        given.extend(meters.map(Given::Texts));
        let query = if meters.is_some() {
            &made.of_meters
        } else {
            &made.all
        };
        let rows = self.rows(query, &given).await?;
        let parts = rows.iter().map(|row| {
            Ok(Part {
                account: row.parsed(0)?,
                bucket_start: spans.bucket(row.number(1)?, row.number(2)?)?,
                meter: row.text(3)?.into_owned(),
                quantity: row.number(4)?,
                events: row.number(5)?,
                amount: row.number(6)?,
            })
        });
        parts.collect()
    }
}

/// Whether a row of sums says anything: what was taken out leaves nothing behind, and what adjusts a closed period may take out
/// more events than there are.
fn holds(table: &str, tree: &str) -> String {
    let sums = ["events", "quantity", "amount"].map(|sum| format!("{table}.{tree}{sum} <> 0"));
    format!("({})", sums.join(" OR "))
}

fn part(row: &Row, has_bucket: bool) -> Result<Part> {
    Ok(Part {
        account: row.parsed(0)?,
        meter: row.text(1)?.into_owned(),
        quantity: row.number(2)?,
        events: row.number(3)?,
        amount: row.number(4)?,
        bucket_start: has_bucket.then(|| row.time(5)).transpose()?,
    })
}
