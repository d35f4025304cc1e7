//! Adding events to the sums by quarter of an hour, day and month in UTC: to those of the account that used something, and
//! to those of each tree that it is in. A sum does not depend on the order in which events arrive.

use std::collections::{BTreeMap, HashMap};

use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::{self, BucketLength};
use canopy_entity::{AccountId, AccountPath, usage_event};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::bucket;
use crate::alerts::{Reached, Watched};
use crate::pricing::Facts;
use crate::rows::Rows;
use crate::transaction::breaks_check;
use crate::{Error, Result};

const ADD: &str = "
ON CONFLICT (account_id, granularity, bucket_start, meter) DO UPDATE SET
  quantity = usage_aggregates.quantity + excluded.quantity,
  events = usage_aggregates.events + excluded.events,
  amount = usage_aggregates.amount + excluded.amount,
  tree_quantity = usage_aggregates.tree_quantity + excluded.tree_quantity,
  tree_events = usage_aggregates.tree_events + excluded.tree_events,
  tree_amount = usage_aggregates.tree_amount + excluded.tree_amount
";

/// What is to be added, by the path of the account that used something, meter and quarter of an hour: many events of a
/// batch share these, and are added up before each goes to the sums of all on its path.
#[derive(Debug, Default)]
pub(crate) struct Sums(HashMap<(AccountPath, String, Timestamp), Quarter>);

#[derive(Debug)]
struct Quarter {
    /// Those on the path, with whether they have the currency of the one that used something.
    accounts: Vec<(AccountId, bool)>,
    sum: Sum,
}

/// By account, place among the lengths, bucket and meter: always in this order, so that two transactions that add to
/// the same sums wait for each other and never in a circle.
type Sorted = BTreeMap<(AccountId, usize, Timestamp, String), Added>;

#[derive(Debug, Default)]
struct Added {
    own: Sum,
    tree: Sum,
}

/// A part of a sum.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    quantity: i64,
    events: i64,
    amount: i64,
}

impl Sum {
    /// A batch has at most a few thousand events of at most 2^53 each, which 64 bits hold.
    fn add(&mut self, other: Sum) {
        self.quantity += other.quantity;
        self.events += other.events;
        self.amount += other.amount;
    }
}

impl Sums {
    /// Adds an event, with what its account is charged for it so far.
    pub(super) fn add(&mut self, facts: &Facts, event: &usage_event::Model, amount: i64) {
        let sum = Sum {
            quantity: event.quantity,
            events: 1,
            amount,
        };
        self.plus(event, event.counts_at(), sum, |id| {
            one_currency(facts, id, &event.account_id)
        });
    }

    /// Adds a reversal, which takes another event out, with what was charged for that.
    pub(super) fn take_out(&mut self, facts: &Facts, reversal: &usage_event::Model, amount: i64) {
        let sum = Sum {
            quantity: reversal.quantity,
            events: -1,
            amount: -amount,
        };
        self.plus(reversal, reversal.counts_at(), sum, |id| {
            one_currency(facts, id, &reversal.account_id)
        });
    }

    /// Adds what the account is charged for an event that counts already, in the buckets of `at`.
    pub(super) fn add_amount(
        &mut self,
        facts: &Facts,
        event: &usage_event::Model,
        at: Timestamp,
        amount: i64,
    ) {
        let sum = Sum {
            amount,
            ..Sum::default()
        };
        self.plus(event, at, sum, |id| one_currency(facts, id, &event.account_id));
    }

    /// Adds an event that nobody is charged for.
    pub(crate) fn add_free(&mut self, event: &usage_event::Model) {
        let sum = Sum {
            quantity: event.quantity,
            events: 1,
            amount: 0,
        };
        self.plus(event, event.counts_at(), sum, |_| false);
    }

    /// Adds to the sums of the account, and to those of the trees of all above it, in the buckets of `at`; amounts only
    /// where they have one currency.
    fn plus(
        &mut self,
        event: &usage_event::Model,
        at: Timestamp,
        sum: Sum,
        has_currency: impl Fn(&AccountId) -> bool,
    ) {
        let start = bucket::start_of(BucketLength::Quarter, at);
        let key = (event.path.clone(), event.meter.clone(), start);
        let quarter = self.0.entry(key).or_insert_with(|| {
            let ids = event.path.ids().into_iter();
            Quarter {
                accounts: ids.map(|id| (id.clone(), has_currency(&id))).collect(),
                sum: Sum::default(),
            }
        });
        quarter.sum.add(sum);
    }

    /// The sums as rows.
    pub(crate) fn into_rows(self) -> Vec<usage_aggregate::Model> {
        let mut sorted = Sorted::new();
        for ((_, meter, start), quarter) in self.0 {
            let starts = bucket::LENGTHS.map(|length| bucket::start_of(length, start));
            let user = quarter.accounts.len() - 1;
            for (level, (id, has_currency)) in quarter.accounts.into_iter().enumerate() {
                let of_tree = match has_currency {
                    true => quarter.sum,
                    false => Sum {
                        amount: 0,
                        ..quarter.sum
                    },
                };
                for (place, start) in starts.into_iter().enumerate() {
                    let added = sorted
                        .entry((id.clone(), place, start, meter.clone()))
                        .or_default();
                    added.tree.add(of_tree);
                    if level == user {
                        added.own.add(quarter.sum);
                    }
                }
            }
        }
        sorted.into_iter().map(row).collect()
    }
}

/// Adds the rows of sums to what is kept, at this time; answers the thresholds that they cross by it. One that would leave the
/// range of exact numbers is an error.
pub(super) async fn write(
    rows: Vec<usage_aggregate::Model>,
    txn: &impl ConnectionTrait,
    facts: &Facts,
    now: Timestamp,
) -> Result<Vec<Reached>> {
    let watched = Watched::of(facts, &rows);
    let rows = Rows::default()
        .texts("account_id", rows.iter().map(|row| row.account_id.as_str()))
        .texts("granularity", rows.iter().map(|row| row.granularity.as_str()))
        .times("bucket_start", rows.iter().map(|row| row.bucket_start))
        .texts("meter", rows.iter().map(|row| row.meter.as_str()))
        .numbers("quantity", rows.iter().map(|row| row.quantity))
        .numbers("events", rows.iter().map(|row| row.events))
        .numbers("amount", rows.iter().map(|row| row.amount))
        .numbers("tree_quantity", rows.iter().map(|row| row.tree_quantity))
        .numbers("tree_events", rows.iter().map(|row| row.tree_events))
        .numbers("tree_amount", rows.iter().map(|row| row.tree_amount));
    if watched.is_empty() {
        rows.insert(txn, "usage_aggregates", ADD).await.map_err(inexact)?;
        return Ok(Vec::new());
    }
    let add = format!("{ADD} RETURNING *");
    let sums = rows.insert_returning(txn, "usage_aggregates", &add).await;
    let mut reached = Vec::new();
    for sum in sums.map_err(inexact)? {
        let sum = usage_aggregate::Model::from_query_result(&sum, "")?;
        reached.extend(watched.crossed_by(&sum, now));
    }
    Ok(reached)
}

/// What is told of a sum that would be too large, which the table refuses.
fn inexact(error: Error) -> Error {
    match breaks_check(&error, "sums_are_exact") {
        true => Error::bad_input(&["events"], "The sum of a meter would be too large."),
        false => error,
    }
}

fn one_currency(facts: &Facts, one: &AccountId, other: &AccountId) -> bool {
    let currency = |id: &AccountId| facts.accounts.get(id).map(|account| account.currency.as_str());
    currency(one) == currency(other)
}

fn row(
    ((account_id, place, bucket_start, meter), added): ((AccountId, usize, Timestamp, String), Added),
) -> usage_aggregate::Model {
    usage_aggregate::Model {
        account_id,
        granularity: bucket::LENGTHS[place],
        bucket_start,
        meter,
        quantity: added.own.quantity,
        events: added.own.events,
        amount: added.own.amount,
        tree_quantity: added.tree.quantity,
        tree_events: added.tree.events,
        tree_amount: added.tree.amount,
    }
}
