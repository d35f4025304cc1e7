//! The one transaction of a correction: all that it causes, or nothing.

use canopy_entity::posting::PostingKind;
use canopy_entity::time::{self, Timestamp};
use canopy_entity::usage_event::{self, CorrectionPart, RatingStatus};
use canopy_entity::{AccountId, UsageBatchId, UsageEventId, rating};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};

use super::standing::Standing;
use super::{Correction, NewCorrection};
use crate::domain::Faults;
use crate::events::{UsageUpdateKind, outbox};
use crate::ledger::{Books, Movement};
use crate::pricing::{EdgePrice, Facts};
use crate::statement::statement;
use crate::transaction::{LostRace, breaks_uniqueness};
use crate::usage::sums::Sums;
use crate::usage::values::Values;
use crate::usage::write::{charged, dues};
use crate::usage::{periods, ratings, record};
use crate::{Actor, Error, Micros, Result, alerts, audit};

/// The steps of a correction at which a test may break off: the first before anything is written, the last after the commit
/// and before the answer.
pub const CORRECTION_FAULT_POINTS: &[&str] = &[
    "usage.correct.locked",
    "usage.correct.written",
    "usage.correct.refunded",
    "usage.posted",
    "usage.correct.summed",
    "usage.correct.announced",
    "usage.correct.committed",
];

/// The event itself is locked: a correction and a late rating of it come one after the other.
const LOCK: &str = "SELECT rating_status FROM usage_events WHERE id = $1 [FOR NO KEY UPDATE]";

const TAKEN: &str = "
SELECT id FROM usage_events WHERE corrects_id = $1 AND correction = 'REVERSAL'
UNION ALL SELECT id FROM usage_events WHERE account_id = $2 AND idempotency_key = $3
LIMIT 1
";

const VOIDED: &str =
    "UPDATE usage_events SET rating_status = 'VOIDED' WHERE id = $1 AND rating_status = 'PENDING'";

/// A correction that may be made.
pub(super) struct Ready<'a> {
    pub(super) standing: Standing,
    pub(super) wanted: &'a NewCorrection,
    /// Of what was asked.
    pub(super) digest: &'a str,
    /// What moves back.
    pub(super) refunds: Vec<Movement>,
    /// The quantity with which the event stands then, with its prices, none if they are pending; none if it is voided.
    pub(super) priced: Option<(Micros, Option<Vec<EdgePrice>>)>,
}

/// Makes the correction. None, and nothing written, if it is not so any more that it may be made: the prices no longer
/// follow from the facts, or something was corrected or rated meanwhile.
pub(super) async fn correction(
    txn: &impl ConnectionTrait,
    faults: &Faults,
    actor: &Actor,
    facts: &Facts,
    ready: &Ready<'_>,
) -> Result<Option<Correction>> {
    if !facts.hold(txn).await? || !holds(txn, ready).await? {
        return Ok(None);
    }
    faults.check("usage.correct.locked")?;
    let now = time::now();
    let batch = UsageBatchId::new();
    let (event, charged) = (&ready.standing.event, &ready.standing.ratings);
    let edges = ready.edges();
    let correction = ready.events(actor, facts, &batch, now)?;
    insert(txn, &correction).await?;
    if event.rating_status == RatingStatus::Pending {
        let voided = statement(txn.get_database_backend(), VOIDED, [event.id.as_str().into()]);
        txn.execute_raw(voided).await?;
    }
    let replacement = correction.replacement.iter().map(|event| (&event.id, edges));
    ratings::index(txn, &batch, replacement).await?;
    faults.check("usage.correct.written")?;

    let mut books = lock_books(txn, charged, edges).await?;
    books.take_back(&ready.refunds);
    let settled = books.balances.settle(&dues(facts, edges));
    let movements = settled.map_err(|short| record::unpaid(short.buyer == event.account_id))?;
    let refunds = ready.refunds.iter().cloned();
    books
        .post_batch(txn, PostingKind::Reversal, &batch, refunds, now)
        .await?;
    faults.check("usage.correct.refunded")?;
    let movements = movements.into_iter().flatten();
    books
        .post_batch(txn, PostingKind::Usage, &batch, movements, now)
        .await?;
    faults.check("usage.posted")?;

    add_up(txn, facts, ready, &correction, now).await?;
    faults.check("usage.correct.summed")?;
    let news = [&correction.reversal].into_iter().chain(&correction.replacement);
    let news: Vec<&usage_event::Model> = news.collect();
    outbox::write(txn, UsageUpdateKind::Corrected, &batch, &news, now).await?;
    audit::write(txn, actor, ready.entry(&correction)).await?;
    faults.check("usage.correct.announced")?;
    Ok(Some(correction))
}

/// Takes the event out of the sums and of the values that some meters need, and adds what stands for it then; tells of the
/// thresholds that are reached by that.
async fn add_up(
    txn: &impl ConnectionTrait,
    facts: &Facts,
    ready: &Ready<'_>,
    correction: &Correction,
    now: Timestamp,
) -> Result<()> {
    let (event, ratings) = (&ready.standing.event, &ready.standing.ratings);
    let mut sums = Sums::default();
    let was_charged = ratings.last().map_or(0, |rating| rating.price);
    sums.take_out(facts, &correction.reversal, was_charged);
    if let Some(replacement) = &correction.replacement {
        sums.add(facts, replacement, charged(ready.edges()));
    }
    let reached = sums.split(now).write(txn, facts, now).await?;
    // The values of a closed period stay as they are.
    if correction.reversal.counts_at() == event.counts_at() {
        Values::take_out(txn, event).await?;
    }
    Values::of(facts, correction.replacement.iter())
        .write(txn)
        .await?;
    alerts::announce(txn, reached).await
}

/// Locks the event. False if it was corrected or rated since it was read, or if the key was taken.
async fn holds(txn: &impl ConnectionTrait, ready: &Ready<'_>) -> Result<bool> {
    let backend = txn.get_database_backend();
    let event = &ready.standing.event;
    let lock = statement(backend, LOCK, [event.id.as_str().into()]);
    let row = txn.query_one_raw(lock).await?;
    let row = row.ok_or_else(|| Error::internal("an event that is gone"))?;
    if row.try_get::<RatingStatus>("", "rating_status")? != event.rating_status {
        return Ok(false);
    }
    let values = [
        event.id.as_str().into(),
        event.account_id.as_str().into(),
        ready.wanted.idempotency_key.as_str().into(),
    ];
    let taken = txn.query_one_raw(statement(backend, TAKEN, values)).await?;
    Ok(taken.is_none())
}

impl Ready<'_> {
    /// The prices of what stands for the event then; none if nothing does, or if they are pending.
    fn edges(&self) -> &[EdgePrice] {
        let priced = self.priced.as_ref();
        priced.and_then(|(_, edges)| edges.as_deref()).unwrap_or_default()
    }

    /// The events that the correction is made of. The one that is left carries the caller's key; if two are, the reversal
    /// has its own id for a key, which nobody can have taken.
    fn events(
        &self,
        actor: &Actor,
        facts: &Facts,
        batch: &UsageBatchId,
        now: Timestamp,
    ) -> Result<Correction> {
        let event = &periods::placed_again(facts, &self.standing.event, now);
        let part = |place, part, key: Option<&str>, quantity, ratings: Option<String>, without| {
            let id = UsageEventId::new();
            usage_event::Model {
                idempotency_key: key.unwrap_or(id.as_str()).to_owned(),
                id,
                batch_id: batch.clone(),
                place,
                payload_digest: self.digest.to_owned(),
                quantity,
                recorded_at: now,
                rating_status: match ratings {
                    Some(_) => RatingStatus::Rated,
                    None => without,
                },
                rating_attempts: 0,
                ratings,
                rated_batch_id: None,
                correction: Some(part),
                corrects_id: Some(event.id.clone()),
                reason: Some(self.wanted.reason.clone()),
                corrected_by: Some(actor.label()),
                ..event.clone()
            }
        };
        let key = self.wanted.idempotency_key.as_str();
        let reversed = match event.rating_status {
            RatingStatus::Rated => Some(ratings::reversed(&self.standing.ratings)?),
            // There is no price to take back.
            RatingStatus::Pending | RatingStatus::Voided => None,
        };
        let own_key = self.priced.is_none().then_some(key);
        let reversal = part(
            0,
            CorrectionPart::Reversal,
            own_key,
            -event.quantity,
            reversed,
            RatingStatus::Voided,
        );
        let replacement = match &self.priced {
            None => None,
            Some((quantity, edges)) => Some(part(
                1,
                CorrectionPart::Replacement,
                Some(key),
                quantity.get(),
                edges
                    .as_deref()
                    .map(|edges| ratings::stored(edges, None))
                    .transpose()?,
                RatingStatus::Pending,
            )),
        };
        Ok(Correction {
            reversal,
            replacement,
        })
    }

    fn entry<'a>(&'a self, correction: &'a Correction) -> audit::Entry<'a> {
        let event = &self.standing.event;
        let quantity = |event: &usage_event::Model| event.quantity;
        audit::Entry {
            account_id: &event.account_id,
            path: &event.path,
            action: "usage.correct",
            target: event.id.as_str(),
            detail: serde_json::json!({
                "meter": event.meter,
                "from": event.quantity,
                "to": correction.replacement.as_ref().map(quantity),
                "reason": self.wanted.reason,
            }),
        }
    }
}

impl Correction {
    /// The events that it is made of.
    fn parts(&self) -> impl Iterator<Item = &usage_event::Model> {
        std::iter::once(&self.reversal).chain(&self.replacement)
    }
}

/// Whoever has the same key, or corrects the same event, waits here; the later one begins again.
async fn insert(txn: &impl ConnectionTrait, correction: &Correction) -> Result<()> {
    let rows = correction.parts().cloned();
    let rows = rows.map(IntoActiveModel::into_active_model);
    let inserted = usage_event::Entity::insert_many(rows)
        .exec_without_returning(txn)
        .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if breaks_uniqueness(&error) => Err(Error::internal(LostRace)),
        Err(error) => Err(error.into()),
    }
}

/// Locks the ledger of all accounts that paid or will pay; none if there is nothing to pay.
async fn lock_books(
    txn: &impl ConnectionTrait,
    ratings: &[rating::Model],
    edges: &[EdgePrice],
) -> Result<Books> {
    let paid = ratings.iter().filter(|rating| rating.price != 0);
    let paid = paid.flat_map(|rating| [&rating.seller_account_id, &rating.buyer_account_id]);
    let to_pay = edges.iter().filter(|edge| edge.price != 0);
    let to_pay = to_pay.flat_map(|edge| [&edge.seller, &edge.buyer]);
    let accounts: Vec<&AccountId> = paid.chain(to_pay).collect();
    match accounts.is_empty() {
        true => Ok(Books::default()),
        false => Books::lock(txn, accounts).await,
    }
}
