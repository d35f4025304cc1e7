//! The one transaction of a batch: all that its events cause, or nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use canopy_entity::posting::PostingKind;
use canopy_entity::time::{self, Timestamp};
use canopy_entity::usage_event::{self, RatingStatus};
use canopy_entity::{AccountId, UsageBatchId, UsageEventId};
use sea_orm::ConnectionTrait;

use super::commit::{Fate, key, known_by_key};
use super::ratings::{self, Priced};
use super::sums::Sums;
use super::values::Values;
use crate::domain::Faults;
use crate::events::{Counted, UsageUpdateKind, outbox, own_charge};
use crate::ledger::{Books, Currency, Due, Source};
use crate::pricing::{EdgePrice, Facts};
use crate::rows::Rows;
use crate::statement::{list, statement};
use crate::{Error, Result, alerts};

/// The steps of recording a batch and of rating an event later, at which a test may break off: the first before
/// anything is written, the last after the commit and before the answer.
pub const FAULT_POINTS: &[&str] = &[
    "usage.priced",
    "usage.locked",
    "usage.claimed",
    "usage.funded",
    "usage.rated",
    "usage.posted",
    "usage.summed",
    "usage.announced",
    "usage.committed",
    "usage.late.locked",
    "usage.late.rated",
    "usage.late.announced",
];

const CLAIM: &str = "ON CONFLICT (account_id, idempotency_key) DO NOTHING";

const CLAIMED: &str = "SELECT id FROM usage_events WHERE id IN [$1]";

const UNCLAIM: &str = "DELETE FROM usage_events WHERE id IN [$1]";

/// An event that may be recorded, with its prices; none if they are pending.
pub(super) struct Ready {
    /// Place in the batch.
    pub(super) place: usize,
    pub(super) row: Arc<usage_event::Model>,
    pub(super) edges: Option<Vec<EdgePrice>>,
}

/// Records what is `ready`; answers the fate of each, in order. None, and nothing written, if the prices no longer
/// follow from the facts.
pub(super) async fn batch(
    txn: &impl ConnectionTrait,
    faults: &Faults,
    facts: &Facts,
    ready: &[Ready],
) -> Result<Option<Vec<Fate>>> {
    if !facts.hold(txn).await? {
        return Ok(None);
    }
    faults.check("usage.locked")?;
    // After the lock, so that the time agrees with those of activations, whichever side of them this is on.
    let now = time::now();
    let batch = UsageBatchId::new();
    let rows = to_record(ready, &batch, now);
    let claimed = claim(txn, &rows, &batch, now).await?;
    faults.check("usage.claimed")?;
    let raced = rows.iter().map(AsRef::as_ref);
    let raced = raced.filter(|row: &&usage_event::Model| !claimed.contains(&row.id));
    let known = known_by_key(txn, raced).await?;

    let claimed_edges = || {
        let edges = ready.iter().map(|ready| ready.edges.as_deref());
        let rows = rows.iter().map(AsRef::<usage_event::Model>::as_ref);
        rows.zip(edges).filter(|(row, _)| claimed.contains(&row.id))
    };
    let priced = claimed_edges().filter_map(|(row, edges)| {
        Some(Priced {
            event: &row.id,
            edges: edges?,
            counted_at: None,
        })
    });
    let unpaid = settle(txn, faults, facts, &batch, priced.collect(), now).await?;

    let recorded = || claimed_edges().filter(|(row, _)| !unpaid.contains_key(&row.id));
    add_up(txn, facts, recorded, now).await?;
    faults.check("usage.summed")?;
    let news = recorded().map(|(event, edges)| Counted {
        event,
        charged: edges.and_then(own_charge),
    });
    let news: Vec<Counted<'_>> = news.collect();
    outbox::write(txn, UsageUpdateKind::Recorded, &batch, &news, now).await?;
    faults.check("usage.announced")?;

    let fates = rows.iter().map(|row| match unpaid.get(&row.id) {
        Some(buyer) => Ok(Fate::Unpaid {
            its_own: *buyer == row.account_id,
        }),
        None if claimed.contains(&row.id) => Ok(Fate::Recorded(row.clone())),
        None => known
            .get(&key(row))
            .map(|row| Fate::Known(row.clone()))
            .ok_or_else(|| Error::internal("a key is taken and its event is missing")),
    });
    fates.collect::<Result<_>>().map(Some)
}

/// Rates what is priced, as far as it can be paid, and pays it. Answers what cannot, which is not recorded, with who falls
/// short.
async fn settle<'r>(
    txn: &impl ConnectionTrait,
    faults: &Faults,
    facts: &Facts,
    batch: &UsageBatchId,
    mut priced: Vec<Priced<'r>>,
    now: Timestamp,
) -> Result<HashMap<&'r UsageEventId, AccountId>> {
    // Ratings say what is owed and not who pays: where nobody can fall short they are written before the ledger is locked,
    // so that the next batch of the tree waits for less.
    let is_sure = priced.iter().all(|priced| is_sure(facts, priced.edges));
    if is_sure {
        ratings::insert(txn, batch, &priced, now).await?;
        faults.check("usage.rated")?;
    }
    let mut books = lock_ledger(txn, priced.iter().map(|priced| priced.edges)).await?;
    let mut movements = Vec::new();
    let mut unpaid: HashMap<&'r UsageEventId, AccountId> = HashMap::new();
    for priced in &priced {
        match books.balances.settle(&dues(facts, priced.edges)) {
            Ok(moved) => movements.extend(moved.into_iter().flatten()),
            Err(short) => drop(unpaid.insert(priced.event, short.buyer)),
        }
    }
    if !unpaid.is_empty() {
        let unclaim = statement(txn.get_database_backend(), UNCLAIM, [list(unpaid.keys())]);
        txn.execute_raw(unclaim).await?;
    }
    faults.check("usage.funded")?;
    if !is_sure {
        priced.retain(|priced| !unpaid.contains_key(priced.event));
        ratings::insert(txn, batch, &priced, now).await?;
        faults.check("usage.rated")?;
    }
    books
        .post_batch(txn, PostingKind::Usage, batch, movements, now)
        .await?;
    faults.check("usage.posted")?;
    Ok(unpaid)
}

/// Adds events to the sums, and to the values that some meters need; tells of the thresholds that they reach.
pub(super) async fn add_up<'r, I>(
    txn: &impl ConnectionTrait,
    facts: &Facts,
    recorded: impl Fn() -> I,
    now: Timestamp,
) -> Result<()>
where
    I: Iterator<Item = (&'r usage_event::Model, Option<&'r [EdgePrice]>)>,
{
    let mut sums = Sums::default();
    for (row, edges) in recorded() {
        sums.add(facts, row, charged(edges.unwrap_or_default()));
    }
    let values = Values::of(facts, recorded().map(|(row, _)| row));
    let reached = sums.write(txn, facts, now).await?;
    values.write(txn).await?;
    alerts::announce(txn, reached).await
}

/// The rows as they are written: ids are made as late as possible, so that events are in the order of their ids.
fn to_record(ready: &[Ready], batch: &UsageBatchId, now: Timestamp) -> Vec<Arc<usage_event::Model>> {
    let rows = (0..).zip(ready).map(|(place, ready)| usage_event::Model {
        id: UsageEventId::new(),
        batch_id: batch.clone(),
        place,
        recorded_at: now,
        rating_status: match ready.edges {
            Some(_) => RatingStatus::Rated,
            None => RatingStatus::Pending,
        },
        ..usage_event::Model::clone(&ready.row)
    });
    rows.map(Arc::new).collect()
}

/// Inserts the events whose keys are free; answers which. Keys are claimed in their order, so that two batches with
/// the same keys wait for each other and never in a circle.
async fn claim(
    txn: &impl ConnectionTrait,
    rows: &[Arc<usage_event::Model>],
    batch: &UsageBatchId,
    now: Timestamp,
) -> Result<HashSet<UsageEventId>> {
    let mut rows: Vec<&usage_event::Model> = rows.iter().map(AsRef::as_ref).collect();
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
        .insert(txn, "usage_events", CLAIM)
        .await?;
    let ids = rows.iter().map(|row| &row.id);
    if inserted == rows.len() as u64 {
        return Ok(ids.cloned().collect());
    }
    let claimed = statement(txn.get_database_backend(), CLAIMED, [list(ids)]);
    let claimed = txn.query_all_raw(claimed).await?;
    claimed.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
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
    edges
        .iter()
        .map(|edge| {
            let buyer = &facts.accounts[&edge.buyer];
            Due {
                seller: edge.seller.clone(),
                buyer: edge.buyer.clone(),
                currency: Currency::of(&edge.currency),
                price: edge.price,
                sources: Source::of(buyer.billing_mode, buyer.credit_mode),
            }
        })
        .collect()
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
