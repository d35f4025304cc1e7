//! The one transaction of a batch: all that its events cause, or nothing.

use std::collections::{HashMap, HashSet};

use canopy_entity::posting::PostingKind;
use canopy_entity::time::{self, Timestamp};
use canopy_entity::usage_event::{self, RatingStatus};
use canopy_entity::{AccountId, RatingId, UsageBatchId, UsageEventId, rating};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::commit::{Fate, key, known_by_key};
use super::sums::Sums;
use super::values::Values;
use crate::domain::Faults;
use crate::events::{Counted, UsageUpdateKind, outbox, own_charge};
use crate::ledger::{Books, Due, Movement, Source};
use crate::pricing::{EdgePrice, Facts};
use crate::rows::Rows;
use crate::statement::{list, statement};
use crate::{Error, Result};

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

/// Rows of one insert.
const ROWS: usize = 1_000;

const CLAIM: &str = "ON CONFLICT (account_id, idempotency_key) DO NOTHING RETURNING id";

const UNCLAIM: &str = "DELETE FROM usage_events WHERE id IN [$1]";

/// An event that may be recorded, with its prices; none if they are pending.
pub(super) struct Ready {
    /// Place in the batch.
    pub(super) place: usize,
    pub(super) row: usage_event::Model,
    pub(super) edges: Option<Vec<EdgePrice>>,
}

/// An event of which the price was paid: its edges, and what moves for each.
pub(super) struct Settled<'a> {
    pub(super) event: &'a UsageEventId,
    pub(super) edges: &'a [EdgePrice],
    pub(super) movements: Vec<Vec<Movement>>,
    /// When the prices count, if the period is closed in which the event counts that has been there before.
    pub(super) counted_at: Option<Timestamp>,
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
    let claimed = claim(txn, &rows).await?;
    faults.check("usage.claimed")?;
    let raced = rows.iter().filter(|row| !claimed.contains(&row.id));
    let known = known_by_key(txn, raced).await?;

    let claimed_edges = || {
        let edges = ready.iter().map(|ready| ready.edges.as_deref());
        rows.iter()
            .zip(edges)
            .filter(|(row, _)| claimed.contains(&row.id))
    };
    let mut books = lock_ledger(txn, claimed_edges().filter_map(|(_, edges)| edges)).await?;
    let mut unpaid: HashMap<&UsageEventId, AccountId> = HashMap::new();
    let mut settled = Vec::new();
    for (row, edges) in claimed_edges() {
        let Some(edges) = edges else { continue };
        match books.balances.settle(&dues(facts, edges)) {
            Ok(movements) => settled.push(Settled {
                event: &row.id,
                edges,
                movements,
                counted_at: None,
            }),
            Err(short) => {
                unpaid.insert(&row.id, short.buyer);
            }
        }
    }
    if !unpaid.is_empty() {
        let unclaim = statement(txn.get_database_backend(), UNCLAIM, [list(unpaid.keys())]);
        txn.execute_raw(unclaim).await?;
    }
    faults.check("usage.funded")?;
    rate_and_post(txn, faults, &mut books, &batch, settled, now).await?;

    let recorded = || claimed_edges().filter(|(row, _)| !unpaid.contains_key(&row.id));
    let mut sums = Sums::default();
    for (row, edges) in recorded() {
        sums.add(facts, row, charged(edges.unwrap_or_default()));
    }
    sums.write(txn).await?;
    Values::of(facts, recorded().map(|(row, _)| row))
        .write(txn)
        .await?;
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

/// The rows as they are written: ids are made as late as possible, so that events are in the order of their ids.
fn to_record(ready: &[Ready], batch: &UsageBatchId, now: Timestamp) -> Vec<usage_event::Model> {
    let rows = (0..).zip(ready).map(|(place, ready)| usage_event::Model {
        id: UsageEventId::new(),
        batch_id: batch.clone(),
        place,
        recorded_at: now,
        rating_status: match ready.edges {
            Some(_) => RatingStatus::Rated,
            None => RatingStatus::Pending,
        },
        ..ready.row.clone()
    });
    rows.collect()
}

/// Inserts the events whose keys are free; answers which. Keys are claimed in their order, so that two batches with
/// the same keys wait for each other and never in a circle.
async fn claim(txn: &impl ConnectionTrait, rows: &[usage_event::Model]) -> Result<HashSet<UsageEventId>> {
    let mut in_order: Vec<&usage_event::Model> = rows.iter().collect();
    in_order.sort_by_key(|row| (&row.account_id, &row.idempotency_key));
    let mut claimed = HashSet::with_capacity(rows.len());
    for rows in in_order.chunks(ROWS) {
        let mut given = Rows::new(txn.get_database_backend());
        if rows.iter().any(|row| row.adjusts.is_some()) {
            given = given
                .some_times("counted_at", rows.iter().map(|row| row.counted_at))
                .some_times("adjusts", rows.iter().map(|row| row.adjusts));
        }
        let insert = given
            .texts("id", rows.iter().map(|row| row.id.as_str()))
            .texts("account_id", rows.iter().map(|row| row.account_id.as_str()))
            .texts("path", rows.iter().map(|row| row.path.as_str()))
            .texts("batch_id", rows.iter().map(|row| row.batch_id.as_str()))
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
            .times("recorded_at", rows.iter().map(|row| row.recorded_at))
            .texts("attributes", rows.iter().map(|row| row.attributes.as_str()))
            .texts("rating_status", rows.iter().map(|row| row.rating_status.as_str()))
            .insert("usage_events", CLAIM);
        for row in txn.query_all_raw(insert).await? {
            claimed.insert(row.try_get("", "id")?);
        }
    }
    Ok(claimed)
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
                currency: edge.currency.clone(),
                price: edge.price,
                sources: Source::of(buyer.billing_mode, buyer.credit_mode),
            }
        })
        .collect()
}

/// What the account that used something is charged itself.
pub(super) fn charged(edges: &[EdgePrice]) -> i64 {
    edges.last().map_or(0, |edge| edge.price)
}

/// Writes the ratings of what was settled, and the postings that settle them.
pub(super) async fn rate_and_post(
    txn: &impl ConnectionTrait,
    faults: &Faults,
    books: &mut Books,
    batch: &UsageBatchId,
    settled: Vec<Settled<'_>>,
    now: Timestamp,
) -> Result<()> {
    let rated = settled.iter().flat_map(|settled| {
        settled
            .edges
            .iter()
            .map(|edge| rating_of(settled, batch, edge, now))
    });
    let ratings: Vec<rating::Model> = rated.collect();
    for ratings in ratings.chunks(ROWS) {
        txn.execute_raw(insert_ratings(txn.get_database_backend(), ratings))
            .await?;
    }
    faults.check("usage.rated")?;
    let movements: Vec<Movement> = settled
        .into_iter()
        .flat_map(|settled| settled.movements)
        .flatten()
        .collect();
    books
        .post_batch(txn, PostingKind::Usage, batch, movements, now)
        .await?;
    faults.check("usage.posted")
}

fn insert_ratings(backend: DbBackend, rows: &[rating::Model]) -> Statement {
    let mut given = Rows::new(backend);
    if rows.iter().any(|row| row.counted_at.is_some()) {
        given = given.some_times("counted_at", rows.iter().map(|row| row.counted_at));
    }
    given
        .texts("id", rows.iter().map(|row| row.id.as_str()))
        .texts("event_id", rows.iter().map(|row| row.event_id.as_str()))
        .numbers("edge", rows.iter().map(|row| row.edge.into()))
        .texts("batch_id", rows.iter().map(|row| row.batch_id.as_str()))
        .texts(
            "seller_account_id",
            rows.iter().map(|row| row.seller_account_id.as_str()),
        )
        .texts(
            "buyer_account_id",
            rows.iter().map(|row| row.buyer_account_id.as_str()),
        )
        .some_texts(
            "rule_version_id",
            rows.iter()
                .map(|row| row.rule_version_id.as_ref().map(|id| id.as_str())),
        )
        .some_texts("rule_digest", rows.iter().map(|row| row.rule_digest.as_deref()))
        .some_texts("input_digest", rows.iter().map(|row| row.input_digest.as_deref()))
        .some_texts(
            "output_digest",
            rows.iter().map(|row| row.output_digest.as_deref()),
        )
        .some_texts("engine", rows.iter().map(|row| row.engine.as_deref()))
        .some_texts("buyer_plan", rows.iter().map(|row| row.buyer_plan.as_deref()))
        .some_numbers("period_start", rows.iter().map(|row| row.period_start))
        .some_numbers("period_quantity", rows.iter().map(|row| row.period_quantity))
        .some_numbers("period_lines", rows.iter().map(|row| row.period_lines))
        .some_numbers("fuel", rows.iter().map(|row| row.fuel))
        .numbers("cost", rows.iter().map(|row| row.cost))
        .numbers("price", rows.iter().map(|row| row.price))
        .texts("currency", rows.iter().map(|row| row.currency.as_str()))
        .json("line_items", rows.iter().map(|row| &row.line_items))
        .times("created_at", rows.iter().map(|row| row.created_at))
        .insert("ratings", "")
}

fn rating_of(settled: &Settled<'_>, batch: &UsageBatchId, edge: &EdgePrice, now: Timestamp) -> rating::Model {
    let receipt = edge.receipt.as_ref();
    rating::Model {
        id: RatingId::new(),
        event_id: settled.event.clone(),
        batch_id: batch.clone(),
        reverses_id: None,
        edge: edge.edge,
        seller_account_id: edge.seller.clone(),
        buyer_account_id: edge.buyer.clone(),
        rule_version_id: receipt.map(|receipt| receipt.rule_version_id.clone()),
        rule_digest: receipt.map(|receipt| receipt.rule_digest.clone()),
        input_digest: receipt.map(|receipt| receipt.input_digest.clone()),
        output_digest: receipt.map(|receipt| receipt.output_digest.clone()),
        engine: receipt.map(|receipt| receipt.engine.to_owned()),
        buyer_plan: receipt.map(|receipt| receipt.buyer_plan.clone()),
        period_start: receipt.map(|receipt| receipt.period.start),
        period_quantity: receipt.map(|receipt| receipt.period.quantity),
        period_lines: receipt.map(|receipt| receipt.period.lines),
        fuel: receipt.map(|receipt| receipt.fuel),
        cost: edge.cost,
        price: edge.price,
        currency: edge.currency.clone(),
        line_items: edge.line_items.clone(),
        created_at: now,
        counted_at: settled.counted_at,
    }
}
