//! What comes in while another transaction is on its way: it waits, goes together, and nobody pays for another's mistake.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use canopy_entity::usage_event;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use sea_orm::{DatabaseTransaction, TransactionTrait};

use super::*;
use crate::{Error, transaction};

impl House {
    /// Keeps all usage from being written until it is given back: on SQLite by writing, on PostgreSQL by the terms.
    async fn held(&self) -> DatabaseTransaction {
        let mode = sea_orm::TransactionOptions {
            sqlite_transaction_mode: Some(sea_orm::SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        let held = self.database.db.begin_with_options(mode).await.unwrap();
        held.execute_unprepared("UPDATE tree_terms SET version = version")
            .await
            .unwrap();
        held
    }

    /// Records single events, each as a request of its own, all of which wait before any is written.
    async fn record_at_once(
        self: &Arc<Self>,
        events: Vec<Vec<NewUsageEvent>>,
    ) -> Vec<crate::Result<Vec<EventOutcome>>> {
        let held = self.held().await;
        let all = events.len();
        let requests = events.into_iter().map(|events| {
            let house = Arc::clone(self);
            tokio::spawn(async move { house.try_record(&house.client, events).await })
        });
        let requests: Vec<_> = requests.collect();
        while self.domain.0.intake.requests() < all {
            tokio::task::yield_now().await;
        }
        held.commit().await.unwrap();
        let answers = futures_util::future::join_all(requests).await;
        answers.into_iter().map(|answer| answer.unwrap()).collect()
    }
}

#[tokio::test]
async fn what_waits_at_the_same_time_is_written_together() {
    let house = Arc::new(house().await.with_prices().await);
    house.grant(&house.agency, "100").await;
    let events = (0..40).map(|n| vec![event(&format!("k{n}"), "1")]).collect();
    let answers = house.record_at_once(events).await;
    let batches: HashSet<String> = answers
        .iter()
        .map(|answer| accepted(&answer.as_ref().unwrap()[0]).batch_id.to_string())
        .collect();
    // One is on its way when the others come, however few of them it took; they are not worth another beside it.
    assert!(batches.len() <= 2, "{} batches", batches.len());
    let rows = usage_event::Entity::find().all(&house.database.db).await.unwrap();
    let places: HashSet<_> = rows.iter().map(|row| (row.batch_id.clone(), row.place)).collect();
    assert_eq!(places.len(), 40, "each event has a place of its own");
    assert_eq!(house.told().await, 40);
    assert_eq!(house.usage(&house.agency, true).await.totals[0].events, 40);
    house.assert_balanced().await;
}

#[tokio::test]
async fn usage_is_priced_and_written_on_a_thread_of_its_own_where_that_is_wanted() {
    let mut house = house().await.with_prices().await;
    house.grant(&house.agency, "100").await;
    let threads: Arc<Mutex<BTreeSet<Option<String>>>> = Arc::default();
    let seen = Arc::clone(&threads);
    house.domain = open_with(&house.database, |settings| {
        settings.intake.own_thread = true;
        settings.faults = Faults::at(move |_| {
            let name = std::thread::current().name().map(str::to_owned);
            seen.lock().unwrap().insert(name);
            false
        });
    });
    house.record(&house.client, vec![event("a", "1")]).await;
    assert_eq!(
        *threads.lock().unwrap(),
        BTreeSet::from([Some("canopy-usage".to_owned())])
    );
    house.assert_balanced().await;
}

#[tokio::test]
async fn one_key_in_several_requests_is_recorded_once() {
    let house = Arc::new(house().await.with_prices().await);
    house.grant(&house.agency, "100").await;
    let mut events: Vec<_> = (0..6).map(|_| vec![event("same", "1")]).collect();
    events.push(vec![event("same", "2")]);
    let answers = house.record_at_once(events).await;
    let count = |is: fn(&EventOutcome) -> bool| {
        answers
            .iter()
            .filter(|answer| is(&answer.as_ref().unwrap()[0]))
            .count()
    };
    assert_eq!(house.count("usage_events").await, 1);
    assert_eq!(count(|outcome| matches!(outcome, EventOutcome::Accepted(_))), 1);
    let refused = count(|outcome| matches!(outcome, EventOutcome::Refused(Error::Conflict { .. })));
    let replayed = count(|outcome| matches!(outcome, EventOutcome::Replayed(_)));
    // Whichever came first, the others agree with it or do not.
    assert!(
        [(5, 1), (0, 6)].contains(&(replayed, refused)),
        "{replayed} replayed, {refused} refused"
    );
}

#[tokio::test]
async fn a_retry_that_meets_the_first_try_holds_nobody_else_up() {
    let house = Arc::new(house().await.with_prices().await);
    house.grant(&house.agency, "100").await;
    let twice = (0..12).flat_map(|n| [n, n]);
    let events = twice.map(|n| vec![event(&format!("k{n}"), "1")]).collect();
    let answers = house.record_at_once(events).await;
    let accepted = answers
        .iter()
        .filter(|answer| matches!(answer.as_ref().unwrap()[0], EventOutcome::Accepted(_)));
    assert_eq!(accepted.count(), 12);
    let rows = usage_event::Entity::find().all(&house.database.db).await.unwrap();
    let batches: HashSet<_> = rows.iter().map(|row| row.batch_id.clone()).collect();
    assert!(batches.len() <= 4, "{} batches", batches.len());
}

#[tokio::test]
async fn a_request_that_cannot_be_written_fails_alone() {
    let house = Arc::new(house().await);
    let too_much = Micros::new((1 << 53) - 1).unwrap();
    let large = |key: &str| NewUsageEvent {
        meter: "large".to_owned(),
        quantity: too_much,
        ..event(key, "1")
    };
    let mut events: Vec<_> = (0..8).map(|n| vec![event(&format!("k{n}"), "1")]).collect();
    events.insert(5, vec![large("a"), large("b")]);
    let answers = house.record_at_once(events).await;
    for (n, answer) in answers.iter().enumerate() {
        match n {
            5 => assert_eq!(answer.as_ref().unwrap_err().code(), ErrorCode::BadUserInput),
            _ => drop(accepted(&answer.as_ref().unwrap()[0]).clone()),
        }
    }
    assert_eq!(house.count("usage_events").await, 8);
    assert_eq!(house.usage(&house.client, false).await.totals[0].events, 8);
}

#[tokio::test]
async fn what_does_not_fit_is_turned_away_and_loses_nothing() {
    let mut house = house().await;
    house.domain = open_with(&house.database, |settings| settings.intake.waiting = 4_000);
    let house = Arc::new(house);
    let held = house.held().await;
    let requests: Vec<_> = (0..20)
        .map(|n| {
            let house = Arc::clone(&house);
            tokio::spawn(async move {
                house
                    .try_record(&house.client, vec![event(&format!("k{n}"), "1")])
                    .await
            })
        })
        .collect();
    let mut requests: FuturesUnordered<_> = requests.into_iter().collect();
    // Seven fit; the others do not wait for the transaction that is held.
    let mut turned_away = Vec::new();
    while turned_away.len() < 13 {
        turned_away.push(requests.next().await.unwrap().unwrap().unwrap_err());
    }
    assert!(
        turned_away
            .iter()
            .all(|error| error.code() == ErrorCode::RateLimited && error.retry_after().is_some())
    );
    held.commit().await.unwrap();
    while let Some(answer) = requests.next().await {
        accepted(&answer.unwrap().unwrap()[0]);
    }
    assert_eq!(house.count("usage_events").await, 7);
    for n in 0..20 {
        let again = house
            .record(&house.client, vec![event(&format!("k{n}"), "1")])
            .await;
        assert!(matches!(
            again[0],
            EventOutcome::Accepted(_) | EventOutcome::Replayed(_)
        ));
    }
    assert_eq!(house.count("usage_events").await, 20);
}

#[tokio::test]
async fn a_change_of_terms_is_seen_by_the_next_event_though_facts_are_remembered() {
    let house = house().await.with_prices().await;
    house.grant(&house.agency, "100").await;
    accepted(&house.record(&house.client, vec![event("a", "1")]).await[0]);
    // Past the domain, as another process would.
    let suspend = format!(
        "UPDATE accounts SET status = 'SUSPENDED' WHERE id = '{}'",
        house.agency.id
    );
    transaction::run(&house.database.db, "test", |txn| {
        let suspend = suspend.clone();
        transaction::work(async move {
            txn.execute_unprepared(&suspend).await?;
            Ok(())
        })
    })
    .await
    .unwrap();
    assert_eq!(
        refused(&house.record(&house.client, vec![event("b", "1")]).await[0]),
        ErrorCode::Forbidden
    );
}
