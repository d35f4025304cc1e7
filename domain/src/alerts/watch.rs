//! Which thresholds a sum of usage crosses. Pure.

use std::collections::HashMap;

use canopy_entity::time::Timestamp;
use canopy_entity::{AccountPath, UsageAlertCrossingId, usage_aggregate, usage_alert, usage_alert_crossing};

use crate::Micros;
use crate::plans::Aggregation;
use crate::pricing::Facts;
use crate::usage::Bucket;

/// A threshold that was reached, where the account stands, and how.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    pub(crate) path: AccountPath,
    /// How the account's plan has the meter added up. Where sums are not enough for that, the threshold may have been reached,
    /// and the values of the meter say whether it was and what the quantity is.
    pub(crate) aggregation: Aggregation,
    pub(crate) crossing: usage_alert_crossing::Model,
}

impl Reached {
    /// That `sums` have reached the threshold of `alert`, if they have.
    pub(super) fn by(
        facts: &Facts,
        alert: &usage_alert::Model,
        sums: &usage_aggregate::Model,
        at: Timestamp,
    ) -> Option<Self> {
        match is_reached(alert, aggregation(facts, alert), sums) {
            Some(false) => None,
            Some(true) | None => Self::new(facts, alert, sums, at),
        }
    }

    fn new(
        facts: &Facts,
        alert: &usage_alert::Model,
        sums: &usage_aggregate::Model,
        at: Timestamp,
    ) -> Option<Self> {
        let aggregation = aggregation(facts, alert);
        let (quantity, amount) = counted(alert, aggregation, sums);
        Some(Self {
            path: facts.accounts.get(&alert.account_id)?.path.clone(),
            aggregation,
            crossing: usage_alert_crossing::Model {
                id: UsageAlertCrossingId::new(),
                alert_id: alert.id.clone(),
                revision: alert.revision,
                name: alert.name.clone(),
                account_id: alert.account_id.clone(),
                meter: alert.meter.clone(),
                period: alert.period,
                period_start: sums.bucket_start,
                include_descendants: alert.include_descendants,
                threshold_quantity: alert.quantity,
                threshold_amount: alert.amount,
                quantity: quantity.unwrap_or_default(),
                amount,
                currency: alert.currency.clone(),
                crossed_at: at,
            },
        })
    }
}

/// How the plan of its account has the meter of an alert added up.
fn aggregation(facts: &Facts, alert: &usage_alert::Model) -> Aggregation {
    let account = facts.accounts.get(&alert.account_id);
    let meter = account.and_then(|account| account.meters.get(&alert.meter));
    meter.map(|meter| meter.aggregation).unwrap_or_default()
}

/// Quantity and amount that count for an alert, as `usage` tells them. No quantity if sums do not say it.
fn counted(
    alert: &usage_alert::Model,
    aggregation: Aggregation,
    sums: &usage_aggregate::Model,
) -> (Option<i64>, i64) {
    let (quantity, events, amount) = match alert.include_descendants {
        true => (sums.tree_quantity, sums.tree_events, sums.tree_amount),
        false => (sums.quantity, sums.events, sums.amount),
    };
    let quantity = match aggregation {
        Aggregation::Sum => Some(quantity),
        Aggregation::Count => Some(events.saturating_mul(Micros::UNIT)),
        Aggregation::Max | Aggregation::Unique => None,
    };
    (quantity, amount)
}

/// Whether sums are at the threshold or above; none if they do not say it.
fn is_reached(
    alert: &usage_alert::Model,
    aggregation: Aggregation,
    sums: &usage_aggregate::Model,
) -> Option<bool> {
    let (quantity, amount) = counted(alert, aggregation, sums);
    match alert.quantity {
        Some(threshold) => Some(quantity? >= threshold),
        None => Some(alert.amount.is_some_and(|threshold| amount >= threshold)),
    }
}

/// Whether sums reach the threshold by what is added to them, and had not before; or may have, if they do not say it.
fn is_crossed(
    alert: &usage_alert::Model,
    aggregation: Aggregation,
    sums: &usage_aggregate::Model,
    added: &usage_aggregate::Model,
) -> bool {
    let before = usage_aggregate::Model {
        quantity: sums.quantity - added.quantity,
        events: sums.events - added.events,
        amount: sums.amount - added.amount,
        tree_quantity: sums.tree_quantity - added.tree_quantity,
        tree_events: sums.tree_events - added.tree_events,
        tree_amount: sums.tree_amount - added.tree_amount,
        ..sums.clone()
    };
    match is_reached(alert, aggregation, sums) {
        Some(reached) => reached && is_reached(alert, aggregation, &before) == Some(false),
        // A price that comes later changes no value.
        None if alert.include_descendants => (added.tree_quantity, added.tree_events) != (0, 0),
        None => (added.quantity, added.events) != (0, 0),
    }
}

fn bucket(sums: &usage_aggregate::Model) -> Bucket<'_> {
    (&sums.account_id, sums.granularity, sums.bucket_start, &sums.meter)
}

/// What is about to be added to sums that alerts are about.
pub(crate) struct Watched<'a> {
    facts: &'a Facts,
    added: HashMap<Bucket<'a>, (&'a usage_aggregate::Model, Vec<&'a usage_alert::Model>)>,
}

impl<'a> Watched<'a> {
    /// Whether there are any alerts at all.
    pub(crate) fn may_be(facts: &Facts) -> bool {
        facts.accounts.values().any(|account| !account.alerts.is_empty())
    }

    /// Those of `added` that the alerts of the facts are about.
    pub(crate) fn of(facts: &'a Facts, added: &'a [usage_aggregate::Model]) -> Self {
        let mut watched = HashMap::new();
        for row in added {
            let Some(account) = facts.accounts.get(&row.account_id) else {
                continue;
            };
            let concerned = account
                .alerts
                .iter()
                .filter(|alert| alert.meter == row.meter && alert.period.granularity() == row.granularity);
            let concerned: Vec<&usage_alert::Model> = concerned.collect();
            if !concerned.is_empty() {
                watched.insert(bucket(row), (row, concerned));
            }
        }
        Self {
            facts,
            added: watched,
        }
    }

    /// The buckets that alerts are about.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = Bucket<'a>> {
        self.added.keys().copied()
    }

    /// The thresholds that `sums`, as they are now, have crossed.
    pub(crate) fn crossed_by(&self, sums: &usage_aggregate::Model, at: Timestamp) -> Vec<Reached> {
        let Some((added, alerts)) = self.added.get(&bucket(sums)) else {
            return Vec::new();
        };
        let crossed = alerts
            .iter()
            .filter(|alert| is_crossed(alert, aggregation(self.facts, alert), sums, added));
        crossed
            .filter_map(|alert| Reached::new(self.facts, alert, sums, at))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use canopy_entity::usage_aggregate::BucketLength;
    use canopy_entity::usage_alert::AlertPeriod;
    use canopy_entity::{AccountId, UsageAlertId, time};

    use super::*;
    use Aggregation::{Count, Max, Sum, Unique};

    fn alert(include_descendants: bool, quantity: Option<i64>, amount: Option<i64>) -> usage_alert::Model {
        usage_alert::Model {
            id: UsageAlertId::new(),
            account_id: AccountId::new(),
            name: "An alert".to_owned(),
            meter: "calls".to_owned(),
            period: AlertPeriod::Day,
            include_descendants,
            quantity,
            amount,
            currency: "USD".to_owned(),
            revision: 1,
            created_by: "system".to_owned(),
            created_at: time::now(),
            updated_at: time::now(),
        }
    }

    /// Sums of the account itself, and twice as much of its tree.
    fn sums(quantity: i64, amount: i64) -> usage_aggregate::Model {
        usage_aggregate::Model {
            account_id: AccountId::new(),
            granularity: BucketLength::Day,
            bucket_start: time::now(),
            meter: "calls".to_owned(),
            quantity,
            events: 1,
            amount,
            tree_quantity: 2 * quantity,
            tree_events: 2,
            tree_amount: 2 * amount,
        }
    }

    #[test]
    fn a_threshold_is_crossed_by_what_reaches_it_and_by_nothing_else() {
        let quantity = alert(false, Some(10), None);
        for (after, added, crossed) in [
            (9, 9, false),
            (10, 1, true),
            (30, 25, true),
            (11, 1, false),
            (10, 0, false),
            (10, -5, false),
        ] {
            assert_eq!(
                is_crossed(&quantity, Sum, &sums(after, 0), &sums(added, 0)),
                crossed,
                "{after} {added}"
            );
        }
        let amount = alert(false, None, Some(10));
        for aggregation in [Sum, Count, Max, Unique] {
            assert!(is_crossed(&amount, aggregation, &sums(1, 12), &sums(0, 4)));
            assert!(!is_crossed(&amount, aggregation, &sums(1, 12), &sums(1, 2)));
        }
    }

    #[test]
    fn a_tree_reaches_its_threshold_sooner() {
        let reached = |alert, sums| is_reached(&alert, Sum, &sums);
        assert_eq!(reached(alert(true, Some(10), None), sums(5, 0)), Some(true));
        assert_eq!(reached(alert(false, Some(10), None), sums(5, 0)), Some(false));
        assert_eq!(reached(alert(true, None, Some(10)), sums(0, 5)), Some(true));
    }

    #[test]
    fn a_meter_is_compared_as_it_is_added_up() {
        let one_event = alert(false, Some(Micros::UNIT), None);
        let two_events = alert(true, Some(2 * Micros::UNIT), None);
        let nothing = sums(0, 0);
        for alert in [&one_event, &two_events] {
            assert_eq!(is_reached(alert, Count, &nothing), Some(true));
            assert_eq!(is_reached(alert, Sum, &nothing), Some(false));
            for by_values in [Max, Unique] {
                assert_eq!(is_reached(alert, by_values, &nothing), None);
                assert!(is_crossed(alert, by_values, &nothing, &nothing));
            }
        }
        let priced = usage_aggregate::Model {
            events: 0,
            tree_events: 0,
            ..sums(0, 5)
        };
        assert!(!is_crossed(&one_event, Max, &sums(1, 5), &priced));
        assert!(!is_crossed(&two_events, Unique, &sums(1, 5), &priced));
    }
}
