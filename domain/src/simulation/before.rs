//! What was used in a month before an event whose rating kept nothing about it, because its seller passed its cost on.
//!
//! It is counted up from the month's beginning in the order in which usage was rated, for all of the buyer's subtree: what was
//! used before the simulated period is read from the sums by quarter of an hour. Usage that waits for its price counts
//! only where it was used before the period.

use std::collections::{BTreeSet, HashMap};

use canopy_entity::AccountId;
use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::BucketLength;
use canopy_rules_host::PeriodTotals;
use chrono::DateTime;
use sea_orm::ConnectionTrait;

use super::page::Row;
use crate::statement::statement;
use crate::usage::bucket;
use crate::{Error, Result};

const USED_BEFORE: &str = "
SELECT meter, CAST(SUM(tree_quantity) AS bigint) AS quantity, CAST(SUM(tree_events) AS bigint) AS events
FROM usage_sums
WHERE account_id = $1 AND granularity = 'QUARTER' AND bucket_start >= $2 AND bucket_start < $3 GROUP BY meter
";

/// What each buyer has used so far, by meter and month.
#[derive(Debug)]
pub(super) struct Before {
    /// Where the simulated period begins; none if it is now, and what is stored counts the simulated events already.
    from: Option<Timestamp>,
    buyers: HashMap<AccountId, Vec<Used>>,
}

#[derive(Debug)]
struct Used {
    meter: String,
    month: i64,
    quantity: i64,
    lines: i64,
}

impl Before {
    /// Nothing yet; the simulated period begins at `from`.
    pub(super) fn new(from: Timestamp) -> Self {
        Self {
            from: Some(from),
            buyers: HashMap::new(),
        }
    }

    /// Nothing yet, for events that were rated just now.
    pub(super) fn live() -> Self {
        Self {
            from: None,
            buyers: HashMap::new(),
        }
    }

    /// Whether the buyer's usage before the period was read.
    pub(super) fn knows(&self, buyer: &AccountId) -> bool {
        self.buyers.contains_key(buyer)
    }

    /// Reads what `buyer` used in the first month before the period begins; for events of just now, what it has used
    /// in their months without these `rows` of its own.
    pub(super) async fn meet(
        &mut self,
        db: &impl ConnectionTrait,
        buyer: &AccountId,
        rows: &[&Row<'_>],
    ) -> Result<()> {
        match self.from {
            Some(from) => {
                let month = bucket::start_of(BucketLength::Month, from);
                let used = read(db, buyer, month, bucket::start_of(BucketLength::Quarter, from)).await?;
                self.buyers.insert(buyer.clone(), used);
            }
            None => {
                let mut used = Vec::new();
                let months: BTreeSet<Timestamp> = rows.iter().map(|row| month(row)).collect::<Result<_>>()?;
                for start in months {
                    let end = bucket::end_of(BucketLength::Month, start);
                    let end = end.ok_or_else(|| Error::internal("usage beyond the calendar"))?;
                    used.extend(read(db, buyer, start, end).await?);
                }
                for row in rows {
                    let month = month(row)?.timestamp();
                    let known = used
                        .iter_mut()
                        .find(|used| used.month == month && used.meter == row.meter);
                    if let Some(used) = known {
                        used.quantity = used.quantity.saturating_sub(row.quantity);
                        used.lines -= 1;
                    }
                }
                self.buyers.insert(buyer.clone(), used);
            }
        }
        Ok(())
    }

    /// The totals before an event of a buyer that was met; the event counts from now on.
    pub(super) fn count(&mut self, buyer: &AccountId, row: &Row<'_>) -> Result<PeriodTotals> {
        let month = month(row)?.timestamp();
        let used = self.buyers.entry(buyer.clone()).or_default();
        let known = used
            .iter_mut()
            .position(|used| used.month == month && used.meter == row.meter);
        let known = known.unwrap_or_else(|| {
            used.push(Used {
                meter: row.meter.to_owned(),
                month,
                quantity: 0,
                lines: 0,
            });
            used.len() - 1
        });
        let used = &mut used[known];
        if let Some((_, facts)) = row.facts {
            // What the live path knew is what counts.
            (used.quantity, used.lines) = (facts.quantity, facts.lines);
        }
        let before = PeriodTotals {
            start: month,
            quantity: used.quantity,
            lines: used.lines,
        };
        used.quantity = used.quantity.saturating_add(row.quantity);
        used.lines += 1;
        Ok(before)
    }
}

/// What a buyer used in a month from its `start` up to `end`, by meter.
async fn read(
    db: &impl ConnectionTrait,
    buyer: &AccountId,
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<Used>> {
    let values = [buyer.as_str().into(), start.into(), end.into()];
    let rows = db
        .query_all_raw(statement(db.get_database_backend(), USED_BEFORE, values))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Used {
                meter: row.try_get("", "meter")?,
                month: start.timestamp(),
                quantity: row.try_get("", "quantity")?,
                lines: row.try_get("", "events")?,
            })
        })
        .collect()
}

/// The month of an event.
fn month(row: &Row<'_>) -> Result<Timestamp> {
    let instant = DateTime::from_timestamp_micros(row.occurred);
    let instant = instant.ok_or_else(|| Error::internal("usage beyond the calendar"))?;
    Ok(bucket::start_of(BucketLength::Month, instant))
}
