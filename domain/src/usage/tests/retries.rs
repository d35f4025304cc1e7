//! Retries, faults and races: each event counts once, and the ledger balances.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Faults that break off once at `point` after they were armed.
fn once_at(point: &'static str) -> (Arc<AtomicBool>, Faults) {
    let armed = Arc::new(AtomicBool::new(false));
    let breaks = armed.clone();
    let faults = Faults::at(move |step| step == point && breaks.swap(false, Ordering::SeqCst));
    (armed, faults)
}

#[tokio::test]
async fn a_batch_that_breaks_off_anywhere_counts_once_when_it_is_retried() {
    for point in FAULT_POINTS
        .iter()
        .copied()
        .filter(|point| !point.contains(".late."))
    {
        let (armed, faults) = once_at(point);
        let house = house_with(faults).await.with_prices().await;
        house.grant(&house.agency, "100").await;
        armed.store(true, Ordering::SeqCst);
        let batch = || vec![event("a", "10"), event("b", "10")];
        let broken = house.try_record(&house.client, batch()).await;
        assert_eq!(broken.unwrap_err().code(), ErrorCode::Internal, "{point}");
        house.record(&house.client, batch()).await;
        let total = house.usage(&house.client, false).await.totals.remove(0);
        assert_eq!((total.quantity.get(), total.events), (micros("20"), 2), "{point}");
        assert_eq!(
            house.wallet(&house.agency, LedgerKind::Pool).await,
            micros("98"),
            "{point}"
        );
        assert_eq!(
            (house.told().await, house.count("ratings").await),
            (2, 4),
            "{point}"
        );
        house.assert_balanced().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_spend_the_last_credit_one_wins() {
    let house = Arc::new(house().await.with_prices().await);
    house.grant(&house.agency, "1").await;
    let spenders = (0..12).map(|spender| {
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            house
                .record(&house.client, vec![event(&format!("s{spender}"), "10")])
                .await
        })
    });
    let mut won = 0;
    for outcome in futures_util::future::join_all(spenders).await {
        match &outcome.unwrap()[0] {
            EventOutcome::Accepted(_) => won += 1,
            other => assert_eq!(refused(other), ErrorCode::LimitExceeded),
        }
    }
    assert_eq!((won, house.count("usage_events").await), (1, 1));
    house.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_key_sent_by_many_at_once_is_recorded_once() {
    let house = Arc::new(house().await.with_prices().await);
    house.grant(&house.agency, "100").await;
    let senders = (0..8).map(|sender| {
        let house = Arc::clone(&house);
        let mut events: Vec<NewUsageEvent> = (0..20).map(|key| event(&format!("k{key}"), "1")).collect();
        if sender % 2 == 1 {
            events.reverse();
        }
        tokio::spawn(async move { house.record(&house.client, events).await })
    });
    let mut counted = 0;
    for outcomes in futures_util::future::join_all(senders).await {
        for outcome in outcomes.unwrap() {
            match outcome {
                EventOutcome::Accepted(_) => counted += 1,
                EventOutcome::Replayed(_) => {}
                EventOutcome::Refused(error) => panic!("{error:?}"),
            }
        }
    }
    assert_eq!((counted, house.count("usage_events").await), (20, 20));
    assert_eq!(house.wallet(&house.agency, LedgerKind::Pool).await, micros("98"));
    house.assert_balanced().await;
}

#[tokio::test]
async fn a_late_rating_that_breaks_off_anywhere_is_paid_once() {
    for point in FAULT_POINTS
        .iter()
        .copied()
        .filter(|point| point.contains(".late."))
    {
        let (armed, faults) = once_at(point);
        let house = house_with(faults).await;
        house.grant(&house.agency, "100").await;
        house.record(&house.client, vec![event("a", "10")]).await;
        let house = house.with_prices().await;
        armed.store(true, Ordering::SeqCst);
        assert_eq!(
            house.domain.rate_pending(10).await.unwrap_err().code(),
            ErrorCode::Internal,
            "{point}"
        );
        assert_eq!(house.domain.rate_pending(10).await.unwrap(), 1, "{point}");
        assert_eq!(
            house.wallet(&house.agency, LedgerKind::Pool).await,
            micros("99"),
            "{point}"
        );
        assert_eq!(
            (house.told().await, house.count("ratings").await),
            (2, 2),
            "{point}"
        );
        house.assert_balanced().await;
    }
}

/// Where a retry goes: to the process that recorded the event, which remembers it, or to another one.
const PROCESSES: [fn(House) -> House; 2] = [
    |house| house,
    |house| House {
        domain: open(&house.database, Faults::default()),
        ..house
    },
];

#[tokio::test]
async fn a_retry_is_answered_as_its_event_was_though_it_could_not_be_paid_again() {
    for retried_at in PROCESSES {
        let house = house().await.with_prices().await;
        house.grant(&house.agency, "1").await;
        let first = house.record(&house.client, vec![event("a", "10")]).await;
        let row = accepted(&first[0]);
        // Nothing is left, for the retry as for the other.
        let house = retried_at(house);
        let again = house
            .record(&house.client, vec![event("a", "10"), event("b", "10")])
            .await;
        assert!(matches!(&again[0], EventOutcome::Replayed(same) if **same == *row));
        assert_eq!(refused(&again[1]), ErrorCode::LimitExceeded);
        assert_eq!(house.count("usage_events").await, 1);
        house.assert_balanced().await;
    }
}

#[tokio::test]
async fn a_batch_with_some_keys_that_are_taken_records_the_others_at_the_price_of_their_place() {
    for retried_at in PROCESSES {
        let house = house().await.with_prices().await;
        house.grant(&house.agency, "100").await;
        house.record(&house.client, vec![event("b", "10")]).await;
        let house = retried_at(house);
        let batch = vec![event("a", "10"), event("b", "10"), event("c", "10")];
        let outcomes = house.record(&house.client, batch).await;
        let new = [accepted(&outcomes[0]), accepted(&outcomes[2])];
        assert!(matches!(&outcomes[1], EventOutcome::Replayed(_)));
        let new = new.map(canopy_entity::usage_event::Model::clone);
        let ratings = house.domain.ratings_of(&house.actor, &new).await.unwrap();
        // The one that is known already is not counted again before the one behind it.
        let before = new.map(|row| ratings[&row.id][0].period_quantity);
        assert_eq!(before, [Some(micros("10")), Some(micros("20"))]);
        house.assert_balanced().await;
    }
}

/// What was recorded elsewhere is not known here before the first retry of it, and from then on keys are looked up.
#[tokio::test]
async fn a_key_that_was_taken_elsewhere_has_the_next_batches_looked_up() {
    let house = house().await;
    let other = PROCESSES[1](house);
    let intake = &other.domain.0.intake;
    other.record(&other.client, vec![event("a", "1")]).await;
    let again = other.record(&other.client, vec![event("a", "1")]).await;
    assert!(matches!(&again[0], EventOutcome::Replayed(_)));
    assert!(!intake.expects_retries(), "what is remembered surprises nobody");

    let other = PROCESSES[1](other);
    let intake = &other.domain.0.intake;
    let again = other
        .record(&other.client, vec![event("a", "1"), event("b", "1")])
        .await;
    assert!(matches!(&again[0], EventOutcome::Replayed(_)));
    accepted(&again[1]);
    assert!(intake.expects_retries());
}

#[tokio::test]
async fn a_sum_that_no_exact_number_holds_is_refused_and_nothing_of_it_is_written() {
    let house = house().await;
    let most = Micros::MAX.to_string();
    let now = time::now();
    let used = |key, quantity| NewUsageEvent {
        occurred_at: Some(now),
        ..event(key, quantity)
    };
    accepted(&house.record(&house.client, vec![used("a", &most)]).await[0]);
    let more = house.try_record(&house.client, vec![used("b", "1")]).await;
    assert_eq!(more.unwrap_err().code(), ErrorCode::BadUserInput);
    assert_eq!(house.count("usage_events").await, 1);
    assert_eq!(house.usage(&house.client, false).await.totals[0].events, 1);
}
