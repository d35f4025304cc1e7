//! A batch that breaks off at any step, or whose process is killed, is repeated and counts each event once.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::{CreditMode, Model as Account};
use canopy_domain::usage::FAULT_POINTS;
use serde_json::{Value, json};

use crate::app::{App, Caller};
use crate::operations::event;

/// A chain of three edges with a rule at each and money from three pockets.
async fn chain() -> (App, Account, Caller) {
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let main = app.main_account(Some(&platform), "Main", "pln_connector").await;
    let client = app
        .subaccount_in_mode(&main, "Client", Some(CreditMode::Reselling))
        .await;
    app.unit_price(&platform, "0.1").await;
    app.unit_price(&main, "0.2").await;
    app.fund(&main, "1000").await;
    app.purchase(&client, "1").await;
    let owner = app.member(&platform, Role::Owner).await;
    (app, client, owner)
}

fn batch() -> Value {
    let events: Vec<Value> = (0..25).map(|n| event(&format!("event-{n}"))).collect();
    json!(events)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_breaks_off_at_any_step_and_is_retried_counts_once() {
    let (app, client, owner) = chain().await;
    app.faults.passed();
    app.accepted(&app.record(&owner, &client, batch()).await);
    let steps = app.faults.passed();
    println!("steps of recordUsage: {steps:?}");
    let named = FAULT_POINTS
        .iter()
        .filter(|point| !point.starts_with("usage.late."));
    assert_eq!(
        steps,
        named.copied().collect::<Vec<_>>(),
        "a batch comes by each of its steps"
    );

    for step in steps {
        let (app, client, owner) = chain().await;
        let before = app.counts().await;
        app.faults.break_at(step);
        let broken = app.record(&owner, &client, batch()).await;
        assert_eq!(broken.codes(), ["INTERNAL"], "at {step}: {:#}", broken.0);
        assert!(!broken.0.to_string().contains(step), "what broke is for the log");
        let after = app.counts().await;
        app.faults.mend();
        let retried = app.record(&owner, &client, batch()).await;
        for result in retried.success()["results"].as_array().unwrap() {
            let status = result["status"].as_str().unwrap();
            // After the commit the answer is lost, not the events.
            let expected = if after == before { "ACCEPTED" } else { "REPLAYED" };
            assert_eq!(status, expected, "at {step}");
            assert_eq!(result["event"]["ratingStatus"], "RATED");
        }
        assert_eq!(app.count("usage_events").await, 25, "at {step}");
        app.assert_counted_once().await;
        app.assert_balanced().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn making_a_subaccount_that_breaks_off_leaves_nothing() {
    let (app, _, owner) = chain().await;
    let main = app.rows("SELECT id FROM accounts WHERE kind = 'MAIN'").await[0]["id"].clone();
    let input = json!({"parentId": main, "name": "New", "idempotencyKey": "new"});
    app.faults.passed();
    app.create_subaccount(&owner, json!({"parentId": main, "name": "First"}))
        .await
        .success();
    let steps = app.faults.passed();
    println!("steps of createSubaccount: {steps:?}");
    for step in steps {
        let before = app.counts().await;
        app.faults.break_at(step);
        let broken = app.create_subaccount(&owner, input.clone()).await;
        assert_eq!(broken.codes(), ["INTERNAL"], "at {step}: {:#}", broken.0);
        app.faults.mend();
        assert_eq!(app.counts().await, before, "at {step}");
    }
    app.create_subaccount(&owner, input.clone()).await.success();
    assert_eq!(
        app.create_subaccount(&owner, input).await.success()["replayed"],
        true
    );
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_rating_that_breaks_off_is_rated_once() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_connector").await;
    let client = app.subaccount(&main, "Client").await;
    let owner = app.member(&main, Role::Owner).await;
    app.accepted(&app.record(&owner, &client, batch()).await);
    app.unit_price(&main, "0.2").await;

    let mut steps = Vec::new();
    // The steps are learned on a copy of the house, so that here each is met for the first time.
    {
        let other = App::start().await;
        let main = other.main_account(None, "Main", "pln_connector").await;
        let client = other.subaccount(&main, "Client").await;
        let owner = other.member(&main, Role::Owner).await;
        other.accepted(&other.record(&owner, &client, batch()).await);
        other.unit_price(&main, "0.2").await;
        other.faults.passed();
        assert_eq!(other.domain.rate_pending(100).await.unwrap(), 25);
        steps.extend(other.faults.passed());
    }
    println!("steps of rating later: {steps:?}");
    let mut late = FAULT_POINTS
        .iter()
        .filter(|point| point.starts_with("usage.late."));
    assert!(
        late.all(|point| steps.contains(point)),
        "a late rating comes by each of its steps"
    );
    for step in steps {
        app.faults.break_at(step);
        let _ = app.domain.rate_pending(100).await;
        app.faults.mend();
        app.assert_counted_once().await;
        app.assert_balanced().await;
    }
    app.domain.rate_pending(100).await.unwrap();
    let pending = app
        .number("SELECT count(*) FROM usage_events WHERE rating_status = 'PENDING'")
        .await;
    assert_eq!(pending, 0);
    app.assert_counted_once().await;
    app.assert_balanced().await;
    let rated = app
        .rows("SELECT seq FROM outbox WHERE CAST(payload AS text) LIKE '%\"RATED\"%'")
        .await;
    assert_eq!(rated.len(), 25, "each is told once as rated");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_publishes_each_row_once_in_one_order() {
    let (app, client, owner) = chain().await;
    // What was told of the rules.
    app.tamper("DELETE FROM outbox").await.unwrap();
    // A row for each batch, with a place for each of its events.
    for events in batch().as_array().expect("a list").chunks(5) {
        app.accepted(&app.record(&owner, &client, json!(events)).await);
    }
    let other = App::on(std::sync::Arc::clone(&app.database)).await;
    let (here, there) = tokio::join!(app.relay(), other.relay());
    assert_eq!(here + there, 5);
    let rows = app.rows("SELECT position FROM outbox ORDER BY position").await;
    let positions: Vec<_> = rows.iter().map(|row| row["position"].as_i64().unwrap()).collect();
    assert_eq!(positions, [5, 10, 15, 20, 25], "without a gap");
}
