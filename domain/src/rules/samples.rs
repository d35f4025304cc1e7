//! What the contract suite is told of the account that a pricing rule is for: the meters that are used there, and what
//! the account pays for them.

use std::collections::BTreeMap;

use canopy_entity::{time, usage_event};
use canopy_rules_host::Samples;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::pricing::{Facts, Line, Outcome, Totals};
use crate::statement::statement;
use crate::usage::ratings;
use crate::{AccountView, Domain, Result};

/// Usage of this month and of so many days before counts as recent.
const RECENT: chrono::Duration = chrono::Duration::days(62);

/// The meters that are used most at the account and below it.
const USED: &str = "
SELECT meter FROM usage_sums
WHERE account_id = $1 AND granularity = 'MONTH' AND bucket_start >= $2
GROUP BY meter ORDER BY SUM(tree_events) DESC, meter LIMIT 16
";

/// What was used at the account last, and below it.
const OWN: &str = "
SELECT * FROM usage_events WHERE account_id = $1 AND rating_status = 'RATED' AND quantity > 0 ORDER BY id DESC LIMIT 500
";
const SOLD: &str = "
SELECT e.* FROM {events} WHERE b.rated_by = $1 AND {in batch} AND e.path > $2 AND e.path < $3 AND e.quantity > 0
ORDER BY b.batch_id DESC, e.id DESC LIMIT 500
";

const UNIT: i64 = 1_000_000;

/// Of each meter the price of so much is asked, in micro-units.
const QUANTITIES: [i64; 3] = [UNIT, 60 * UNIT, 1000 * UNIT];

/// What one unit of each meter costs, in micro-units.
type UnitCosts = BTreeMap<String, i64>;

impl Domain {
    /// What is real of an account that is to have a pricing rule.
    pub(super) async fn samples(&self, account: &AccountView) -> Result<Samples> {
        let facts = Facts::read(&self.0.db, [account.path()]).await?;
        let seller = facts.accounts.get(account.id());
        let allow_below_cost = seller.is_some_and(|seller| seller.allow_below_cost);
        Ok(Samples {
            meters: self.meters_used(account).await?,
            allow_below_cost,
            unit_costs: match allow_below_cost {
                true => UnitCosts::new(),
                false => self.unit_costs(&facts, account).await?,
            },
        })
    }

    async fn meters_used(&self, account: &AccountView) -> Result<Vec<String>> {
        let db = &self.0.db;
        let since = time::now() - RECENT;
        let values = [account.id().as_str().into(), since.into()];
        let rows = db
            .query_all_raw(statement(db.get_database_backend(), USED, values))
            .await?;
        rows.iter().map(|row| Ok(row.try_get("", "meter")?)).collect()
    }

    /// What the account pays for a unit of each meter that it was charged for lately: the least that it paid, or would
    /// pay now if that is less. A rule that asks for less than this will be refused as soon as it is live; one that
    /// asks for more may still be, since a price above may go by what is not known here.
    async fn unit_costs(&self, facts: &Facts, account: &AccountView) -> Result<UnitCosts> {
        let mut costs = UnitCosts::new();
        for event in self.used_last(account).await? {
            for rating in ratings::of(&event)? {
                if rating.buyer_account_id == *account.id() {
                    lower(&mut costs, event.meter.clone(), rating.price, event.quantity);
                }
            }
        }
        let now = time::now();
        let meters: Vec<String> = costs.keys().cloned().collect();
        let line = |(meter, quantity): (_, i64)| Line {
            path: account.path(),
            meter,
            quantity,
            occurred_at: now,
            counted_at: now,
            attributes: None,
        };
        let of_each = meters
            .iter()
            .flat_map(|meter| QUANTITIES.map(|quantity| (meter.as_str(), quantity)));
        let lines: Vec<Line<'_>> = of_each.map(line).collect();
        if !lines.is_empty() {
            let (outcomes, _) = self.prices(facts, &lines, Totals::default()).await?;
            for (line, outcome) in lines.into_iter().zip(outcomes) {
                let Outcome::Rated(edges) = outcome else { continue };
                if let Some(edge) = edges.last() {
                    lower(&mut costs, line.meter.to_owned(), edge.price, line.quantity);
                }
            }
        }
        costs.retain(|_, cost| *cost > 0);
        Ok(costs)
    }

    /// The last events of the account, and of those below it.
    async fn used_last(&self, account: &AccountView) -> Result<Vec<usage_event::Model>> {
        let db = &self.0.db;
        let backend = db.get_database_backend();
        let own = statement(backend, OWN, [account.id().as_str().into()]);
        let mut events = usage_event::Model::find_by_statement(own).all(db).await?;
        let sold = SOLD
            .replace("{events}", ratings::events_of_batches(backend))
            .replace("{in batch}", ratings::IN_BATCH);
        let values = [
            account.id().as_str().into(),
            account.path().as_str().into(),
            account.path().end().into(),
        ];
        let sold = usage_event::Model::find_by_statement(statement(backend, &sold, values));
        events.extend(sold.all(db).await?);
        Ok(events)
    }
}

/// Takes the cost of a unit from what was paid for `quantity`, if it is less than what is known. Prices are rounded, so
/// the least that it may have been.
fn lower(costs: &mut UnitCosts, meter: String, price: i64, quantity: i64) {
    let least = i128::from(price - 1) * i128::from(UNIT) / i128::from(quantity);
    let least = i64::try_from(least.max(0)).unwrap_or(i64::MAX);
    let known = costs.entry(meter).or_insert(least);
    *known = least.min(*known);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_was_paid_counts_whatever_the_rounding() {
        let mut costs = UnitCosts::new();
        lower(&mut costs, "sms".into(), 90_001, UNIT);
        lower(&mut costs, "sms".into(), 900_001, 9 * UNIT);
        // A millionth of a unit at less than a millionth is charged as a millionth, and tells nothing.
        lower(&mut costs, "calls".into(), 1, 1);
        assert_eq!(costs["sms"], 90_000);
        assert_eq!(costs["calls"], 0);
    }
}
