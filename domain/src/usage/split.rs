//! Where sums are added. Most usage is reported as it happens, and all of an account and meter then lies in the same quarter of
//! an hour: it adds to the row of the open quarter, and not to one for the quarter, one for its day and one for its month.
//! Once usage of a later quarter comes, the row is closed: its sums are added to those three, and it begins anew.
//!
//! What is counted is the same wherever it lies: sums of a bucket are what its rows and the open quarters in it add up to.
//! All who add to an open quarter have locked its row, in one order, before they add to any others.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use canopy_entity::AccountId;
use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::{self, BucketLength};
use chrono::Duration;
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};

use super::bucket;
use super::sums::{Added, Quarters, Sum, rows};
use crate::alerts::{Reached, Watched};
use crate::pricing::Facts;
use crate::rows::Rows;
use crate::statement::{list, statement};
use crate::transaction::breaks_check;
use crate::{Error, Result};

/// For how long usage of a quarter that is over still counts as reported as it happens.
const LATE: Duration = Duration::minutes(15);

/// What is open of accounts and meters, and whether its sums fit where they are added when it is closed.
const OPEN: &str = "
SELECT o.*, NOT EXISTS (
  SELECT 1 FROM usage_aggregates g WHERE g.account_id = o.account_id AND g.meter = o.meter
    AND (g.granularity = 'QUARTER' AND g.bucket_start = o.quarter_start
      OR g.granularity = 'DAY' AND g.bucket_start = o.day_start
      OR g.granularity = 'MONTH' AND g.bucket_start = o.month_start)
    AND (abs(g.tree_quantity + o.tree_quantity) > 9007199254740992 OR abs(g.tree_amount + o.tree_amount) > 9007199254740992)
) AS fits
FROM usage_open_quarters o WHERE o.account_id IN [$1] AND o.meter IN [$2]
";

/// Begins anew.
const REOPEN: &str = "
ON CONFLICT (account_id, meter) DO UPDATE SET
  quarter_start = excluded.quarter_start, day_start = excluded.day_start, month_start = excluded.month_start,
  quantity = excluded.quantity, events = excluded.events, amount = excluded.amount,
  tree_quantity = excluded.tree_quantity, tree_events = excluded.tree_events, tree_amount = excluded.tree_amount
";

/// Adds to the sums of rows of a table that are there already, of these keys.
fn adding(table: &str, key: &str) -> String {
    let sums = ["", "tree_"].map(|tree| {
        ["quantity", "events", "amount"]
            .map(|sum| format!("{tree}{sum} = {table}.{tree}{sum} + excluded.{tree}{sum}"))
            .join(", ")
    });
    format!("ON CONFLICT ({key}) DO UPDATE SET {}", sums.join(", "))
}

/// Adds to what is open, and leaves alone what is open at another quarter.
static ADD_OPEN: LazyLock<String> = LazyLock::new(|| {
    let add = adding("usage_open_quarters", "account_id, meter");
    format!("{add} WHERE usage_open_quarters.quarter_start = excluded.quarter_start")
});

static ADD: LazyLock<String> =
    LazyLock::new(|| adding("usage_aggregates", "account_id, granularity, bucket_start, meter"));

/// The sums of some buckets.
const NOW: &str = "
SELECT account_id, granularity, bucket_start, meter, CAST(SUM(quantity) AS bigint) AS quantity,
  CAST(SUM(events) AS bigint) AS events, CAST(SUM(amount) AS bigint) AS amount,
  CAST(SUM(tree_quantity) AS bigint) AS tree_quantity, CAST(SUM(tree_events) AS bigint) AS tree_events,
  CAST(SUM(tree_amount) AS bigint) AS tree_amount
FROM (
  SELECT * FROM usage_sums
  WHERE account_id IN [$1] AND granularity IN [$2] AND meter IN [$3] AND bucket_start >= $4 AND bucket_start <= $5
) AS buckets
GROUP BY account_id, granularity, bucket_start, meter
";

/// What is added, by where.
#[derive(Debug)]
pub(super) struct Split {
    /// To open quarters: at most one for each account and meter.
    open: Quarters,
    /// To quarters that are over, their days and their months.
    closed: Quarters,
}

impl Split {
    /// Of an account and meter the latest quarter is open that has begun and is not over for long.
    pub(super) fn new(quarters: Quarters, now: Timestamp) -> Self {
        let present = bucket::start_of(BucketLength::Quarter, now);
        let may_be_open = present - LATE..=present;
        let (mut open, mut closed) = (Quarters::new(), quarters);
        let keys = closed.keys().filter(|(.., start)| may_be_open.contains(start));
        let latest: HashMap<(AccountId, String), Timestamp> = keys
            .map(|(account, meter, start)| ((account.clone(), meter.clone()), *start))
            .collect();
        for ((account, meter), start) in latest {
            let key = (account, meter, start);
            if let Some(added) = closed.remove(&key) {
                open.insert(key, added);
            }
        }
        Self { open, closed }
    }

    /// Adds to what is kept, at this time; answers the thresholds that are crossed by it. A sum that would leave the range
    /// of exact numbers is an error.
    pub(super) async fn write(
        mut self,
        txn: &impl ConnectionTrait,
        facts: &Facts,
        now: Timestamp,
    ) -> Result<Vec<Reached>> {
        let added = match Watched::may_be(facts) {
            true => rows(self.open.iter().chain(&self.closed)),
            false => Vec::new(),
        };
        let watched = Watched::of(facts, &added);
        self.lock(&watched, now);
        self.write_open(txn).await.map_err(inexact)?;
        add(txn, &rows(&self.closed)).await.map_err(inexact)?;
        let sums = sums_now(txn, watched.buckets()).await?;
        Ok(sums
            .iter()
            .flat_map(|sums| watched.crossed_by(sums, now))
            .collect())
    }

    /// Adds nothing to what is open of sums that are watched: whoever adds to these at the same time waits, and sees what was
    /// added when it looks at them.
    fn lock(&mut self, watched: &Watched<'_>, now: Timestamp) {
        let present = bucket::start_of(BucketLength::Quarter, now);
        for (account, _, _, meter) in watched.buckets() {
            let key = |start| (account.clone(), meter.to_owned(), start);
            if self
                .open
                .range(key(Timestamp::MIN_UTC)..=key(present))
                .next()
                .is_none()
            {
                self.open.insert(key(present), Added::default());
            }
        }
    }

    /// Adds to open quarters. Where another is open, either that is closed, or what is to be added belongs to one that is.
    async fn write_open(&mut self, txn: &impl ConnectionTrait) -> Result<()> {
        let added = opened(self.open.iter())
            .insert(txn, "usage_open_quarters", &ADD_OPEN)
            .await?;
        if added == self.open.len() as u64 {
            return Ok(());
        }
        let kept = Open::read(txn, &self.open).await?;
        let open = self
            .open
            .iter()
            .map(|(key, added)| ((&key.0, key.1.as_str()), (key, added)));
        let open: HashMap<_, _> = open.collect();
        let mut anew = Quarters::new();
        for kept in kept {
            let Some((key, added)) = open.get(&(&kept.account_id, kept.meter.as_str())) else {
                continue;
            };
            let start = key.2;
            if kept.quarter_start < start && kept.fits {
                anew.insert((*key).clone(), **added);
                let key = (kept.account_id, kept.meter, kept.quarter_start);
                self.closed.entry(key).or_default().add(kept.sums);
            } else if kept.quarter_start != start {
                self.closed.entry((*key).clone()).or_default().add(**added);
            }
        }
        opened(anew.iter())
            .insert(txn, "usage_open_quarters", REOPEN)
            .await?;
        Ok(())
    }
}

/// An open quarter as it is kept.
struct Open {
    account_id: AccountId,
    meter: String,
    quarter_start: Timestamp,
    sums: Added,
    fits: bool,
}

impl Open {
    /// What is open of the accounts and meters of some quarters, and may be open of others.
    async fn read(txn: &impl ConnectionTrait, quarters: &Quarters) -> Result<Vec<Self>> {
        let accounts: BTreeSet<&AccountId> = quarters.keys().map(|(account, ..)| account).collect();
        let meters: BTreeSet<&String> = quarters.keys().map(|(_, meter, _)| meter).collect();
        let open = statement(txn.get_database_backend(), OPEN, [list(accounts), list(meters)]);
        let rows = txn.query_all_raw(open).await?;
        rows.iter().map(Self::of).collect()
    }

    fn of(row: &QueryResult) -> Result<Self> {
        let sum = |of: &str| {
            let number = |name: &str| row.try_get::<i64>(of, name);
            Ok::<_, Error>(Sum {
                quantity: number("quantity")?,
                events: number("events")?,
                amount: number("amount")?,
            })
        };
        Ok(Self {
            account_id: row.try_get("", "account_id")?,
            meter: row.try_get("", "meter")?,
            quarter_start: row.try_get("", "quarter_start")?,
            sums: Added {
                own: sum("")?,
                tree: sum("tree_")?,
            },
            fits: row.try_get("", "fits")?,
        })
    }
}

type Quarter<'q> = (&'q (AccountId, String, Timestamp), &'q Added);

/// Rows of open quarters.
fn opened<'q>(quarters: impl Iterator<Item = Quarter<'q>> + Clone) -> Rows<'q> {
    let starts = |length| {
        let quarters = quarters.clone();
        quarters.map(move |((.., start), _)| bucket::start_of(length, *start))
    };
    let rows = Rows::default()
        .texts(
            "account_id",
            quarters.clone().map(|((account, ..), _)| account.as_str()),
        )
        .texts("meter", quarters.clone().map(|((_, meter, _), _)| meter.as_str()))
        .times("quarter_start", starts(BucketLength::Quarter))
        .times("day_start", starts(BucketLength::Day))
        .times("month_start", starts(BucketLength::Month));
    rows.numbers("quantity", quarters.clone().map(|(_, added)| added.own.quantity))
        .numbers("events", quarters.clone().map(|(_, added)| added.own.events))
        .numbers("amount", quarters.clone().map(|(_, added)| added.own.amount))
        .numbers(
            "tree_quantity",
            quarters.clone().map(|(_, added)| added.tree.quantity),
        )
        .numbers(
            "tree_events",
            quarters.clone().map(|(_, added)| added.tree.events),
        )
        .numbers("tree_amount", quarters.map(|(_, added)| added.tree.amount))
}

/// Adds to quarters that are over, and to days and months.
async fn add(txn: &impl ConnectionTrait, rows: &[usage_aggregate::Model]) -> Result<()> {
    Rows::default()
        .texts("account_id", rows.iter().map(|row| row.account_id.as_str()))
        .texts("granularity", rows.iter().map(|row| row.granularity.as_str()))
        .times("bucket_start", rows.iter().map(|row| row.bucket_start))
        .texts("meter", rows.iter().map(|row| row.meter.as_str()))
        .numbers("quantity", rows.iter().map(|row| row.quantity))
        .numbers("events", rows.iter().map(|row| row.events))
        .numbers("amount", rows.iter().map(|row| row.amount))
        .numbers("tree_quantity", rows.iter().map(|row| row.tree_quantity))
        .numbers("tree_events", rows.iter().map(|row| row.tree_events))
        .numbers("tree_amount", rows.iter().map(|row| row.tree_amount))
        .insert(txn, "usage_aggregates", &ADD)
        .await
        .map(drop)
}

/// A bucket of an account and meter.
pub(crate) type Bucket<'b> = (&'b AccountId, BucketLength, Timestamp, &'b str);

/// The sums of these buckets as they are now, and maybe of others; none of one in which nothing was ever counted.
pub(crate) async fn sums_now<'b>(
    db: &impl ConnectionTrait,
    buckets: impl Iterator<Item = Bucket<'b>>,
) -> Result<Vec<usage_aggregate::Model>> {
    let buckets: Vec<Bucket<'b>> = buckets.collect();
    let starts = || buckets.iter().map(|(_, _, start, _)| *start);
    let (Some(first), Some(last)) = (starts().min(), starts().max()) else {
        return Ok(Vec::new());
    };
    let accounts: BTreeSet<&AccountId> = buckets.iter().map(|(account, ..)| *account).collect();
    let lengths: BTreeSet<&str> = buckets.iter().map(|(_, length, ..)| length.as_str()).collect();
    let meters: BTreeSet<&str> = buckets.iter().map(|(.., meter)| *meter).collect();
    let values = [
        list(accounts),
        list(lengths),
        list(meters),
        first.into(),
        last.into(),
    ];
    let now = statement(db.get_database_backend(), NOW, values);
    Ok(usage_aggregate::Model::find_by_statement(now).all(db).await?)
}

/// What is told of a sum that would be too large, which the tables refuse.
fn inexact(error: Error) -> Error {
    match breaks_check(&error, "sums_are_exact") {
        true => Error::bad_input(&["events"], "The sum of a meter would be too large."),
        false => error,
    }
}
