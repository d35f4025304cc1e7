//! The one transaction of a batch: all that its events cause, or nothing.

use std::collections::{HashMap, HashSet};

use canopy_entity::posting::PostingKind;
use canopy_entity::time::{self, Timestamp};
use canopy_entity::usage_event::{self, RatingStatus};
use canopy_entity::{AccountId, AccountPath, RatingId, UsageEventId, rating};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, TryInsertResult};

use super::record::read_known;
use super::sums::Sums;
use crate::domain::Faults;
use crate::events::{UsageUpdateKind, outbox};
use crate::ledger::{Books, Due, Movement, Source};
use crate::pricing::{EdgePrice, Facts};
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
const ROWS: usize = 500;

const UNCLAIM: &str = "DELETE FROM usage_events WHERE id IN [$1]";

/// An event that may be recorded, with its prices; none if they are pending.
pub(super) struct Ready {
    /// Place in the batch.
    pub(super) index: usize,
    pub(super) row: usage_event::Model,
    pub(super) edges: Option<Vec<EdgePrice>>,
}

/// What became of an event in the transaction.
pub(super) enum Fate {
    Recorded(usage_event::Model),
    /// Another batch recorded the key first.
    Known(usage_event::Model),
    /// The credits of `buyer` do not suffice.
    Unpaid {
        buyer: AccountId,
    },
}

/// An event of which the price was paid: its edges, and what moves for each.
pub(super) struct Settled<'a> {
    pub(super) event: &'a UsageEventId,
    pub(super) edges: &'a [EdgePrice],
    pub(super) movements: Vec<Vec<Movement>>,
}

/// Records what is `ready`; answers the fate of each, in order. None, and nothing written, if the prices no longer
/// follow from the facts, which were read for `paths`.
pub(super) async fn batch(
    txn: &impl ConnectionTrait,
    faults: &Faults,
    paths: &[AccountPath],
    facts: &Facts,
    ready: &[Ready],
) -> Result<Option<Vec<Fate>>> {
    if Facts::read_locked(txn, paths).await? != *facts {
        return Ok(None);
    }
    faults.check("usage.locked")?;
    // After the lock, so that the time agrees with those of activations, whichever side of them this is on.
    let now = time::now();
    let rows: Vec<usage_event::Model> = ready.iter().map(|ready| to_record(ready, now)).collect();
    let claimed = claim(txn, &rows).await?;
    faults.check("usage.claimed")?;
    let raced: Vec<&usage_event::Model> = rows.iter().filter(|row| !claimed.contains(&row.id)).collect();
    let known = known_by_key(txn, &raced).await?;

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
    rate_and_post(txn, faults, &mut books, settled, now).await?;

    let recorded = || claimed_edges().filter(|(row, _)| !unpaid.contains_key(&row.id));
    let mut sums = Sums::default();
    for (row, edges) in recorded() {
        sums.add(row, charged(edges.unwrap_or_default()));
    }
    sums.write(txn).await?;
    faults.check("usage.summed")?;
    let news: Vec<usage_event::Model> = recorded().map(|(row, _)| row.clone()).collect();
    outbox::write(txn, UsageUpdateKind::Recorded, &news, now).await?;
    faults.check("usage.announced")?;

    let fates = rows.iter().map(|row| match unpaid.get(&row.id) {
        Some(buyer) => Ok(Fate::Unpaid { buyer: buyer.clone() }),
        None if claimed.contains(&row.id) => Ok(Fate::Recorded(row.clone())),
        None => known
            .get(&(row.account_id.clone(), row.idempotency_key.clone()))
            .map(|row| Fate::Known(row.clone()))
            .ok_or_else(|| Error::internal("a key is taken and its event is missing")),
    });
    fates.collect::<Result<_>>().map(Some)
}

/// The row as it is written: the id is made as late as possible, so that events are in the order of their ids.
fn to_record(ready: &Ready, now: Timestamp) -> usage_event::Model {
    usage_event::Model {
        id: UsageEventId::new(),
        recorded_at: now,
        rating_status: match ready.edges {
            Some(_) => RatingStatus::Rated,
            None => RatingStatus::Pending,
        },
        ..ready.row.clone()
    }
}

/// Inserts the events whose keys are free; answers which. Keys are claimed in their order, so that two batches with
/// the same keys wait for each other and never in a circle.
async fn claim(txn: &impl ConnectionTrait, rows: &[usage_event::Model]) -> Result<HashSet<UsageEventId>> {
    let mut in_order: Vec<&usage_event::Model> = rows.iter().collect();
    in_order.sort_by_key(|row| (&row.account_id, &row.idempotency_key));
    let mut claimed = HashSet::with_capacity(rows.len());
    for chunk in in_order.chunks(ROWS) {
        let rows = chunk.iter().map(|row| (*row).clone().into_active_model());
        let inserted = usage_event::Entity::insert_many(rows)
            .on_conflict_do_nothing_on([
                usage_event::Column::AccountId,
                usage_event::Column::IdempotencyKey,
            ])
            .exec_with_returning_keys(txn)
            .await?;
        if let TryInsertResult::Inserted(ids) = inserted {
            claimed.extend(ids);
        }
    }
    Ok(claimed)
}

async fn known_by_key(
    txn: &impl ConnectionTrait,
    rows: &[&usage_event::Model],
) -> Result<HashMap<(AccountId, String), usage_event::Model>> {
    let known = read_known(txn, rows).await?;
    Ok(known
        .into_iter()
        .map(|row| ((row.account_id.clone(), row.idempotency_key.clone()), row))
        .collect())
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
    settled: Vec<Settled<'_>>,
    now: Timestamp,
) -> Result<()> {
    let mut ratings = Vec::new();
    let mut postings = Vec::new();
    for Settled {
        event,
        edges,
        movements,
    } in settled
    {
        for (edge, movements) in edges.iter().zip(movements) {
            let row = rating_of(event, edge, now);
            postings.extend(
                movements
                    .into_iter()
                    .map(|movement| (Some(row.id.clone()), movement)),
            );
            ratings.push(row.into_active_model());
        }
    }
    for chunk in ratings.chunks(ROWS) {
        rating::Entity::insert_many(chunk.iter().cloned())
            .exec_without_returning(txn)
            .await?;
    }
    faults.check("usage.rated")?;
    books.post(txn, PostingKind::Usage, &postings, now).await?;
    faults.check("usage.posted")
}

fn rating_of(event: &UsageEventId, edge: &EdgePrice, now: Timestamp) -> rating::Model {
    let receipt = edge.receipt.as_ref();
    rating::Model {
        id: RatingId::new(),
        event_id: event.clone(),
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
    }
}
