//! Writing ratings: what each seller of a chain charges for events, with its receipt.

use canopy_entity::time::Timestamp;
use canopy_entity::{RatingId, UsageBatchId, UsageEventId};
use sea_orm::ConnectionTrait;

use crate::Result;
use crate::pricing::{EdgePrice, Receipt};
use crate::rows::Rows;

/// An event that has its prices.
pub(super) struct Priced<'a> {
    pub(super) event: &'a UsageEventId,
    pub(super) edges: &'a [EdgePrice],
    /// When the prices count, if the period is closed in which the event counts that has been there before.
    pub(super) counted_at: Option<Timestamp>,
}

/// Writes the ratings of what is `priced`, all by `batch`.
pub(super) async fn insert(
    txn: &impl ConnectionTrait,
    batch: &UsageBatchId,
    priced: &[Priced<'_>],
    now: Timestamp,
) -> Result<()> {
    let rows = priced
        .iter()
        .flat_map(|priced| priced.edges.iter().map(move |edge| (priced, edge)));
    let rows: Vec<(&Priced<'_>, &EdgePrice)> = rows.collect();
    let ids: Vec<RatingId> = rows.iter().map(|_| RatingId::new()).collect();
    let edges = || rows.iter().map(|(_, edge)| *edge);
    let receipts = || edges().map(|edge| edge.receipt.as_ref());
    fn texts<'a>(
        receipts: impl Iterator<Item = Option<&'a Receipt>>,
        text: fn(&Receipt) -> &str,
    ) -> impl Iterator<Item = Option<&'a str>> {
        receipts.map(move |receipt| receipt.map(text))
    }
    let numbers = |number: fn(&Receipt) -> i64| receipts().map(move |receipt| receipt.map(number));
    let mut given = Rows::default();
    if rows.iter().any(|(priced, _)| priced.counted_at.is_some()) {
        given = given.some_times("counted_at", rows.iter().map(|(priced, _)| priced.counted_at));
    }
    given
        .texts("id", ids.iter().map(RatingId::as_str))
        .texts("event_id", rows.iter().map(|(priced, _)| priced.event.as_str()))
        .numbers("edge", edges().map(|edge| edge.edge.into()))
        .text("batch_id", batch.as_str())
        .texts("seller_account_id", edges().map(|edge| edge.seller.as_str()))
        .texts("buyer_account_id", edges().map(|edge| edge.buyer.as_str()))
        .some_texts(
            "rule_version_id",
            texts(receipts(), |receipt| receipt.rule_version_id.as_str()),
        )
        .some_texts("rule_digest", texts(receipts(), |receipt| &receipt.rule_digest))
        .some_texts("input_digest", texts(receipts(), |receipt| &receipt.input_digest))
        .some_texts(
            "output_digest",
            texts(receipts(), |receipt| &receipt.output_digest),
        )
        .some_texts("engine", texts(receipts(), |receipt| receipt.engine))
        .some_texts("buyer_plan", texts(receipts(), |receipt| &receipt.buyer_plan))
        .some_numbers("period_start", numbers(|receipt| receipt.period.start))
        .some_numbers("period_quantity", numbers(|receipt| receipt.period.quantity))
        .some_numbers("period_lines", numbers(|receipt| receipt.period.lines))
        .some_numbers("fuel", numbers(|receipt| receipt.fuel))
        .numbers("cost", edges().map(|edge| edge.cost))
        .numbers("price", edges().map(|edge| edge.price))
        .texts("currency", edges().map(|edge| edge.currency.as_str()))
        .json("line_items", edges().map(|edge| edge.line_items.as_str()))
        .time("created_at", now)
        .insert(txn, "ratings", "")
        .await?;
    Ok(())
}
