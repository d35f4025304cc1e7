//! The one transaction of a batch: all that its events cause, or nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use canopy_entity::posting::PostingKind;
use canopy_entity::time::{self, Timestamp};
use canopy_entity::usage_event::{self, RatingStatus};
use canopy_entity::{AccountId, UsageBatchId, UsageEventId};
use sea_orm::ConnectionTrait;

use super::commit::Fate;
use super::ratings;
use super::split::Split;
use super::sums::Sums;
use super::values::Values;
use crate::domain::Faults;
use crate::events::{UsageUpdateKind, outbox};
use crate::ledger::{Books, Due, Movement, Source};
use crate::pricing::{EdgePrice, Facts};
use crate::rows::Rows;
use crate::transaction::{breaks_uniqueness, of_database};
use crate::{Error, Result, alerts};

/// The steps of recording a batch and of rating an event later, at which a test may break off: the first before
/// anything is written, the last after the commit and before the answer.
pub const FAULT_POINTS: &[&str] = &[
    "usage.priced",
    "usage.locked",
    "usage.claimed",
    "usage.rated",
    "usage.funded",
    "usage.posted",
    "usage.summed",
    "usage.announced",
    "usage.committed",
    "usage.late.locked",
    "usage.late.rated",
    "usage.late.announced",
];

/// An event that may be recorded, with its prices; none if they are pending.
pub(super) struct Ready {
    /// Place in the batch.
    pub(super) place: usize,
    pub(super) row: Arc<usage_event::Model>,
    pub(super) edges: Option<Vec<EdgePrice>>,
}

/// Some of the keys of a batch are taken, or may be: nothing was written, and they are to be looked up.
#[derive(Debug, thiserror::Error)]
#[error("a key of a batch of usage is taken")]
pub(super) struct KeyTaken;

/// Records what is `ready`; answers the fate of each, in order. None, and nothing written, if the prices no longer
/// follow from the facts. [`KeyTaken`] if a key is; also if something cannot be paid and its key was not `looked_up`, since
/// what is known already is not paid again.
pub(super) async fn batch(
    txn: &impl ConnectionTrait,
    faults: &Faults,
    facts: &Facts,
    ready: &[Ready],
    looked_up: bool,
) -> Result<Option<Vec<Fate>>> {
    if !facts.hold(txn).await? {
        return Ok(None);
    }
    faults.check("usage.locked")?;
    let batch = UsageBatchId::new();
    // Who pays comes last where nobody can fall short: from the lock on the ledger on batches of a tree follow one another.
    let priced = || ready.iter().filter_map(|ready| ready.edges.as_deref());
    let is_sure = priced().all(|edges| is_sure(facts, edges));
    let mut books = Books::default();
    let mut movements = Vec::new();
    let mut unpaid = HashMap::new();
    if !is_sure {
        books = lock_ledger(txn, priced()).await?;
        (movements, unpaid) = settle_each(&mut books, facts, ready);
        if !unpaid.is_empty() && !looked_up {
            return Err(Error::internal(KeyTaken));
        }
    }
    // After the locks on terms, so that the time agrees with those of activations, whichever side of them this is on.
    let now = time::now();
    let fates = (0..)
        .zip(ready)
        .map(|(place, ready)| match unpaid.get(&ready.place) {
            Some(buyer) => Ok(Fate::Unpaid {
                its_own: *buyer == ready.row.account_id,
            }),
            None => Ok(Fate::Recorded(Arc::new(to_record(ready, &batch, place, now)?))),
        });
    let fates = fates.collect::<Result<Vec<Fate>>>()?;
    let recorded = || fates.iter().zip(ready).filter_map(row_of);
    claim(txn, recorded().map(|(row, _)| row), &batch, now).await?;
    faults.check("usage.claimed")?;
    let rated = recorded().filter_map(|(row, edges)| Some((&row.id, edges?)));
    ratings::index(txn, &batch, rated).await?;
    faults.check("usage.rated")?;
    let additions = Additions::of(facts, recorded, now);
    if is_sure {
        books = lock_ledger(txn, priced()).await?;
        movements = settle_all(&mut books, facts, priced())?;
    }
    faults.check("usage.funded")?;
    books
        .post_batch(txn, PostingKind::Usage, &batch, movements, now)
        .await?;
    faults.check("usage.posted")?;
    additions.write(txn, facts, now).await?;
    faults.check("usage.summed")?;
    let news: Vec<&usage_event::Model> = recorded().map(|(event, _)| event).collect();
    outbox::write(txn, UsageUpdateKind::Recorded, &batch, &news, now).await?;
    faults.check("usage.announced")?;
    Ok(Some(fates))
}

/// The row of what is recorded, with its prices.
fn row_of<'r>(
    (fate, ready): (&'r Fate, &'r Ready),
) -> Option<(&'r usage_event::Model, Option<&'r [EdgePrice]>)> {
    match fate {
        Fate::Recorded(row) => Some((row, ready.edges.as_deref())),
        _ => None,
    }
}

/// What events add to the sums at a time, and to the values that some meters need.
pub(super) struct Additions<'r> {
    sums: Split,
    values: Values<'r>,
}

impl<'r> Additions<'r> {
    /// Those of events with their prices, as far as they have any.
    pub(super) fn of<I>(facts: &Facts, recorded: impl Fn() -> I, now: Timestamp) -> Self
    where
        I: Iterator<Item = (&'r usage_event::Model, Option<&'r [EdgePrice]>)>,
    {
        let mut sums = Sums::default();
        for (row, edges) in recorded() {
            sums.add(facts, row, charged(edges.unwrap_or_default()));
        }
        Self {
            sums: sums.split(now),
            values: Values::of(facts, recorded().map(|(row, _)| row)),
        }
    }

    /// Adds them, and tells of the thresholds that the sums reach.
    pub(super) async fn write(self, txn: &impl ConnectionTrait, facts: &Facts, now: Timestamp) -> Result<()> {
        let reached = self.sums.write(txn, facts, now).await?;
        self.values.write(txn).await?;
        alerts::announce(txn, reached).await
    }
}

/// Pays for each event by itself, in order. Answers what moves, and by place of what cannot be paid, who falls short.
fn settle_each(
    books: &mut Books,
    facts: &Facts,
    ready: &[Ready],
) -> (Vec<Movement>, HashMap<usize, AccountId>) {
    let mut movements = Vec::new();
    let mut unpaid = HashMap::new();
    for ready in ready {
        match books
            .balances
            .settle(&dues(facts, ready.edges.as_deref().unwrap_or_default()))
        {
            Ok(moved) => movements.extend(moved.into_iter().flatten()),
            Err(short) => drop(unpaid.insert(ready.place, short.buyer)),
        }
    }
    (movements, unpaid)
}

/// Pays for all events at once, of which each can be paid: out of the same wallets, in the same order, as one by one.
fn settle_all<'r>(
    books: &mut Books,
    facts: &Facts,
    edges: impl Iterator<Item = &'r [EdgePrice]>,
) -> Result<Vec<Movement>> {
    let mut sums: BTreeMap<(&AccountId, &AccountId), Due> = BTreeMap::new();
    for edge in edges.flatten().filter(|edge| edge.price != 0) {
        sums.entry((&edge.seller, &edge.buyer))
            .and_modify(|due| due.price += edge.price)
            .or_insert_with(|| due(facts, edge));
    }
    let sums: Vec<Due> = sums.into_values().collect();
    match books.balances.settle(&sums) {
        Ok(moved) => Ok(moved.into_iter().flatten().collect()),
        Err(short) => Err(Error::internal(format!(
            "{} falls short, and has a parent",
            short.buyer
        ))),
    }
}

/// A row as it is written: ids are made as late as possible, so that events are in the order of their ids.
fn to_record(ready: &Ready, batch: &UsageBatchId, place: i32, now: Timestamp) -> Result<usage_event::Model> {
    let ratings = ready.edges.as_deref().map(|edges| ratings::stored(edges, None));
    Ok(usage_event::Model {
        id: UsageEventId::new(),
        batch_id: batch.clone(),
        place,
        recorded_at: now,
        rating_status: match ready.edges {
            Some(_) => RatingStatus::Rated,
            None => RatingStatus::Pending,
        },
        ratings: ratings.transpose()?,
        ..usage_event::Model::clone(&ready.row)
    })
}

/// Inserts events. Keys are claimed in their order, so that two batches with the same keys wait for each other and never
/// in a circle.
async fn claim(
    txn: &impl ConnectionTrait,
    rows: impl Iterator<Item = &usage_event::Model>,
    batch: &UsageBatchId,
    now: Timestamp,
) -> Result<()> {
    let mut rows: Vec<&usage_event::Model> = rows.collect();
    rows.sort_by_key(|row| (&row.account_id, &row.idempotency_key));
    let mut given = Rows::default();
    if rows.iter().any(|row| row.adjusts.is_some()) {
        given = given
            .some_times("counted_at", rows.iter().map(|row| row.counted_at))
            .some_times("adjusts", rows.iter().map(|row| row.adjusts));
    }
    let inserted = given
        .texts("id", rows.iter().map(|row| row.id.as_str()))
        .texts("account_id", rows.iter().map(|row| row.account_id.as_str()))
        .texts("path", rows.iter().map(|row| row.path.as_str()))
        .text("batch_id", batch.as_str())
        .numbers("place", rows.iter().map(|row| row.place.into()))
        .texts(
            "idempotency_key",
            rows.iter().map(|row| row.idempotency_key.as_str()),
        )
        .texts(
            "payload_digest",
            rows.iter().map(|row| row.payload_digest.as_str()),
        )
        .texts("meter", rows.iter().map(|row| row.meter.as_str()))
        .numbers("quantity", rows.iter().map(|row| row.quantity))
        .times("occurred_at", rows.iter().map(|row| row.occurred_at))
        .time("recorded_at", now)
        .texts("attributes", rows.iter().map(|row| row.attributes.as_str()))
        .texts("rating_status", rows.iter().map(|row| row.rating_status.as_str()))
        .some_texts("ratings", rows.iter().map(|row| row.ratings.as_deref()))
        .insert(txn, "usage_events", "")
        .await;
    match inserted {
        Err(error) if of_database(&error).is_some_and(breaks_uniqueness) => Err(Error::internal(KeyTaken)),
        inserted => inserted.map(drop),
    }
}

/// Locks the ledger of all accounts that the edges touch; none if there is nothing to pay.
pub(super) async fn lock_ledger<'a>(
    txn: &impl ConnectionTrait,
    edges: impl Iterator<Item = &'a [EdgePrice]>,
) -> Result<Books> {
    let to_pay = edges.flatten().filter(|edge| edge.price != 0);
    let accounts: HashSet<&AccountId> = to_pay.flat_map(|edge| [&edge.seller, &edge.buyer]).collect();
    if accounts.is_empty() {
        return Ok(Books::default());
    }
    Books::lock(txn, accounts).await
}

/// What is to be paid for the edges of one event.
pub(super) fn dues(facts: &Facts, edges: &[EdgePrice]) -> Vec<Due> {
    edges.iter().map(|edge| due(facts, edge)).collect()
}

fn due(facts: &Facts, edge: &EdgePrice) -> Due {
    let buyer = &facts.accounts[&edge.buyer];
    Due {
        seller: edge.seller.clone(),
        buyer: edge.buyer.clone(),
        currency: edge.currency,
        price: edge.price,
        sources: Source::of(buyer.billing_mode, buyer.credit_mode),
    }
}

/// Whether the edges are paid whatever is in the wallets: each buyer's parent bills it for what they do not hold.
fn is_sure(facts: &Facts, edges: &[EdgePrice]) -> bool {
    edges.iter().all(|edge| {
        let buyer = &facts.accounts[&edge.buyer];
        edge.price == 0 || Source::of(buyer.billing_mode, buyer.credit_mode).contains(&Source::Parent)
    })
}

/// What the account that used something is charged itself.
pub(super) fn charged(edges: &[EdgePrice]) -> i64 {
    edges.last().map_or(0, |edge| edge.price)
}
