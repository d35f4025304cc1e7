//! Usage is taken once, whatever is repeated, and adds up by hour, day and month in UTC.

use std::collections::BTreeMap;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use chrono::{DateTime, Datelike, Duration, DurationRound, TimeZone, Utc};
use serde_json::{Value, json};

use crate::app::{App, Caller};
use crate::operations::event;

/// A main account with a client and its client, an owner, and a price.
async fn shop() -> (App, Caller, [Account; 3]) {
    let app = App::start().await;
    let main = app.main_account(None, "Shop", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let branch = app.subaccount(&client, "Branch").await;
    app.unit_price(&main, "0.5").await;
    let owner = app.member(&main, Role::Owner).await;
    (app, owner, [main, client, branch])
}

#[tokio::test(flavor = "multi_thread")]
async fn same_key_and_payload_is_the_same_answer_marked_as_a_replay() {
    let (app, owner, [_, client, _]) = shop().await;
    let batch = json!([event("a"), event("b")]);
    let first = app.accepted(&app.record(&owner, &client, batch.clone()).await);
    let before = app.counts().await;

    let second = app.record(&owner, &client, batch).await;
    for (result, event) in second.success()["results"].as_array().unwrap().iter().zip(&first) {
        assert_eq!(result["status"], "REPLAYED");
        assert_eq!(&result["event"], event);
    }
    assert_eq!(app.counts().await, before);
    app.assert_counted_once().await;
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn same_key_with_another_payload_is_a_conflict_and_does_not_stop_the_others() {
    let (app, owner, [_, client, _]) = shop().await;
    app.accepted(&app.record(&owner, &client, json!([event("a")])).await);

    let other = json!({"idempotencyKey": "a", "meter": "minutes", "quantity": "2"});
    let batch = json!([other, event("b"), {"idempotencyKey": "c", "meter": "Not A Meter", "quantity": "1"}]);
    let answer = app.record(&owner, &client, batch).await;
    let results = answer.success()["results"].as_array().unwrap();
    assert_eq!(results[0]["status"], "CONFLICT");
    assert_eq!(results[0]["userErrors"][0]["code"], "CONFLICT");
    assert_eq!(results[0]["event"], Value::Null);
    assert_eq!(results[1]["status"], "ACCEPTED");
    assert_eq!(results[2]["status"], "REJECTED");
    assert_eq!(results[2]["userErrors"][0]["code"], "BAD_USER_INPUT");
    assert_eq!(app.count("usage_events").await, 2);
    app.assert_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_twice_in_one_batch_counts_once() {
    let (app, owner, [_, client, _]) = shop().await;
    let other = json!({"idempotencyKey": "a", "meter": "minutes", "quantity": "2"});
    let answer = app
        .record(&owner, &client, json!([event("a"), event("a"), other]))
        .await;
    let statuses: Vec<_> = answer.success()["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["status"].clone())
        .collect();
    assert_eq!(statuses, ["ACCEPTED", "REPLAYED", "CONFLICT"]);
    app.assert_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregates_equal_a_recount_whatever_the_order_of_arrival() {
    let (app, owner, [_, client, branch]) = shop().await;
    let now = Utc::now();
    let times: Vec<_> = (1..=60).map(|step| now - Duration::minutes(step * 733)).collect();
    let forward: Vec<_> = times.iter().enumerate().map(|(n, time)| at(n, *time)).collect();
    // 37 is prime to 60, so this is another order of the same events.
    let shuffled: Vec<_> = (0..60).map(|n| forward[n * 37 % 60].clone()).collect();
    app.accepted(&app.record(&owner, &client, json!(forward)).await);
    for part in shuffled.chunks(7) {
        app.accepted(&app.record(&owner, &branch, json!(part)).await);
    }

    type Floor = fn(DateTime<Utc>) -> DateTime<Utc>;
    let floor: [(&str, Floor); 3] = [
        ("HOUR", |time| time.duration_trunc(Duration::hours(1)).unwrap()),
        ("DAY", |time| time.duration_trunc(Duration::days(1)).unwrap()),
        ("MONTH", |time| {
            Utc.with_ymd_and_hms(time.year(), time.month(), 1, 0, 0, 0)
                .unwrap()
        }),
    ];
    for (granularity, floor) in floor {
        let mut recount: BTreeMap<DateTime<Utc>, (usize, usize)> = BTreeMap::new();
        for (n, time) in times.iter().enumerate() {
            let bucket = recount.entry(floor(*time)).or_default();
            *bucket = (bucket.0 + n + 1, bucket.1 + 1);
        }
        let period = json!({"start": now - Duration::days(34), "end": now});
        for account in [&client, &branch] {
            let usage = usage(&app, &owner, account, &period, granularity, false).await;
            let buckets = usage["buckets"].as_array().unwrap();
            let counted: BTreeMap<_, _> = buckets
                .iter()
                .map(|bucket| {
                    let start: DateTime<Utc> = bucket["start"].as_str().unwrap().parse().unwrap();
                    let quantity: usize = bucket["quantity"].as_str().unwrap().parse().unwrap();
                    (start, (quantity, bucket["events"].as_u64().unwrap() as usize))
                })
                .collect();
            assert_eq!(counted, recount, "{granularity} of {}", account.name);
            assert_eq!(usage["totals"][0]["events"], 60);
            assert_eq!(usage["totals"][0]["quantity"], "1830");
            assert_eq!(usage["totals"][0]["amount"]["amount"], "915");
        }
    }
}

fn at(n: usize, time: DateTime<Utc>) -> Value {
    json!({
        "idempotencyKey": format!("event-{n}"), "meter": "minutes", "quantity": (n + 1).to_string(),
        "occurredAt": time.to_rfc3339(),
    })
}

async fn usage(
    app: &App,
    caller: &Caller,
    account: &Account,
    period: &Value,
    granularity: &str,
    below: bool,
) -> Value {
    let document =
        "query ($id: ID!, $period: UsagePeriodInput!, $granularity: Granularity!, $below: Boolean!) {
      account(id: $id) {
        usage(period: $period, granularity: $granularity, includeDescendants: $below) {
          granularity
          totals { meter quantity events amount { amount currency } }
          buckets { start meter quantity events amount { amount } }
        }
      }
    }";
    let variables = json!({
        "id": account.id.as_str(), "period": period, "granularity": granularity, "below": below,
    });
    app.run(caller, document, variables)
        .await
        .at("/account/usage")
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn descendants_count_when_they_are_asked_for() {
    let (app, owner, [main, client, branch]) = shop().await;
    for (account, count) in [(&main, 1), (&client, 2), (&branch, 4)] {
        let batch: Vec<_> = (0..count).map(|n| event(&format!("e{n}"))).collect();
        app.accepted(&app.record(&owner, account, json!(batch)).await);
    }
    let now = Utc::now();
    let period = json!({"start": now - Duration::days(2), "end": now + Duration::days(1)});
    for (account, own, all) in [(&main, 1, 7), (&client, 2, 6), (&branch, 4, 4)] {
        for (below, events) in [(false, own), (true, all)] {
            let usage = usage(&app, &owner, account, &period, "DAY", below).await;
            assert_eq!(usage["totals"][0]["events"], events, "{} {below}", account.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_period_does_not_belong_to_it() {
    let (app, owner, [_, client, _]) = shop().await;
    let hour = (Utc::now() - Duration::hours(3))
        .duration_trunc(Duration::hours(1))
        .unwrap();
    let times = [hour - Duration::microseconds(1), hour, hour + Duration::hours(1)];
    let batch = times.into_iter().enumerate().map(|(n, time)| {
        let mut event = at(n, time);
        event["occurredAt"] = json!(time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true));
        event
    });
    let batch: Vec<_> = batch.collect();
    app.accepted(&app.record(&owner, &client, json!(batch)).await);

    let period = json!({"start": hour, "end": hour + Duration::hours(1)});
    let usage = usage(&app, &owner, &client, &period, "HOUR", false).await;
    assert_eq!(usage["totals"][0]["events"], 1);
    assert_eq!(usage["totals"][0]["quantity"], "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_events_are_refused_with_a_code_and_nothing_is_written() {
    let (app, owner, [_, client, _]) = shop().await;
    let before = app.counts().await;
    let now = Utc::now();
    let wrong = [
        json!({"idempotencyKey": ""}),
        json!({"idempotencyKey": "k".repeat(256)}),
        json!({"meter": ""}),
        json!({"meter": "Minutes"}),
        json!({"meter": "m".repeat(65)}),
        json!({"quantity": "-1"}),
        json!({"occurredAt": now - Duration::days(36)}),
        json!({"occurredAt": now + Duration::minutes(6)}),
        json!({"attributes": [1]}),
        json!({"attributes": {"long": "x".repeat(4_096)}}),
    ];
    for change in wrong {
        let mut event = event("k");
        event
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let answer = app.record(&owner, &client, json!([event])).await;
        let result = &answer.success()["results"][0];
        assert_eq!(result["status"], "REJECTED", "{change}");
        assert_eq!(result["userErrors"][0]["code"], "BAD_USER_INPUT", "{change}");
    }
    for quantity in ["1e3", "0.0000001", "9007199254.740993", "x"] {
        let mut event = event("k");
        event["quantity"] = json!(quantity);
        let answer = app.record(&owner, &client, json!([event])).await;
        assert!(!answer.0["errors"].as_array().unwrap().is_empty(), "{quantity}");
    }
    assert_eq!(app.counts().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_of_time_is_that_of_the_settings() {
    let app = App::configured(|settings| {
        settings.usage_window.max_age = std::time::Duration::from_secs(3_600);
        settings.usage_window.max_ahead = std::time::Duration::ZERO;
    })
    .await;
    let main = app.main_account(None, "Shop", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let now = Utc::now();
    let times = [
        now - Duration::minutes(59),
        now - Duration::minutes(61),
        now + Duration::minutes(1),
    ];
    let batch: Vec<_> = times
        .into_iter()
        .enumerate()
        .map(|(n, time)| at(n, time))
        .collect();
    let answer = app.record(&owner, &main, json!(batch)).await;
    let results = answer.success()["results"].as_array().unwrap();
    assert_eq!(results[0]["status"], "ACCEPTED");
    for result in &results[1..] {
        assert_eq!(result["status"], "REJECTED");
        assert_eq!(
            result["userErrors"][0]["message"],
            "Usage may have occurred at most 1 hour ago and at most 0 seconds from now."
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_a_bound() {
    let (app, owner, [_, client, _]) = shop().await;
    let batch: Vec<_> = (0..1_001).map(|n| event(&n.to_string())).collect();
    let before = app.counts().await;
    assert_eq!(
        app.record(&owner, &client, json!(batch)).await.user_error(),
        "BAD_USER_INPUT"
    );
    assert_eq!(app.counts().await, before);

    app.accepted(&app.record(&owner, &client, json!(batch[..1_000])).await);
    app.assert_counted_once().await;
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_may_name_an_account_below_and_no_other() {
    let (app, owner, [main, client, branch]) = shop().await;
    let stranger = app.main_account(None, "Stranger", "pln_itellico").await;
    let named = |account: &str| {
        let mut event = event(account);
        event["accountId"] = json!(account);
        event
    };
    let batch = json!([
        named(branch.id.as_str()),
        named(main.id.as_str()),
        named(stranger.id.as_str()),
        named("acc_01jd0000000000000000000000"),
        named("nonsense"),
    ]);
    let answer = app.record(&owner, &client, batch).await;
    let results = answer.success()["results"].as_array().unwrap();
    assert_eq!(results[0]["event"]["account"]["id"], branch.id.as_str());
    let refusals: Vec<_> = results[2..]
        .iter()
        .map(|result| result["userErrors"].clone())
        .collect();
    assert_eq!(
        results[1]["status"], "REJECTED",
        "the main account is not below the client"
    );
    for (refusal, result) in refusals.iter().zip(&results[2..]) {
        assert_eq!(result["status"], "REJECTED");
        assert_eq!(refusal[0]["code"], "NOT_FOUND");
        assert_eq!(refusal[0]["message"], refusals[0][0]["message"]);
    }
    assert_eq!(app.count("usage_events").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_account_uses_nothing() {
    let (app, owner, [_, client, branch]) = shop().await;
    let suspend = json!({"id": client.id.as_str(), "status": "SUSPENDED"});
    app.update_subaccount(&owner, suspend).await.success();
    let before = app.counts().await;
    for account in [&client, &branch] {
        let answer = app.record(&owner, account, json!([event("a")])).await;
        let payload = &answer.0["data"]["recordUsage"];
        assert_ne!(payload["results"][0]["status"], "ACCEPTED", "{:#}", answer.0);
    }
    assert_eq!(app.counts().await, before);
}
