//! Giving back what was paid for a rating: to the wallets that it came from.
//!
//! What a batch moves between the same two accounts is one posting, so no row says which wallet paid for one rating of
//! many. It follows from the order: a buyer's ratings are paid in the order of their events, out of its purchased credits
//! while there are any, then out of its pool, and what is left is its parent's.

use canopy_entity::ledger_account::LedgerKind;
use canopy_entity::rating;
use sea_orm::ConnectionTrait;

use super::Movement;
use super::settle::{Currency, Slot};
use crate::statement::statement;
use crate::{Error, Result};

/// `$1` is the buyer, `$2` the batch, `$3` the event, `$4` the seller, who knows where the batch begins.
const PAID: &str = "
SELECT CAST((SELECT COALESCE(SUM(r.price), 0) FROM ratings r
             WHERE r.buyer_account_id = $1 AND r.batch_id = $2 AND r.reverses_id IS NULL AND r.event_id < $3
               AND r.event_id >= (SELECT b.first_event_id FROM rated_batches b
                                  WHERE b.rated_by = $4 AND b.batch_id = $2)) AS bigint) AS before,
       CAST((SELECT COALESCE(SUM(p.amount), 0) FROM postings p JOIN ledger_accounts l ON l.id = p.debit_id
             WHERE p.batch_id = $2 AND p.kind = 'USAGE' AND l.account_id = $1 AND l.kind = 'PURCHASED') AS bigint)
         AS purchased,
       CAST((SELECT COALESCE(SUM(p.amount), 0) FROM postings p JOIN ledger_accounts l ON l.id = p.debit_id
             WHERE p.batch_id = $2 AND p.kind = 'USAGE' AND l.account_id = $1 AND l.kind = 'POOL') AS bigint) AS pool
";

/// What moves back when `ratings` are taken back.
pub(crate) async fn refunds(db: &impl ConnectionTrait, ratings: &[rating::Model]) -> Result<Vec<Movement>> {
    let mut movements = Vec::new();
    for rating in ratings.iter().filter(|rating| rating.price > 0) {
        let values = [
            rating.buyer_account_id.as_str().into(),
            rating.batch_id.as_str().into(),
            rating.event_id.as_str().into(),
            rating.seller_account_id.as_str().into(),
        ];
        let row = db
            .query_one_raw(statement(db.get_database_backend(), PAID, values))
            .await?;
        let row = row.ok_or_else(|| Error::internal("a sum without a row"))?;
        let paid = Paid {
            before: row.try_get("", "before")?,
            purchased: row.try_get("", "purchased")?,
            pool: row.try_get("", "pool")?,
        };
        movements.extend(back(rating, paid));
    }
    Ok(movements)
}

/// What a buyer paid in a batch.
#[derive(Debug, Clone, Copy)]
struct Paid {
    /// For what was rated before the rating in question.
    before: i64,
    /// Out of its purchased credits, in all.
    purchased: i64,
    /// Out of its pool, in all.
    pool: i64,
}

/// The movements that undo what was paid for a rating.
fn back(rating: &rating::Model, paid: Paid) -> Vec<Movement> {
    let (start, end) = (paid.before, paid.before + rating.price);
    // The buyer's payments of the batch, laid end to end: of the purchased credits, of the pool, of the parent.
    let within = |from: i64, to: i64| (end.min(to) - start.max(from)).max(0);
    let purchased = within(0, paid.purchased);
    let pool = within(paid.purchased, paid.purchased + paid.pool);
    let parent = rating.price - purchased - pool;
    let slot = |account, kind| Slot::new(account, kind, Currency::of(&rating.currency));
    let revenue = slot(&rating.seller_account_id, LedgerKind::Revenue);
    let sides = [
        (slot(&rating.buyer_account_id, LedgerKind::Purchased), purchased),
        (slot(&rating.buyer_account_id, LedgerKind::Pool), pool),
        (slot(&rating.seller_account_id, LedgerKind::Receivable), parent),
    ];
    let sides = sides.into_iter().filter(|(_, amount)| *amount > 0);
    sides
        .map(|(credit, amount)| Movement::new(revenue.clone(), credit, amount))
        .collect()
}

#[cfg(test)]
mod tests {
    use canopy_entity::{AccountId, RatingId, UsageBatchId, UsageEventId, time};

    use super::*;

    fn rating(price: i64) -> rating::Model {
        let event = UsageEventId::new();
        rating::Model {
            id: RatingId::new(&event, 0),
            event_id: event,
            edge: 0,
            batch_id: UsageBatchId::new(),
            reverses_id: None,
            seller_account_id: AccountId::new(),
            buyer_account_id: AccountId::new(),
            rule_version_id: None,
            rule_digest: None,
            input_digest: None,
            output_digest: None,
            engine: None,
            buyer_plan: None,
            period_start: None,
            period_quantity: None,
            period_lines: None,
            fuel: None,
            cost: price,
            price,
            currency: "USD".to_owned(),
            line_items: serde_json::json!([]),
            created_at: time::now(),
            counted_at: None,
        }
    }

    #[test]
    fn each_wallet_gets_back_what_it_paid() {
        use LedgerKind::{Pool, Purchased, Receivable};
        // The buyer paid 10 of purchased credits and 5 of its pool; what came after was its parent's.
        for (before, price, expected) in [
            (0, 4, vec![(Purchased, 4)]),
            (8, 2, vec![(Purchased, 2)]),
            (8, 4, vec![(Purchased, 2), (Pool, 2)]),
            (8, 9, vec![(Purchased, 2), (Pool, 5), (Receivable, 2)]),
            (12, 3, vec![(Pool, 3)]),
            (14, 3, vec![(Pool, 1), (Receivable, 2)]),
            (15, 3, vec![(Receivable, 3)]),
        ] {
            let rating = rating(price);
            let paid = Paid {
                before,
                purchased: 10,
                pool: 5,
            };
            let moved = back(&rating, paid);
            assert!(
                moved
                    .iter()
                    .all(|movement| movement.debit.kind == LedgerKind::Revenue)
            );
            let sides: Vec<_> = moved
                .iter()
                .map(|movement| (movement.credit.kind, movement.amount))
                .collect();
            assert_eq!(sides, expected, "{price} behind {before}");
        }
    }
}
