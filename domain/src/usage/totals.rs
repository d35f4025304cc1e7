//! Sums of what accounts used, themselves or with all below them: a walk along the key of their aggregates.

use std::sync::LazyLock;

use canopy_entity::AccountId;
use canopy_entity::usage_aggregate::Granularity;
use sea_orm::ActiveEnum;

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

impl Domain {
    /// What each account used in `period`, with all below it if the query says so, which begins and ends with buckets of the query: in buckets, or in as few parts
    /// as there are if nobody looks at buckets. At most `most` rows.
    pub(super) async fn sums_of(
        &self,
        accounts: &[&AccountId],
        period: Period,
        query: &UsageQuery,
        most: usize,
    ) -> Result<Vec<Part>> {
        let ids: Vec<&str> = accounts.iter().map(|id| id.as_str()).collect();
        let meters: Option<Vec<&str>> = query
            .meters
            .as_ref()
            .map(|meters| meters.iter().map(String::as_str).collect());
        let (sums, spans) = match query.only_totals {
            true => (&*TOTALS, spans(query.granularity, period)),
            false => (&*BUCKETS, vec![(query.granularity, period)]),
        };
        let sums = &sums[usize::from(query.include_descendants)];
        let most = i64::try_from(most).expect("the bound is small");
        let reads = spans.into_iter().map(|(granularity, span)| {
            let (ids, meters) = (ids.as_slice(), meters.as_deref());
            async move {
                let granularity = granularity.to_value();
                let mut given = vec![
                    Given::Texts(ids),
                    Given::Text(&granularity),
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
            }
        });
        let rows = futures_util::future::try_join_all(reads).await?;
        let has_buckets = !query.only_totals;
        rows.iter().flatten().map(|row| part(row, has_buckets)).collect()
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

/// The period as months, with what is left on both sides as days, and of those as hours: as few sums as there are. It
/// begins and ends with buckets of `finest`.
fn spans(finest: Granularity, period: Period) -> Vec<(Granularity, Period)> {
    let coarser = match finest {
        Granularity::Month => None,
        Granularity::Day => Some(Granularity::Month),
        Granularity::Hour => Some(Granularity::Day),
    };
    let Some(coarser) = coarser else {
        return vec![(finest, period)];
    };
    let inside = first_start(coarser, period).filter(|start| *start < period.end);
    let Some(start) = inside else {
        return vec![(finest, period)];
    };
    let end = bucket::start_of(coarser, period.end);
    let mut spans = match start < end {
        true => spans(coarser, Period { start, end }),
        false => return vec![(finest, period)],
    };
    let sides = [Period { end: start, ..period }, Period { start: end, ..period }];
    let sides = sides.into_iter().filter(|side| side.start < side.end);
    spans.extend(sides.map(|side| (finest, side)));
    spans
}

/// The first instant of the period at which a bucket begins, if it is not beyond the calendar.
fn first_start(granularity: Granularity, period: Period) -> Option<canopy_entity::time::Timestamp> {
    let start = bucket::start_of(granularity, period.start);
    match start == period.start {
        true => Some(start),
        false => bucket::end_of(granularity, start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_made_of_as_few_parts_as_there_are() {
        let period = |start: &str, end: &str| Period {
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
        };
        use Granularity::{Day, Hour, Month};
        let whole = period("2025-06-01T00:00:00Z", "2025-07-01T00:00:00Z");
        assert_eq!(spans(Day, whole), [(Month, whole)]);
        assert_eq!(spans(Hour, whole), [(Month, whole)]);
        let short = period("2025-06-02T00:00:00Z", "2025-06-20T00:00:00Z");
        assert_eq!(spans(Day, short), [(Day, short)]);
        assert_eq!(
            spans(Hour, period("2025-05-30T22:00:00Z", "2025-08-02T01:00:00Z")),
            [
                (Month, period("2025-06-01T00:00:00Z", "2025-08-01T00:00:00Z")),
                (Day, period("2025-05-31T00:00:00Z", "2025-06-01T00:00:00Z")),
                (Day, period("2025-08-01T00:00:00Z", "2025-08-02T00:00:00Z")),
                (Hour, period("2025-05-30T22:00:00Z", "2025-05-31T00:00:00Z")),
                (Hour, period("2025-08-02T00:00:00Z", "2025-08-02T01:00:00Z")),
            ]
        );
    }
}
