//! Rating what was recorded without a price, with the rules that are live now.

use canopy_entity::UsageBatchId;
use canopy_entity::posting::PostingKind;
use canopy_entity::time;
use canopy_entity::usage_event::{self, RatingStatus};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::commit::line;
use super::periods;
use super::ratings::{self, Later};
use super::sums::Sums;
use super::write::{charged, dues, lock_ledger};
use crate::domain::Faults;
use crate::events::{UsageUpdateKind, outbox};
use crate::pricing::{EdgePrice, Facts, Line, Outcome, Totals};
use crate::statement::{list, statement};
use crate::{Domain, Error, Result, alerts, transaction};

const WAITING: &str = "
SELECT * FROM usage_events WHERE rating_status = 'PENDING' ORDER BY rating_attempts, id LIMIT $1
";

const TRIED_IN_VAIN: &str = "
UPDATE usage_events SET rating_attempts = rating_attempts + 1 WHERE rating_status = 'PENDING' AND id IN [$1]
";

const RATED: &str = "
UPDATE usage_events SET rating_status = 'RATED', ratings = $2, rated_batch_id = $3
WHERE id = $1 AND rating_status = 'PENDING'
";

/// The event comes before the ledger, as in a correction of it: the two wait for each other and never in a circle.
const LOCK: &str = "SELECT rating_status FROM usage_events WHERE id = $1 [FOR NO KEY UPDATE]";

/// What became of a late rating.
enum Late {
    Rated,
    /// The prices no longer follow from the facts, another process was first, or the event was taken out: nothing to count.
    Overtaken,
    /// Somebody on the path cannot pay.
    Unpaid,
}

impl Domain {
    /// Tries the pending ratings again, at most `limit`, those first that were tried least often; answers how many
    /// were rated. For a worker. Any number of processes may do it at once.
    pub async fn rate_pending(&self, limit: u64) -> Result<u64> {
        let db = &self.0.db;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let waiting = statement(db.get_database_backend(), WAITING, [limit.into()]);
        let waiting = usage_event::Model::find_by_statement(waiting).all(db).await?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let facts = Facts::read(db, waiting.iter().map(|row| &row.path)).await?;
        let lines: Vec<Line<'_>> = waiting.iter().map(line).collect();
        let totals = Totals::read(db, &facts, &lines).await?.without(&lines);
        let outcomes = self.rate(&facts, &lines, totals).await?;

        let mut rated = 0;
        let mut in_vain = Vec::new();
        for (event, outcome) in waiting.iter().zip(outcomes) {
            match outcome {
                Outcome::Rated(edges) => match self.rate_late(event, &edges, &facts).await? {
                    Late::Rated => rated += 1,
                    Late::Unpaid => in_vain.push(&event.id),
                    Late::Overtaken => {}
                },
                // It was taken in, so a rule that now denies cannot refuse it any more.
                Outcome::Pending | Outcome::Denied { .. } | Outcome::Throttled => in_vain.push(&event.id),
            }
        }
        if !in_vain.is_empty() {
            let tried = statement(db.get_database_backend(), TRIED_IN_VAIN, [list(in_vain)]);
            db.execute_raw(tried).await?;
        }
        if rated > 0 {
            self.0.hub.written();
        }
        Ok(rated)
    }

    async fn rate_late(
        &self,
        event: &usage_event::Model,
        edges: &[EdgePrice],
        facts: &Facts,
    ) -> Result<Late> {
        let facts = &facts.of_path(&event.path);
        let faults = &self.0.faults;
        transaction::run(&self.0.writer, "rate-late", |txn| {
            transaction::work(async move { write_late(txn, faults, event, edges, facts).await })
        })
        .await
    }
}

async fn write_late(
    txn: &impl ConnectionTrait,
    faults: &Faults,
    event: &usage_event::Model,
    edges: &[EdgePrice],
    facts: &Facts,
) -> Result<Late> {
    if !facts.hold(txn).await? {
        return Ok(Late::Overtaken);
    }
    let lock = statement(txn.get_database_backend(), LOCK, [event.id.as_str().into()]);
    let locked = txn.query_one_raw(lock).await?;
    let locked = locked.ok_or_else(|| Error::internal("an event that is gone"))?;
    if locked.try_get::<RatingStatus>("", "rating_status")? != RatingStatus::Pending {
        return Ok(Late::Overtaken);
    }
    faults.check("usage.late.locked")?;
    let now = time::now();
    let mut books = lock_ledger(txn, std::iter::once(edges)).await?;
    let Ok(movements) = books.balances.settle(&dues(facts, edges)) else {
        return Ok(Late::Unpaid);
    };
    // What it is charged is news, and a closed period hears of none.
    let counts_at = event.counts_at();
    let counted_at = periods::counted_at(facts, &event.path, counts_at, now);
    let batch = UsageBatchId::new();
    let event = &usage_event::Model {
        rating_status: RatingStatus::Rated,
        ratings: Some(ratings::stored(edges, Some(Later { at: now, counted_at }))?),
        rated_batch_id: Some(batch.clone()),
        ..event.clone()
    };
    let values = [
        event.id.as_str().into(),
        event.ratings.as_deref().into(),
        batch.as_str().into(),
    ];
    let rated = statement(txn.get_database_backend(), RATED, values);
    if txn.execute_raw(rated).await?.rows_affected() == 0 {
        return Ok(Late::Overtaken);
    }
    ratings::index(txn, &batch, std::iter::once((&event.id, edges))).await?;
    faults.check("usage.rated")?;
    let movements = movements.into_iter().flatten();
    books
        .post_batch(txn, PostingKind::Usage, &batch, movements, now)
        .await?;
    faults.check("usage.posted")?;
    faults.check("usage.late.rated")?;
    let mut sums = Sums::default();
    sums.add_amount(facts, event, counted_at.unwrap_or(counts_at), charged(edges));
    let reached = sums.split(now).write(txn, facts, now).await?;
    alerts::announce(txn, reached).await?;
    outbox::write(txn, UsageUpdateKind::Rated, &batch, &[event], now).await?;
    faults.check("usage.late.announced")?;
    Ok(Late::Rated)
}
