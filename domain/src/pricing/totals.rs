//! How much was used in a month before: what tiers and packages go by.
//!
//! The totals of a buyer are those of its whole subtree, for one meter and one calendar month in UTC, as they were
//! when the batch was read, plus what stands earlier in the batch. Batches that are priced at the same instant do
//! not see each other.

use std::collections::{BTreeSet, HashMap};

use canopy_entity::AccountId;
use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::BucketLength;
use canopy_rules_host::PeriodTotals;
use sea_orm::ConnectionTrait;

use super::{Facts, Line, Pin};
use crate::Result;
use crate::statement::{list, statement};
use crate::usage::bucket;

const MONTHS: &str = "
SELECT account_id AS buyer, meter, bucket_start, tree_quantity AS quantity, tree_events AS events FROM usage_sums
WHERE account_id IN [$1] AND granularity = 'MONTH' AND bucket_start >= $3 AND bucket_start <= $4 AND meter IN [$2]
";

/// What was used before, by buyer, meter and month.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    used: HashMap<(AccountId, String, Timestamp), (i64, i64)>,
}

impl Totals {
    /// Reads the totals of all buyers of `lines` whose seller has a rule that may ask for them.
    pub(crate) async fn read(db: &impl ConnectionTrait, facts: &Facts, lines: &[Line]) -> Result<Self> {
        let mut totals = Totals::default();
        let mut buyers = BTreeSet::new();
        for line in lines {
            let ids = line.path.ids();
            let priced = ids.windows(2).filter(|edge| facts.rules.contains_key(&edge[0]));
            buyers.extend(priced.map(|edge| edge[1].clone()));
        }
        let months = lines.iter().map(Line::month);
        let (Some(first), Some(last)) = (months.clone().min(), months.max()) else {
            return Ok(totals);
        };
        if buyers.is_empty() {
            return Ok(totals);
        }
        let meters: BTreeSet<&str> = lines.iter().map(|line| line.meter.as_str()).collect();
        let values = [list(&buyers), list(meters), first.into(), last.into()];
        let statement = statement(db.get_database_backend(), MONTHS, values);
        for row in db.query_all_raw(statement).await? {
            let key = (
                row.try_get("", "buyer")?,
                row.try_get("", "meter")?,
                row.try_get("", "bucket_start")?,
            );
            let used = totals.used.entry(key).or_default();
            used.0 += row.try_get::<i64>("", "quantity")?;
            used.1 += row.try_get::<i64>("", "events")?;
        }
        Ok(totals)
    }

    /// What the buyers of `pins` had used before, as it was told when `line` was priced first.
    pub(super) fn pinned(line: &Line, pins: &[Pin]) -> Self {
        let used = pins.iter().map(|pin| {
            let before = (pin.period.quantity, pin.period.lines);
            (line.key(pin.buyer.clone()), before)
        });
        Self { used: used.collect() }
    }

    /// Takes out what `lines` themselves have added, for lines that were recorded before they are priced.
    pub(crate) fn without(mut self, lines: &[Line]) -> Self {
        for line in lines {
            for buyer in line.path.ids().into_iter().skip(1) {
                if let Some((quantity, events)) = self.used.get_mut(&line.key(buyer)) {
                    *quantity = quantity.saturating_sub(line.quantity);
                    *events -= 1;
                }
            }
        }
        self
    }

    /// The totals before `line`, for the buyer of each edge from the top down; `line` counts from now on.
    pub(super) fn before(&mut self, line: &Line) -> Vec<PeriodTotals> {
        let start = line.month().timestamp();
        let buyers = line.path.ids().into_iter().skip(1);
        buyers
            .map(|buyer| {
                let (quantity, lines) = self.used.entry(line.key(buyer)).or_default();
                let before = PeriodTotals {
                    start,
                    // More may be taken out of an open month than was used in it: what was used in closed ones.
                    quantity: (*quantity).max(0),
                    lines: (*lines).max(0),
                };
                *quantity = quantity.saturating_add(line.quantity);
                *lines += 1;
                before
            })
            .collect()
    }
}

impl Line {
    pub(crate) fn month(&self) -> Timestamp {
        bucket::start_of(BucketLength::Month, self.counted_at)
    }

    fn key(&self, buyer: AccountId) -> (AccountId, String, Timestamp) {
        (buyer, self.meter.clone(), self.month())
    }
}

#[cfg(test)]
mod tests {
    use canopy_entity::AccountPath;

    use super::*;

    #[test]
    fn lines_that_come_earlier_in_a_batch_count_for_each_buyer_above() {
        let (root, agency, one, two) = (
            AccountId::new(),
            AccountId::new(),
            AccountId::new(),
            AccountId::new(),
        );
        let above = AccountPath::root(&root).child(&agency);
        let line = |account: &AccountId, quantity| Line {
            path: above.child(account),
            meter: "minutes".to_owned(),
            quantity,
            occurred_at: "2024-05-17T10:00:00Z".parse().unwrap(),
            counted_at: "2024-05-17T10:00:00Z".parse().unwrap(),
            attributes: None,
        };
        let lines = [line(&one, 5), line(&two, 7)];
        let mut totals = Totals::default();
        let quantities = |totals: &[PeriodTotals]| totals.iter().map(|t| t.quantity).collect::<Vec<_>>();
        assert_eq!(quantities(&totals.before(&lines[0])), [0, 0]);
        assert_eq!(quantities(&totals.before(&lines[1])), [5, 0]);
        assert_eq!(quantities(&totals.before(&lines[1])), [12, 7]);

        let mut totals = totals.without(&lines);
        assert_eq!(quantities(&totals.before(&lines[0])), [7, 0]);
    }
}
