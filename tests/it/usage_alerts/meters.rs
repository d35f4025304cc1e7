//! An alert compares what `usage` tells of its meter, however the plan has that added up.

use chrono::Utc;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{House, alert, house_in};
use crate::app::App;

/// A house whose plan has a meter of each kind.
async fn house_with_meters() -> House {
    let app = App::start().await;
    let meters = json!({"declared": {
        "calls": {"aggregation": "COUNT"},
        "callers": {"aggregation": "UNIQUE", "unique_by": "caller"},
        "seats": {"aggregation": "MAX"},
    }});
    let declare = format!("UPDATE plans SET meters = '{meters}' WHERE id = 'pln_itellico'");
    app.tamper(&declare).await.unwrap();
    house_in(app).await
}

fn used(key: &str, meter: &str, quantity: &str, caller: &str) -> Value {
    json!({"idempotencyKey": key, "meter": meter, "quantity": quantity, "attributes": {"caller": caller}})
}

impl House {
    async fn watch(&self, meter: &str, below: bool, threshold: &str) {
        let account = if below { &self.main } else { &self.client };
        let mut input = alert(account, json!({"quantity": threshold}));
        input["name"] = json!(meter);
        input["meter"] = json!(meter);
        input["includeDescendants"] = json!(below);
        self.app.create_alert(&self.owner, input).await.success();
    }

    async fn record(&self, events: Value) {
        let recorded = self.app.record(&self.owner, &self.client, events).await;
        self.app.accepted(&recorded);
    }

    /// What was told so far: meters and quantities, in micro-units, in the order in which they were told.
    async fn told(&self) -> Value {
        self.app.crossings().await;
        let told = "SELECT meter, quantity FROM usage_alert_crossings ORDER BY id";
        let told = self.app.rows(told).await;
        told.iter()
            .map(|row| json!([row["meter"], row["quantity"]]))
            .collect()
    }

    /// The month's quantity of a meter, as `usage` has it.
    async fn usage(&self, meter: &str, below: bool) -> Value {
        let account = if below { &self.main } else { &self.client };
        let document = "query ($id: ID!, $below: Boolean!, $meter: String!, $period: UsagePeriodInput!) {
          account(id: $id) { usage(period: $period, granularity: MONTH, includeDescendants: $below, meters: [$meter]) {
            totals { quantity } } } }";
        let now = Utc::now().to_rfc3339();
        let ends = (Utc::now() + chrono::Duration::seconds(1)).to_rfc3339();
        let variables = json!({
            "id": account.id.as_str(), "below": below, "meter": meter, "period": {"start": now, "end": ends},
        });
        let answer = self.app.run(&self.owner, document, variables).await;
        answer.at("/account/usage/totals/0/quantity").clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_values_reach_a_threshold_when_usage_tells_so() {
    let house = house_with_meters().await;
    for below in [false, true] {
        house.watch("calls", below, "3").await;
        house.watch("callers", below, "2").await;
        house.watch("seats", below, "8").await;
    }
    // As sums they would all be reached.
    house
        .record(json!([
            used("1", "calls", "50", ""),
            used("2", "calls", "0", ""),
            used("3", "callers", "50", "ann"),
            used("4", "callers", "50", "ann"),
            used("5", "seats", "7", ""),
            used("6", "seats", "5", ""),
        ]))
        .await;
    assert_eq!(house.told().await, json!([]));
    for (key, meter, quantity, caller, told) in [
        ("7", "calls", "0", "", 3_000_000),
        ("8", "callers", "0", "bob", 2_000_000),
        ("9", "seats", "9", "", 9_000_000),
    ] {
        let before = house.told().await.as_array().unwrap().len();
        house.record(json!([used(key, meter, quantity, caller)])).await;
        let after = house.told().await;
        assert_eq!(
            after.as_array().unwrap()[before..],
            [json!([meter, told]), json!([meter, told])]
        );
        for below in [false, true] {
            let usage = house.usage(meter, below).await;
            assert_eq!(usage, (told / 1_000_000).to_string(), "{meter}");
        }
    }
    // Nothing is told again.
    house
        .record(json!([
            used("10", "calls", "1", ""),
            used("11", "callers", "1", "eve"),
            used("12", "seats", "100", ""),
        ]))
        .await;
    assert_eq!(house.app.crossings().await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_values_come_to_is_told_at_once_where_it_is_enough_already() {
    let house = house_with_meters().await;
    house
        .record(json!([
            used("1", "callers", "50", "ann"),
            used("2", "callers", "50", "bob"),
            used("3", "calls", "50", ""),
            used("4", "seats", "50", ""),
        ]))
        .await;
    for (meter, not_yet, reached) in [("callers", "3", "2"), ("calls", "2", "1"), ("seats", "51", "50")] {
        let before = house.app.crossings().await;
        house.watch(meter, false, not_yet).await;
        assert_eq!(house.app.crossings().await, before, "{meter}");
        house.watch(meter, false, reached).await;
        assert_eq!(house.app.crossings().await, before + 1, "{meter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amount_is_a_sum_whatever_the_meter_is() {
    let house = house_with_meters().await;
    let mut input = alert(&house.client, json!({"amount": "10"}));
    input["meter"] = json!("seats");
    house.app.create_alert(&house.owner, input).await.success();
    house.record(json!([used("1", "seats", "4", "")])).await;
    assert_eq!(house.told().await, json!([]));
    // Two each.
    house.record(json!([used("2", "seats", "3", "")])).await;
    assert_eq!(house.told().await, json!([["seats", 4_000_000]]));
    let amount = house.app.rows("SELECT amount FROM usage_alert_crossings").await;
    assert_eq!(amount[0]["amount"], 14_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_bring_a_new_value_at_once_reach_a_threshold_once() {
    let house = &house_with_meters().await;
    house.watch("callers", true, "10").await;
    let recorded = (0..20).map(|n| async move {
        let events = json!([used(
            &format!("k{n}"),
            "callers",
            "1",
            &format!("caller {}", n / 2)
        )]);
        house.record(events).await;
    });
    join_all(recorded).await;
    assert_eq!(house.told().await, json!([["callers", 10_000_000]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_alert_is_reached_nothing_more_is_written_or_read() {
    /// What recording asks, but for facts: these are remembered, and are read again from time to time.
    async fn asked(house: &House, key: &str) -> Vec<String> {
        house.app.statements.take();
        house.record(json!([used(key, "seats", "1", "")])).await;
        let asked = house.app.statements.take().into_iter();
        asked
            .map(|statement| statement.sql)
            .filter(|sql| {
                sql.contains("INSERT INTO")
                    || sql.contains("usage_alert_crossings")
                    || sql.contains("usage_values")
            })
            .collect()
    }
    let house = house_with_meters().await;
    // The first makes room in the ledger.
    asked(&house, "0").await;
    let without = asked(&house, "1").await;
    assert!(without.iter().any(|sql| sql.contains("usage_open_quarters")));
    assert!(
        !without.iter().any(|sql| sql.contains("usage_alert")),
        "{without:#?}"
    );
    // An alert on another meter costs nothing either.
    house.watch("calls", true, "1").await;
    assert_eq!(asked(&house, "2").await, without);
    house.watch("seats", true, "2").await;
    assert_ne!(asked(&house, "3").await, without);
}
