//! The prices of events as they are kept: each in its event's row, and the batches that made them where sellers and rules
//! find them.

use std::collections::BTreeMap;

use canopy_entity::rating::{self, Stored, StoredEdge, StoredReceipt};
use canopy_entity::time::Timestamp;
use canopy_entity::{PlanId, UsageBatchId, UsageEventId, usage_event};
use sea_orm::{ConnectionTrait, DbBackend};

use crate::pricing::{EdgePrice, Receipt, StoredItems};
use crate::rows::Rows;
use crate::{Error, Result};

/// When prices are made, and when they count, that are later than their event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Later {
    pub(super) at: Timestamp,
    /// If the period is closed in which the event counts that has been there before.
    pub(super) counted_at: Option<Timestamp>,
}

/// The ratings in the row of an event, from the topmost edge down.
pub(crate) fn of(event: &usage_event::Model) -> Result<Vec<rating::Model>> {
    rating::of(event).map_err(Error::internal)
}

/// The events `e` that the batches `b` rated, with [`IN_BATCH`] as a condition: in the one order that costs what is found, and
/// not what was ever recorded.
pub(crate) fn events_of_batches(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "rated_batches b CROSS JOIN usage_events e",
        _ => {
            "rated_batches b CROSS JOIN LATERAL (
               SELECT e.* FROM usage_events e WHERE e.id >= b.first_event_id AND e.id <= b.last_event_id OFFSET 0) e"
        }
    }
}

/// That the batch `b` rated the event `e`.
pub(crate) const IN_BATCH: &str = "e.id >= b.first_event_id AND e.id <= b.last_event_id
  AND e.rating_status = 'RATED' AND coalesce(e.rated_batch_id, e.batch_id) = b.batch_id";

/// The prices of an event as its row keeps them.
pub(super) fn stored(edges: &[EdgePrice], later: Option<Later>) -> Result<String> {
    let stored = edges.iter().map(|edge| StoredEdge {
        cost: edge.cost,
        price: edge.price,
        receipt: edge.receipt.as_ref().map(receipt),
        items: edge.line_items.as_ref().map(StoredItems::json),
    });
    let stored = Stored {
        currency: edges.first().map_or("", |edge| edge.currency.as_str()),
        at: later.map(|later| later.at),
        counted_at: later.and_then(|later| later.counted_at),
        edges: stored.collect(),
    };
    serde_json::to_string(&stored).map_err(Error::internal)
}

/// The prices that take `ratings` back. No rule was asked for them.
pub(super) fn reversed(ratings: &[rating::Model]) -> Result<String> {
    let edges = ratings.iter().map(|rating| StoredEdge {
        cost: -rating.cost,
        price: -rating.price,
        receipt: None,
        items: None,
    });
    let stored = Stored {
        currency: ratings.first().map_or("", |rating| rating.currency.as_str()),
        at: None,
        counted_at: None,
        edges: edges.collect(),
    };
    serde_json::to_string(&stored).map_err(Error::internal)
}

fn receipt(receipt: &Receipt) -> StoredReceipt<'_> {
    StoredReceipt {
        rule: receipt.rule_version_id.as_str(),
        digest: &receipt.rule_digest,
        input: receipt.input_digest.as_str(),
        output: receipt.output_digest.as_str(),
        engine: receipt.engine,
        plan: receipt.buyer_plan.as_ref().map_or("", PlanId::as_str),
        period: (
            receipt.period.start,
            receipt.period.quantity,
            receipt.period.lines,
        ),
        fuel: receipt.fuel,
    }
}

/// Writes where the sellers and the rules of `rated` find what `batch` made: events with their prices, in the order of their
/// ids.
pub(super) async fn index<'a>(
    txn: &impl ConnectionTrait,
    batch: &UsageBatchId,
    rated: impl Iterator<Item = (&'a UsageEventId, &'a [EdgePrice])>,
) -> Result<()> {
    let mut spans: BTreeMap<&str, (&UsageEventId, &UsageEventId)> = BTreeMap::new();
    for (event, edges) in rated {
        for edge in edges {
            let rule = edge
                .receipt
                .as_ref()
                .map(|receipt| receipt.rule_version_id.as_str());
            for rated_by in [edge.seller.as_str()].into_iter().chain(rule) {
                spans.entry(rated_by).or_insert((event, event)).1 = event;
            }
        }
    }
    Rows::default()
        .texts("rated_by", spans.keys().copied())
        .text("batch_id", batch.as_str())
        .texts("first_event_id", spans.values().map(|(first, _)| first.as_str()))
        .texts("last_event_id", spans.values().map(|(_, last)| last.as_str()))
        .insert(txn, "rated_batches", "")
        .await?;
    Ok(())
}
