//! What MAX and UNIQUE meters need beside sums: which values there were in each bucket, and how often. How often, so that
//! a value is gone when the last event with it is taken out; and which event put which value in, so that it takes out that
//! and nothing else, whatever the plan declares by then.
//!
//! The plan of each account decides for its own view: for what it used itself, and for its tree. Where no plan of a path
//! has such a meter nothing is written.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::BucketLength;
use canopy_entity::{AccountId, UsageEventId, usage_event};
use sea_orm::ConnectionTrait;
use sha2::{Digest, Sha256};

use super::asked::Asked;
use super::bucket;
use super::read::UsageQuery;
use super::totals::{OverSpans, over_spans};
use crate::plans::{Aggregation, Meter, Undeclared};
use crate::pricing::Facts;
use crate::rows::Rows;
use crate::statement::statement;
use crate::store::{Given, Query};
use crate::{Domain, Error, Micros, Result};

/// A longer value is kept as its digest: an index holds no long texts.
const LONGEST: usize = 200;

const ADD: &str = "
ON CONFLICT (account_id, granularity, bucket_start, meter, value) DO UPDATE SET
  own = usage_values.own + excluded.own, tree = usage_values.tree + excluded.tree
";

const PUT_IN: &str = "DELETE FROM valued_events WHERE event_id = $1 RETURNING account_id, value";

const TAKE_OUT: &str = "
UPDATE usage_values SET own = own - $6, tree = tree - 1
WHERE account_id = $1 AND granularity = $2 AND bucket_start = $3 AND meter = $4 AND value = $5
";

const IN_BUCKET: &str = "
SELECT COUNT(*) AS different, COALESCE(MAX(quantity), 0) AS greatest FROM usage_values
WHERE account_id = $1 AND granularity = $2 AND bucket_start = $3 AND meter = $4 AND {whose} > 0
";

/// An account, a place among the lengths, a bucket, a meter and a value; always in this order, as the sums are.
type Key = (AccountId, usize, Timestamp, String, String);

/// Values that are to be counted.
#[derive(Debug, Default)]
pub(super) struct Values<'e> {
    counted: BTreeMap<Key, Counted>,
    put_in: Vec<PutIn<'e>>,
}

/// An event that puts a value in, for the view of an account.
#[derive(Debug)]
struct PutIn<'e> {
    event: &'e UsageEventId,
    account: AccountId,
    value: String,
    /// The value as a number, for MAX.
    quantity: i64,
}

/// How often a value occurs.
#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    /// The value as a number, for MAX.
    quantity: i64,
    own: i64,
    tree: i64,
}

/// Why an event does not fit the meters of its account's plan.
#[derive(Debug, Clone)]
pub(super) struct Unfit {
    /// What of the event is to blame.
    pub(super) field: &'static str,
    pub(super) message: String,
}

/// Why the event does not fit the plan of its account; none if it does.
pub(super) fn unfit(facts: &Facts, event: &usage_event::Model) -> Option<Unfit> {
    let meters = &facts.accounts.get(&event.account_id)?.meters;
    match meters.get(&event.meter) {
        None if meters.undeclared() == Undeclared::Refuse => Some(Unfit {
            field: "meter",
            message: "The plan of the account does not declare this meter.".to_owned(),
        }),
        Some(meter) if meter.aggregation == Aggregation::Unique && value_of(meter, event).is_none() => {
            let name = meter.unique_by.as_deref().unwrap_or_default();
            Some(Unfit {
                field: "attributes",
                message: format!(
                    "This meter counts different values of the attribute `{name}`, which is missing."
                ),
            })
        }
        _ => None,
    }
}

impl<'e> Values<'e> {
    /// The values of events that are recorded.
    pub(super) fn of(facts: &Facts, events: impl Iterator<Item = &'e usage_event::Model>) -> Self {
        let mut values = Self::default();
        if facts.keep_values() {
            for event in events {
                values.add(facts, event);
            }
        }
        values
    }

    fn add(&mut self, facts: &Facts, event: &'e usage_event::Model) {
        let starts = starts_of(event);
        for id in event.path.each_id() {
            let meters = facts.accounts.get(&id).map(|account| &account.meters);
            let value = meters
                .and_then(|meters| meters.get(&event.meter))
                .and_then(|meter| value_of(meter, event));
            let Some((value, quantity)) = value else { continue };
            for (place, start) in starts.into_iter().enumerate() {
                let key = (id.clone(), place, start, event.meter.clone(), value.clone());
                let counted = self.counted.entry(key).or_default();
                counted.quantity = quantity;
                counted.tree += 1;
                counted.own += i64::from(id == event.account_id);
            }
            self.put_in.push(PutIn {
                event: &event.id,
                account: id,
                value,
                quantity,
            });
        }
    }

    /// Writes them; without any, nothing.
    pub(super) async fn write(self, txn: &impl ConnectionTrait) -> Result<()> {
        let rows: Vec<(Key, Counted)> = self.counted.into_iter().collect();
        let lengths = rows.iter().map(|((_, place, ..), _)| bucket::LENGTHS[*place]);
        Rows::default()
            .texts("account_id", rows.iter().map(|((id, ..), _)| id.as_str()))
            .texts("granularity", lengths.map(|length| length.as_str()))
            .times("bucket_start", rows.iter().map(|((_, _, start, ..), _)| *start))
            .texts("meter", rows.iter().map(|((.., meter, _), _)| meter.as_str()))
            .texts("value", rows.iter().map(|((.., value), _)| value.as_str()))
            .numbers("quantity", rows.iter().map(|(_, counted)| counted.quantity))
            .numbers("own", rows.iter().map(|(_, counted)| counted.own))
            .numbers("tree", rows.iter().map(|(_, counted)| counted.tree))
            .insert(txn, "usage_values", ADD)
            .await?;
        let put_in = &self.put_in;
        Rows::default()
            .texts("event_id", put_in.iter().map(|row| row.event.as_str()))
            .texts("account_id", put_in.iter().map(|row| row.account.as_str()))
            .texts("value", put_in.iter().map(|row| row.value.as_str()))
            .numbers("quantity", put_in.iter().map(|row| row.quantity))
            .insert(txn, "valued_events", "")
            .await?;
        Ok(())
    }

    /// Takes out the values that an event has put in, which is about to be reversed.
    pub(super) async fn take_out(txn: &impl ConnectionTrait, event: &usage_event::Model) -> Result<()> {
        let backend = txn.get_database_backend();
        let put_in = statement(backend, PUT_IN, [event.id.as_str().into()]);
        let put_in = txn.query_all_raw(put_in).await?.into_iter();
        let put_in = put_in.map(|row| Ok((row.try_get("", "account_id")?, row.try_get("", "value")?)));
        let mut put_in = put_in.collect::<Result<Vec<(AccountId, String)>>>()?;
        // In the order in which others add to the same rows.
        put_in.sort();
        for (id, value) in &put_in {
            for (place, start) in starts_of(event).into_iter().enumerate() {
                let values = [
                    id.as_str().into(),
                    bucket::LENGTHS[place].as_str().into(),
                    start.into(),
                    event.meter.as_str().into(),
                    value.as_str().into(),
                    i64::from(*id == event.account_id).into(),
                ];
                txn.execute_raw(statement(backend, TAKE_OUT, values)).await?;
            }
        }
        Ok(())
    }
}

/// The beginnings of the buckets in which an event counts.
fn starts_of(event: &usage_event::Model) -> [Timestamp; 3] {
    bucket::LENGTHS.map(|length| bucket::start_of(length, event.counts_at()))
}

/// The value that counts of an event, and the same as a number for MAX; none if it has none, or if sums are enough.
fn value_of(meter: &Meter, event: &usage_event::Model) -> Option<(String, i64)> {
    match meter.aggregation {
        Aggregation::Sum | Aggregation::Count => None,
        Aggregation::Max => Some((event.quantity.to_string(), event.quantity)),
        Aggregation::Unique => {
            let attributes: serde_json::Value = serde_json::from_str(&event.attributes).ok()?;
            let value = attributes.get(meter.unique_by.as_ref()?)?;
            let text = match value {
                serde_json::Value::Null => return None,
                value => value.to_string(),
            };
            match text.len() <= LONGEST {
                true => Some((text, 0)),
                false => Some((format!("sha256:{}", hex::encode(Sha256::digest(text))), 0)),
            }
        }
    }
}

/// What the values of a meter come to in a period, or in a bucket of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    /// How many different ones there are.
    pub(super) different: i64,
    /// The greatest.
    pub(super) greatest: i64,
}

impl Known {
    /// As the meter has it told, in micro-units; none if it is more than any exact number, or if values do not say it.
    pub(super) fn told(self, aggregation: Aggregation) -> Option<i64> {
        match aggregation {
            Aggregation::Sum | Aggregation::Count => None,
            Aggregation::Max => Some(self.greatest),
            Aggregation::Unique => self.different.checked_mul(Micros::UNIT),
        }
    }
}

/// The values of a meter in one bucket, as a transaction that has written some of them sees them.
pub(crate) struct ValuesOf<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) granularity: BucketLength,
    pub(crate) start: Timestamp,
    pub(crate) meter: &'a str,
    pub(crate) include_descendants: bool,
}

impl ValuesOf<'_> {
    /// What they come to, as `aggregation` has it told.
    pub(crate) async fn told(&self, txn: &impl ConnectionTrait, aggregation: Aggregation) -> Result<i64> {
        let sql = IN_BUCKET.replace("{whose}", if self.include_descendants { "tree" } else { "own" });
        let values = [
            self.account.as_str().into(),
            self.granularity.as_str().into(),
            self.start.into(),
            self.meter.into(),
        ];
        let row = txn
            .query_one_raw(statement(txn.get_database_backend(), &sql, values))
            .await?;
        let row = row.ok_or_else(|| Error::internal("a count without a row"))?;
        let known = Known {
            different: row.try_get("", "different")?,
            greatest: row.try_get("", "greatest")?,
        };
        known
            .told(aggregation)
            .ok_or_else(|| Error::internal("a meter that values do not tell"))
    }
}

/// By account, meter and, for buckets, their beginnings.
pub(super) type KnownValues = HashMap<(AccountId, String, Option<Timestamp>), Known>;

/// Without and with all below an account: a row for each bucket and meter of each account, and for the whole period.
static VALUES: LazyLock<[Query; 2]> = LazyLock::new(|| {
    ["own", "tree"].map(|whose| {
        over_spans(&OverSpans {
            table: "usage_values",
            joined: None,
            parts: "g.meter, g.value, MAX(g.quantity) AS quantity",
            parts_by: "g.meter, g.value",
            columns: "COUNT(DISTINCT g.value), CAST(MAX(g.quantity) AS bigint)",
            wanted: &format!("AND g.meter IN [$3] AND g.{whose} > 0"),
            behind: "",
        })
    })
});

impl Domain {
    /// What the values of these meters come to, for those of the accounts that are `wanted`: in the whole period, and in
    /// each bucket if anybody looks.
    pub(super) async fn values_of(
        &self,
        asked: &Asked,
        wanted: impl Fn(&AccountId) -> bool,
        meters: &[&str],
        query: &UsageQuery,
    ) -> Result<KnownValues> {
        let spans = asked.spans(query.granularity, true, !query.only_totals, wanted)?;
        let given = [
            Given::Text(&spans.accounts),
            Given::Text(&spans.spans),
            Given::Texts(meters),
        ];
        let values = &VALUES[usize::from(query.include_descendants)];
        let mut known = KnownValues::new();
        for row in self.rows(values, &given).await? {
            let start = spans.bucket(row.number(1)?, row.number(2)?)?;
            let value = Known {
                different: row.number(4)?,
                greatest: row.number(5)?,
            };
            known.insert((row.parsed(0)?, row.text(3)?.into_owned(), start), value);
        }
        Ok(known)
    }
}
