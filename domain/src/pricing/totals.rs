//! How much was used in a month before: what tiers and packages go by.
//!
//! The totals of a buyer are those of its whole subtree, for one meter and one calendar month in UTC, as they were
//! when the batch was read, plus what stands earlier in the batch. Batches that are priced at the same instant do
//! not see each other.

use std::collections::{BTreeSet, HashMap, HashSet};

use canopy_entity::AccountId;
use canopy_entity::time::Timestamp;
use canopy_rules_host::PeriodTotals;
use sea_orm::ConnectionTrait;

use super::{Facts, Line, Pin};
use crate::Result;
use crate::statement::{list, statement};

const MONTHS: &str = "
SELECT account_id AS buyer, meter, bucket_start, tree_quantity AS quantity, tree_events AS events FROM usage_sums
WHERE account_id IN [$1] AND granularity = 'MONTH' AND bucket_start >= $3 AND bucket_start <= $4 AND meter IN [$2]
";

/// What was used before, by buyer and month.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    used: HashMap<(AccountId, Timestamp), ByMeter>,
}

/// Quantities and events.
type ByMeter = HashMap<String, (i64, i64)>;

impl Totals {
    /// Reads the totals of all buyers of `lines` whose seller has a rule that may ask for them.
    pub(crate) async fn read(db: &impl ConnectionTrait, facts: &Facts, lines: &[Line<'_>]) -> Result<Self> {
        let mut totals = Totals::default();
        let mut buyers = BTreeSet::new();
        for path in lines.iter().map(|line| line.path).collect::<HashSet<_>>() {
            let edges = path.each_id().zip(path.each_id().skip(1));
            buyers.extend(
                edges.filter_map(|(seller, buyer)| facts.rules.contains_key(&seller).then_some(buyer)),
            );
        }
        let months = lines.iter().map(Line::month);
        let (Some(first), Some(last)) = (months.clone().min(), months.max()) else {
            return Ok(totals);
        };
        if buyers.is_empty() {
            return Ok(totals);
        }
        let meters: BTreeSet<&str> = lines.iter().map(|line| line.meter).collect();
        let values = [list(&buyers), list(meters), first.into(), last.into()];
        let statement = statement(db.get_database_backend(), MONTHS, values);
        for row in db.query_all_raw(statement).await? {
            let month = (row.try_get("", "buyer")?, row.try_get("", "bucket_start")?);
            let of_month = totals.used.entry(month).or_default();
            let used = of_month.entry(row.try_get("", "meter")?).or_default();
            used.0 += row.try_get::<i64>("", "quantity")?;
            used.1 += row.try_get::<i64>("", "events")?;
        }
        Ok(totals)
    }

    /// What the buyers of `pins` had used before, as it was told when `line` was priced first.
    pub(super) fn pinned(line: &Line<'_>, pins: &[Pin]) -> Self {
        let used = pins.iter().map(|pin| {
            let before = (pin.period.quantity, pin.period.lines);
            let of_month = ByMeter::from([(line.meter.to_owned(), before)]);
            ((pin.buyer.clone(), line.month()), of_month)
        });
        Self { used: used.collect() }
    }

    /// Takes out what `lines` themselves have added, for lines that were recorded before they are priced.
    pub(crate) fn without(mut self, lines: &[Line<'_>]) -> Self {
        for line in lines {
            for buyer in line.path.each_id().skip(1) {
                let of_month = self.used.get_mut(&(buyer, line.month()));
                if let Some((quantity, events)) = of_month.and_then(|meters| meters.get_mut(line.meter)) {
                    *quantity = quantity.saturating_sub(line.quantity);
                    *events -= 1;
                }
            }
        }
        self
    }

    /// The totals before `line`, for the buyer of each edge from the top down; `line` counts from now on.
    pub(super) fn before(&mut self, line: &Line<'_>) -> Vec<PeriodTotals> {
        let month = line.month();
        let buyers = line.path.each_id().skip(1);
        buyers
            .map(|buyer| {
                let of_month = self.used.entry((buyer, month)).or_default();
                let (quantity, lines) = match of_month.get_mut(line.meter) {
                    Some(used) => used,
                    None => of_month.entry(line.meter.to_owned()).or_default(),
                };
                let before = PeriodTotals {
                    start: month.timestamp(),
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
        let paths = [&one, &two].map(|account| above.child(account));
        let line = |path, quantity| Line {
            path,
            meter: "minutes",
            quantity,
            occurred_at: "2024-05-17T10:00:00Z".parse().unwrap(),
            counted_at: "2024-05-17T10:00:00Z".parse().unwrap(),
            attributes: None,
        };
        let lines = [line(&paths[0], 5), line(&paths[1], 7)];
        let mut totals = Totals::default();
        let quantities = |totals: &[PeriodTotals]| totals.iter().map(|t| t.quantity).collect::<Vec<_>>();
        assert_eq!(quantities(&totals.before(&lines[0])), [0, 0]);
        assert_eq!(quantities(&totals.before(&lines[1])), [5, 0]);
        assert_eq!(quantities(&totals.before(&lines[1])), [12, 7]);

        let mut totals = totals.without(&lines);
        assert_eq!(quantities(&totals.before(&lines[0])), [7, 0]);
    }
}
