//! Reading sums of what accounts used, themselves or with all below them.

use std::sync::LazyLock;

use canopy_entity::usage_aggregate::BucketLength;

use super::asked::Asked;
use super::bucket;
use super::read::{Part, Period, UsageQuery};
use crate::store::{Given, Query, Row};
use crate::{Domain, Result};

/// The columns of sums, and with `tree_` those of an account and all below it.
const COLUMNS: [&str; 3] = ["quantity", "events", "amount"];

/// What rows `g` of sums add up to, and that it says anything: what was taken out leaves nothing behind, and what adjusts a
/// closed period may take out more events than there are.
fn added_up(tree: &str) -> (String, String) {
    let sums = COLUMNS.map(|column| format!("SUM(g.{tree}{column})"));
    let any = sums.each_ref().map(|sum| format!("{sum} <> 0"));
    let sums = sums.map(|sum| format!("CAST({sum} AS bigint)"));
    (sums.join(", "), format!("HAVING {}", any.join(" OR ")))
}

/// The rows of `usage_sums` of some accounts and spans of time, for SQLite, which would read the whole of a view that it joins:
/// so its tables are joined one by one.
pub(super) struct Joined<'a> {
    /// What a row says of what was asked.
    pub(super) columns: &'a str,
    /// What was asked, and whose rows are wanted.
    pub(super) asked: &'a str,
    pub(super) account: &'a str,
    /// Which buckets.
    pub(super) length: &'a str,
    pub(super) from: &'a str,
    pub(super) until: &'a str,
    /// Which others of the rows `g` are not wanted.
    pub(super) wanted: &'a str,
}

impl Joined<'_> {
    pub(super) fn sql(&self) -> String {
        let Self {
            columns,
            asked,
            account,
            length,
            from,
            until,
            wanted,
        } = self;
        let part = |table: &str, start: &str, of_length: &str| {
            format!(
                "SELECT {columns}, {start} AS bucket_start, g.meter, g.quantity, g.events, g.amount,
                   g.tree_quantity, g.tree_events, g.tree_amount
                 FROM {asked} CROSS JOIN {table} g
                 WHERE g.account_id = {account} {of_length} AND {start} >= {from} AND {start} < {until} {wanted}"
            )
        };
        let open = format!(
            "CASE {length} WHEN 'QUARTER' THEN g.quarter_start WHEN 'DAY' THEN g.day_start ELSE g.month_start END"
        );
        let closed = part(
            "usage_aggregates",
            "g.bucket_start",
            &format!("AND g.granularity = {length}"),
        );
        format!("{closed} UNION ALL {}", part("usage_open_quarters", &open, ""))
    }
}

/// Reads of sums, with and without a list of meters.
struct Sums {
    all: Query,
    of_meters: Query,
}

impl Sums {
    /// A row for each account and meter, and whatever else it is `by`.
    fn new(tree: &str, by: &str) -> Self {
        let (sums, any) = added_up(tree);
        let query = |meters: &str| {
            // No planner knows how many accounts a list has; one that expects many reads the sums of all tenants.
            let postgres = format!(
                "SELECT asked.value, g.* FROM [$1] AS asked CROSS JOIN LATERAL
                   (SELECT g.* FROM usage_sums g WHERE g.account_id = asked.value AND g.granularity = $2
                      AND g.bucket_start >= $3 AND g.bucket_start < $4 {meters} OFFSET 0) g"
            );
            let sqlite = Joined {
                columns: "asked.value",
                asked: "[$1] AS asked",
                account: "asked.value",
                length: "$2",
                from: "$3",
                until: "$4",
                wanted: meters,
            };
            let all = |rows: &str| {
                format!(
                    "SELECT g.value, g.meter, {sums}{by} FROM ({rows}) g GROUP BY g.value, g.meter{by} {any}
                     ORDER BY g.value{by}, g.meter LIMIT $5"
                )
            };
            Query::of(&all(&postgres), &all(&sqlite.sql()))
        };
        Self {
            all: query(""),
            of_meters: query("AND g.meter IN [$6]"),
        }
    }
}

/// A row for each meter of each account.
static TOTALS: LazyLock<[Sums; 2]> = LazyLock::new(|| ["", "tree_"].map(|tree| Sums::new(tree, "")));

/// A row for each bucket and meter of each account.
static BUCKETS: LazyLock<[Sums; 2]> =
    LazyLock::new(|| ["", "tree_"].map(|tree| Sums::new(tree, ", g.bucket_start")));

/// A statement about rows that are kept by bucket, of accounts that go by the clocks of their zones: it is told accounts
/// as `$1`, spans of time as `$2`, and has a row for each account, bucket and meter.
pub(super) struct OverSpans<'a> {
    pub(super) table: &'a str,
    /// The rows of the table for SQLite, if it is none there.
    pub(super) joined: Option<fn(&str) -> String>,
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
        wanted,
        ..
    } = over;
    let of_span = "g.account_id = asked.id AND g.granularity = span.length
        AND g.bucket_start >= span.start AND g.bucket_start < span.until";
    let of_asked = "asked.id, span.zone, span.place";
    let all = |rows: &str| {
        format!(
            "SELECT g.id, g.zone, g.place, g.meter, {} FROM ({rows}) g GROUP BY g.id, g.zone, g.place, g.meter {}",
            over.columns, over.behind
        )
    };
    let postgres = format!(
        "SELECT {of_asked}, g.*
         FROM jsonb_to_recordset($1::text::jsonb) AS asked (id text, zone bigint)
         JOIN jsonb_to_recordset($2::text::jsonb)
           AS span (zone bigint, place bigint, length text, start timestamptz, until timestamptz)
         ON span.zone = asked.zone
         CROSS JOIN LATERAL (SELECT {parts} FROM {table} g WHERE {of_span} {wanted} GROUP BY {parts_by}) g"
    );
    let rows = match over.joined {
        Some(joined) => joined(wanted),
        None => format!(
            "SELECT {of_asked}, g.* FROM asked CROSS JOIN span CROSS JOIN {table} g
             WHERE span.zone = asked.zone AND {of_span} {wanted}"
        ),
    };
    let sqlite = format!(
        "WITH asked AS MATERIALIZED (
           SELECT value ->> 'id' AS id, value ->> 'zone' AS zone FROM json_each($1)
         ), span AS MATERIALIZED (
           SELECT value ->> 'zone' AS zone, value ->> 'place' AS place, value ->> 'length' AS length,
             value ->> 'start' AS start, value ->> 'until' AS until
           FROM json_each($2)
         ) {}",
        all(&rows)
    );
    Query::of(&all(&postgres), &sqlite)
}

/// The sums of accounts over the spans of their zones.
fn sums_over_spans(wanted: &str) -> String {
    let joined = Joined {
        columns: "asked.id, span.zone, span.place",
        asked: "asked CROSS JOIN span",
        account: "asked.id AND span.zone = asked.zone",
        length: "span.length",
        from: "span.start",
        until: "span.until",
        wanted,
    };
    joined.sql()
}

/// The same for buckets that are not kept as they are, and for periods of such.
static MADE: LazyLock<[Made; 2]> = LazyLock::new(|| {
    ["", "tree_"].map(|tree| {
        let (sums, any) = added_up(tree);
        let parts = COLUMNS.map(|column| format!("SUM(g.{tree}{column}) AS {tree}{column}"));
        let parts = format!("g.meter, {}", parts.join(", "));
        let query = |meters: &str| {
            over_spans(&OverSpans {
                table: "usage_sums",
                joined: Some(sums_over_spans),
                parts: &parts,
                parts_by: "g.meter",
                columns: &sums,
                wanted: meters,
                behind: &format!("{any} ORDER BY g.id, g.place, g.meter LIMIT $3"),
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
