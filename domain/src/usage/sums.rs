//! Adding events to the sums by quarter of an hour, day and month in UTC: to those of the account that used something, and
//! to those of each tree that it is in. A sum does not depend on the order in which events arrive.
//!
//! Usage of the quarter that is open adds to one row for each account and meter, and all other usage to three: see
//! [`split`](super::split).

use std::collections::{BTreeMap, HashMap};

use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::{self, BucketLength};
use canopy_entity::{AccountId, AccountPath, usage_event};

use super::bucket;
use super::split::Split;
use crate::pricing::Facts;

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

/// By account, meter and quarter of an hour: always in this order, so that two transactions that add to the same sums wait for
/// each other and never in a circle.
pub(super) type Quarters = BTreeMap<(AccountId, String, Timestamp), Added>;

/// What is added to the sums of an account.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Added {
    pub(super) own: Sum,
    pub(super) tree: Sum,
}

impl Added {
    pub(super) fn add(&mut self, other: Added) {
        self.own.add(other.own);
        self.tree.add(other.tree);
    }
}

/// A part of a sum.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sum {
    pub(super) quantity: i64,
    pub(super) events: i64,
    pub(super) amount: i64,
}

impl Sum {
    /// What leaves the range of exact numbers is refused when it is written; so it is enough that it stays outside.
    fn add(&mut self, other: Sum) {
        self.quantity = self.quantity.saturating_add(other.quantity);
        self.events += other.events;
        self.amount = self.amount.saturating_add(other.amount);
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
            let ids = event.path.each_id();
            Quarter {
                accounts: ids.map(|id| (id.clone(), has_currency(&id))).collect(),
                sum: Sum::default(),
            }
        });
        quarter.sum.add(sum);
    }

    /// The sums as rows of closed quarters, and of their days and months.
    pub(crate) fn into_rows(self) -> Vec<usage_aggregate::Model> {
        rows(&self.into_quarters())
    }

    /// The sums apart by where they are added, at this time.
    pub(super) fn split(self, now: Timestamp) -> Split {
        Split::new(self.into_quarters(), now)
    }

    fn into_quarters(self) -> Quarters {
        let mut quarters = Quarters::new();
        for ((_, meter, start), quarter) in self.0 {
            let user = quarter.accounts.len() - 1;
            for (level, (id, has_currency)) in quarter.accounts.into_iter().enumerate() {
                let tree = match has_currency {
                    true => quarter.sum,
                    false => Sum {
                        amount: 0,
                        ..quarter.sum
                    },
                };
                let own = match level == user {
                    true => quarter.sum,
                    false => Sum::default(),
                };
                let added = quarters.entry((id, meter.clone(), start)).or_default();
                added.add(Added { own, tree });
            }
        }
        quarters
    }
}

/// What quarters add to themselves, their days and their months: in the order of accounts, lengths, time and meters.
pub(super) fn rows<'q>(
    quarters: impl IntoIterator<Item = (&'q (AccountId, String, Timestamp), &'q Added)>,
) -> Vec<usage_aggregate::Model> {
    let mut sorted: BTreeMap<(&AccountId, usize, Timestamp, &str), Added> = BTreeMap::new();
    for ((account, meter, start), added) in quarters {
        for (place, length) in bucket::LENGTHS.into_iter().enumerate() {
            let key = (account, place, bucket::start_of(length, *start), meter.as_str());
            sorted.entry(key).or_default().add(*added);
        }
    }
    let rows = sorted.into_iter();
    rows.map(|((account, place, start, meter), added)| {
        row(account, bucket::LENGTHS[place], start, meter, added)
    })
    .collect()
}

fn one_currency(facts: &Facts, one: &AccountId, other: &AccountId) -> bool {
    let currency = |id: &AccountId| facts.accounts.get(id).map(|account| account.currency.as_str());
    currency(one) == currency(other)
}

fn row(
    account: &AccountId,
    granularity: BucketLength,
    bucket_start: Timestamp,
    meter: &str,
    added: Added,
) -> usage_aggregate::Model {
    usage_aggregate::Model {
        account_id: account.clone(),
        granularity,
        bucket_start,
        meter: meter.to_owned(),
        quantity: added.own.quantity,
        events: added.own.events,
        amount: added.own.amount,
        tree_quantity: added.tree.quantity,
        tree_events: added.tree.events,
        tree_amount: added.tree.amount,
    }
}
