//! Writing down that thresholds were crossed, each once in a period, with its news.

use canopy_entity::usage_alert_crossing;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, TryInsertResult,
};
use serde_json::json;

use super::Reached;
use crate::events::alert_news;
use crate::plans::Aggregation;
use crate::usage::ValuesOf;
use crate::webhooks::{self, Event, EventType};
use crate::{Error, Micros, Result};

/// Writes those that were not crossed before in their period. The database decides: a sum that falls and rises again, and
/// a transaction that is run again, tell nothing twice.
pub(crate) async fn write(txn: &impl ConnectionTrait, reached: Vec<Reached>) -> Result<()> {
    for reached in reached {
        let path = reached.path.clone();
        let Some(crossing) = by_values(txn, reached).await? else {
            continue;
        };
        let once = [
            usage_alert_crossing::Column::AlertId,
            usage_alert_crossing::Column::Revision,
            usage_alert_crossing::Column::PeriodStart,
        ];
        let inserted = usage_alert_crossing::Entity::insert(crossing.clone().into_active_model())
            .on_conflict_do_nothing_on(once)
            .exec_without_returning(txn)
            .await?;
        if matches!(inserted, TryInsertResult::Inserted(1..)) {
            alert_news::write(txn, &path, &crossing).await?;
            let event = Event {
                kind: EventType::UsageAlertCrossed,
                path: &path,
                subject: crossing.id.as_str(),
                at: crossing.crossed_at,
                data: told(&crossing)?,
            };
            webhooks::enqueue(txn, &event).await?;
        }
    }
    Ok(())
}

/// The crossing as the values of the meter have it, where sums are not enough. None if they have not reached the threshold, or
/// if it is known already: values are counted until a threshold is crossed, and not afterwards.
async fn by_values(
    txn: &impl ConnectionTrait,
    reached: Reached,
) -> Result<Option<usage_alert_crossing::Model>> {
    let mut crossing = reached.crossing;
    if matches!(reached.aggregation, Aggregation::Sum | Aggregation::Count) {
        return Ok(Some(crossing));
    }
    let known = usage_alert_crossing::Entity::find()
        .filter(usage_alert_crossing::Column::AlertId.eq(crossing.alert_id.clone()))
        .filter(usage_alert_crossing::Column::Revision.eq(crossing.revision))
        .filter(usage_alert_crossing::Column::PeriodStart.eq(crossing.period_start))
        .count(txn)
        .await?;
    if known > 0 {
        return Ok(None);
    }
    crossing.quantity = ValuesOf {
        account: &crossing.account_id,
        granularity: crossing.period.granularity(),
        start: crossing.period_start,
        meter: &crossing.meter,
        include_descendants: crossing.include_descendants,
    }
    .told(txn, reached.aggregation)
    .await?;
    let is_reached = crossing
        .threshold_quantity
        .is_none_or(|threshold| crossing.quantity >= threshold);
    Ok(is_reached.then_some(crossing))
}

/// A crossing as endpoints are told it: numbers are texts, as in GraphQL.
fn told(crossing: &usage_alert_crossing::Model) -> Result<serde_json::Value> {
    let decimal = |micros: i64| {
        let exact = Micros::new(micros).map_err(Error::internal)?;
        Ok::<_, Error>(exact.to_string())
    };
    Ok(json!({
        "id": crossing.id,
        "alertId": crossing.alert_id,
        "accountId": crossing.account_id,
        "name": crossing.name,
        "meter": crossing.meter,
        "period": crossing.period,
        "periodStart": crossing.period_start,
        "includeDescendants": crossing.include_descendants,
        "thresholdQuantity": crossing.threshold_quantity.map(decimal).transpose()?,
        "thresholdAmount": crossing.threshold_amount.map(decimal).transpose()?,
        "quantity": decimal(crossing.quantity)?,
        "amount": decimal(crossing.amount)?,
        "currency": crossing.currency,
        "crossedAt": crossing.crossed_at,
    }))
}
