//! The transactions of a hold: making one, and settling it. Each writes all of it or nothing.
//!
//! The row of a hold is locked before the ledger, so that of two that end it each waits for the other, and never in a circle;
//! the later one finds it ended.

use canopy_entity::posting::PostingKind;
use canopy_entity::time::{self, Timestamp};
use canopy_entity::usage_hold::{self, HoldStatus};
use canopy_entity::{AccountId, UsageBatchId, UsageHoldId, usage_event, usage_hold_edge};
use sea_orm::{ActiveEnum, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, Value};

use super::check;
use crate::domain::Faults;
use crate::events::{UsageUpdateKind, outbox};
use crate::ledger::{Books, Held, Movement};
use crate::pricing::{EdgePrice, Facts};
use crate::statement::statement;
use crate::transaction::{LostRace, breaks_uniqueness};
use crate::usage::write::{Additions, dues, lock_ledger};
use crate::usage::{periods, ratings, record};
use crate::{Error, Result};

/// The steps of holding and of settling at which a test may break off, each from before anything is written to after the
/// commit and before the answer.
pub const HOLD_FAULT_POINTS: &[&str] = &[
    "hold.priced",
    "hold.locked",
    "hold.written",
    "hold.posted",
    "hold.committed",
    "hold.settle.priced",
    "hold.settle.locked",
    "hold.settle.recorded",
    "hold.settle.released",
    "usage.posted",
    "hold.settle.summed",
    "hold.settle.announced",
    "hold.settle.committed",
    "hold.end.locked",
    "hold.end.released",
    "hold.end.committed",
];

const TAKEN: &str = "SELECT id FROM usage_holds WHERE account_id = $1 AND idempotency_key = $2";

const LOCK: &str = "SELECT * FROM usage_holds WHERE id = $1 [FOR UPDATE]";

const END: &str =
    "UPDATE usage_holds SET status = $2, ended_at = $3, event_id = $4 WHERE id = $1 AND status = 'HELD'";

/// A hold that may be made, with its prices.
pub(super) struct Ready {
    pub(super) hold: usage_hold::Model,
    pub(super) facts: Facts,
    pub(super) edges: Vec<EdgePrice>,
}

/// A part of a hold that may be charged, with its prices.
pub(super) struct ToSettle {
    pub(super) hold: usage_hold::Model,
    /// The edges of the hold, from the top down.
    pub(super) held: Vec<Held>,
    pub(super) event: usage_event::Model,
    pub(super) facts: Facts,
    /// What each costs now; no more than is held.
    pub(super) edges: Vec<EdgePrice>,
}

/// Makes the hold. False, and nothing written, if the prices no longer follow from the facts, or if the key was taken.
pub(super) async fn hold(txn: &impl ConnectionTrait, faults: &Faults, ready: &Ready) -> Result<bool> {
    let Ready { hold, facts, edges } = ready;
    if !facts.hold(txn).await? {
        return Ok(false);
    }
    let key = [
        hold.account_id.as_str().into(),
        hold.idempotency_key.as_str().into(),
    ];
    let taken = statement(txn.get_database_backend(), TAKEN, key);
    if txn.query_one_raw(taken).await?.is_some() {
        return Ok(false);
    }
    faults.check("hold.locked")?;
    let inserted = usage_hold::Entity::insert(hold.clone().into_active_model())
        .exec_without_returning(txn)
        .await;
    match inserted {
        Ok(_) => {}
        Err(error) if breaks_uniqueness(&error) => return Err(Error::internal(LostRace)),
        Err(error) => return Err(error.into()),
    }
    let mut books = lock_ledger(txn, std::iter::once(edges.as_slice())).await?;
    let paid = books.balances.settle(&dues(facts, edges));
    let paid = paid.map_err(|short| record::unpaid(short.buyer == hold.account_id))?;
    let held: Vec<Held> = edges
        .iter()
        .zip(&paid)
        .map(|(edge, movements)| Held::of(&edge.seller, &edge.buyer, edge.currency, movements))
        .collect();
    let rows = edges
        .iter()
        .zip(&held)
        .map(|(edge, held)| row(&hold.id, edge, held));
    let rows = rows.collect::<Result<Vec<_>>>()?.into_iter();
    let rows: Vec<_> = rows.map(IntoActiveModel::into_active_model).collect();
    if !rows.is_empty() {
        usage_hold_edge::Entity::insert_many(rows)
            .exec_without_returning(txn)
            .await?;
    }
    faults.check("hold.written")?;
    let movements: Vec<Movement> = held.iter().flat_map(Held::hold).collect();
    books
        .post_hold(txn, PostingKind::Hold, &hold.id, &movements, time::now())
        .await?;
    faults.check("hold.posted")?;
    Ok(true)
}

fn row(hold: &UsageHoldId, edge: &EdgePrice, held: &Held) -> Result<usage_hold_edge::Model> {
    let receipt = edge.receipt.as_ref();
    let period = receipt.map(|receipt| receipt.period).unwrap_or_default();
    Ok(usage_hold_edge::Model {
        hold_id: hold.clone(),
        edge: edge.edge,
        seller_account_id: edge.seller.clone(),
        buyer_account_id: edge.buyer.clone(),
        rule_version_id: receipt.map(|receipt| receipt.rule_version_id.clone()),
        buyer_plan: receipt.and_then(|receipt| receipt.buyer_plan.clone()),
        period_quantity: period.quantity,
        period_lines: period.lines,
        cost: edge.cost,
        price: edge.price,
        purchased: held.purchased,
        pool: held.pool,
    })
}

/// Settles the hold; answers the event. None, and nothing written, if the facts have changed, or if the hold has ended.
pub(super) async fn settle(
    txn: &impl ConnectionTrait,
    faults: &Faults,
    ready: &ToSettle,
) -> Result<Option<usage_event::Model>> {
    let ToSettle {
        hold,
        held,
        facts,
        edges,
        ..
    } = ready;
    if !facts.hold(txn).await? {
        return Ok(None);
    }
    let locked = lock(txn, &hold.id).await?;
    // After the lock, which may have been waited for.
    let now = time::now();
    if locked.status_at(now) != HoldStatus::Held {
        return Ok(None);
    }
    faults.check("hold.settle.locked")?;
    let batch = UsageBatchId::new();
    let event = usage_event::Model {
        batch_id: batch.clone(),
        recorded_at: now,
        ratings: Some(ratings::stored(edges, None)?),
        ..periods::placed_again(facts, &ready.event, now)
    };
    insert(txn, &event).await?;
    ratings::index(txn, &batch, std::iter::once((&event.id, edges.as_slice()))).await?;
    faults.check("hold.settle.recorded")?;

    let mut books = release(txn, &hold.id, held, now).await?;
    faults.check("hold.settle.released")?;
    let paid = edges
        .iter()
        .zip(held)
        .flat_map(|(edge, held)| held.pay(edge.price));
    books
        .post_batch(txn, PostingKind::Usage, &batch, paid, now)
        .await?;
    faults.check("usage.posted")?;

    let recorded = || std::iter::once((&event, Some(edges.as_slice())));
    Additions::of(facts, recorded, now).write(txn, facts, now).await?;
    end(txn, &hold.id, HoldStatus::Settled, Some(&event), now).await?;
    faults.check("hold.settle.summed")?;
    outbox::write(txn, UsageUpdateKind::Recorded, &batch, &[&event], now).await?;
    faults.check("hold.settle.announced")?;
    Ok(Some(event))
}

/// The hold as it is; whoever else would end it waits.
pub(super) async fn lock(txn: &impl ConnectionTrait, id: &UsageHoldId) -> Result<usage_hold::Model> {
    let lock = statement(txn.get_database_backend(), LOCK, [id.as_str().into()]);
    let row = usage_hold::Model::find_by_statement(lock).one(txn).await?;
    row.ok_or_else(|| Error::internal("a hold that is gone"))
}

/// Gives back all that is held; answers the ledger of all on the chain, locked.
pub(super) async fn release(
    txn: &impl ConnectionTrait,
    id: &UsageHoldId,
    held: &[Held],
    now: Timestamp,
) -> Result<Books> {
    let costs = held.iter().filter(|held| held.price > 0);
    let accounts: Vec<&AccountId> = costs.flat_map(|held| [&held.seller, &held.buyer]).collect();
    if accounts.is_empty() {
        return Ok(Books::default());
    }
    let mut books = Books::lock(txn, accounts).await?;
    let movements: Vec<Movement> = held.iter().flat_map(Held::release).collect();
    books
        .post_hold(txn, PostingKind::Release, id, &movements, now)
        .await?;
    Ok(books)
}

/// Writes how a hold ended.
pub(super) async fn end(
    txn: &impl ConnectionTrait,
    id: &UsageHoldId,
    status: HoldStatus,
    event: Option<&usage_event::Model>,
    now: Timestamp,
) -> Result<()> {
    let event: Value = event.map(|event| event.id.to_string()).into();
    let values = [id.as_str().into(), status.to_value().into(), now.into(), event];
    let ended = txn
        .execute_raw(statement(txn.get_database_backend(), END, values))
        .await?;
    match ended.rows_affected() {
        1 => Ok(()),
        _ => Err(Error::internal("a hold ends once")),
    }
}

async fn insert(txn: &impl ConnectionTrait, event: &usage_event::Model) -> Result<()> {
    let inserted = usage_event::Entity::insert(event.clone().into_active_model())
        .exec_without_returning(txn)
        .await;
    match inserted {
        Ok(_) => Ok(()),
        // The hold is locked and open, so it is not its own.
        Err(error) if breaks_uniqueness(&error) => Err(check::over(
            "Another event of this account was recorded with the hold's id as its idempotency key.",
        )),
        Err(error) => Err(error.into()),
    }
}
