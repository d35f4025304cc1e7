//! The month of usage of a forest: one event of each meter, account and day, and what they add up to. Pure.

use canopy_entity::usage_event::{self, RatingStatus};
use canopy_entity::{UsageBatchId, UsageEventId};
use chrono::{Duration, TimeZone, Utc};

use super::ids::id;
use super::tree::Planted;
use crate::Micros;
use crate::usage::{NewUsageEvent, Period, digest_of};

/// The days of the month.
pub const DAYS: u64 = 30;
const METERS: [&str; 3] = ["call_minutes", "messages", "tokens"];

/// June 2025.
pub(super) fn period() -> Period {
    let start = Utc
        .with_ymd_and_hms(2025, 6, 1, 0, 0, 0)
        .single()
        .expect("an instant of UTC is one instant");
    Period {
        start,
        end: start + Duration::days(DAYS as i64),
    }
}

/// The events of one account, in the order of their ids, which is that of time.
pub(super) fn events(account: &Planted) -> Vec<usage_event::Model> {
    let days = (0..DAYS).flat_map(|day| METERS.into_iter().zip(0_u64..).map(move |of| (day, of)));
    days.map(|(day, (meter, place))| event(account, day, meter, place))
        .collect()
}

fn event(account: &Planted, day: u64, meter: &str, place: u64) -> usage_event::Model {
    let number = account.number;
    // Hundredths of a unit.
    let hundredths = (number * 3_100 + day * 1_703 + place * 10_109) % 500_000 + 1;
    let occurred_at = period().start + Duration::hours((day * 24 + 8 + number % 10) as i64);
    let quantity = Micros::new(hundredths as i64 * 10_000).expect("within the bound");
    let told = NewUsageEvent {
        account_id: None,
        idempotency_key: format!("{meter}-{}", occurred_at.format("%Y-%m-%d")),
        meter: meter.to_owned(),
        quantity,
        occurred_at: Some(occurred_at),
        attributes: serde_json::json!({}),
    };
    let attributes = told.attributes.to_string();
    let in_order = (number * DAYS + day) * METERS.len() as u64 + place;
    usage_event::Model {
        id: id(UsageEventId::PREFIX, in_order),
        account_id: account.row.id.clone(),
        path: account.row.path.clone(),
        payload_digest: digest_of(&told, &attributes),
        batch_id: id(UsageBatchId::PREFIX, in_order),
        place: 0,
        idempotency_key: told.idempotency_key,
        meter: told.meter,
        quantity: quantity.get(),
        occurred_at,
        recorded_at: occurred_at,
        attributes,
        rating_status: RatingStatus::Pending,
        rating_attempts: 0,
        ratings: None,
        rated_batch_id: None,
        correction: None,
        corrects_id: None,
        reason: None,
        corrected_by: None,
        counted_at: None,
        adjusts: None,
    }
}

#[cfg(test)]
mod tests {
    use canopy_entity::RuleVersionId;

    use super::*;
    use crate::forest::ForestSize;
    use crate::forest::tree::Trees;

    #[test]
    fn each_account_has_an_event_of_each_meter_and_day_in_order() {
        let trees = Trees::new(ForestSize { trees: 1 }, RuleVersionId::new());
        let events = events(&trees.accounts[7]);
        assert_eq!(events.len(), 90);
        assert!(events.is_sorted_by_key(|event| event.id.clone()));
    }
}
