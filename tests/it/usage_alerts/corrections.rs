//! A threshold that was told stays told, whatever is corrected afterwards.

use chrono::{Datelike, TimeZone, Utc};
use serde_json::{Value, json};

use super::{House, alert, house, minutes};

impl House {
    async fn correct(&self, key: &str, quantity: Option<&str>) {
        let mut correction = json!({
            "idempotencyKey": format!("{key}-corrected"), "eventIdempotencyKey": key, "kind": "VOID", "reason": "r",
        });
        if let Some(quantity) = quantity {
            correction["kind"] = json!("AMEND");
            correction["quantity"] = json!(quantity);
        }
        let document = "mutation ($input: CorrectUsageInput!) {
          correctUsage(input: $input) { results { status } userErrors { message } } }";
        let input = json!({"accountId": self.client.id.as_str(), "corrections": [correction]});
        let answer = self.app.run(&self.owner, document, json!({"input": input})).await;
        assert_eq!(
            answer.success()["results"][0]["status"],
            "ACCEPTED",
            "{:#}",
            answer.0
        );
    }

    /// What was told so far, in micro-units: the quantities.
    async fn quantities(&self) -> Vec<Value> {
        self.app.crossings().await;
        let told = self
            .app
            .rows("SELECT quantity FROM usage_alert_crossings ORDER BY id")
            .await;
        told.iter().map(|row| row["quantity"].clone()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_leaves_a_crossing_as_it_was() {
    let house = house().await;
    for threshold in ["10", "20"] {
        let input = alert(&house.client, json!({"quantity": threshold}));
        house.app.create_alert(&house.owner, input).await.success();
    }
    house.use_up(&house.client, "a", "12").await;
    assert_eq!(house.quantities().await, [12_000_000]);
    house.correct("a", None).await;
    assert_eq!(house.quantities().await, [12_000_000]);
    // The sum rises again, and the threshold was told in this month.
    house.use_up(&house.client, "b", "15").await;
    assert_eq!(house.quantities().await, [12_000_000]);
    // What was voided does not count towards the other.
    house.use_up(&house.client, "c", "4.999999").await;
    assert_eq!(house.quantities().await, [12_000_000]);
    house.use_up(&house.client, "d", "0.000001").await;
    assert_eq!(house.quantities().await, [12_000_000, 20_000_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_reaches_a_threshold_too() {
    let house = house().await;
    let input = alert(&house.client, json!({"quantity": "10"}));
    house.app.create_alert(&house.owner, input).await.success();
    house.use_up(&house.client, "a", "4").await;
    house.correct("a", Some("9")).await;
    assert_eq!(house.quantities().await, [] as [Value; 0]);
    house.use_up(&house.client, "b", "0.5").await;
    house.correct("b", Some("1")).await;
    assert_eq!(house.quantities().await, [10_000_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_month_is_closed_counts_for_this_one() {
    let house = house().await;
    let input = alert(&house.client, json!({"quantity": "10"}));
    house.app.create_alert(&house.owner, input).await.success();
    let now = Utc::now();
    let this_month = Utc.with_ymd_and_hms(now.year(), now.month(), 1, 0, 0, 0).unwrap();
    let late = async |key: &str, quantity: &str| {
        let mut event = minutes(key, quantity);
        event["occurredAt"] = json!((this_month - chrono::Duration::hours(1)).to_rfc3339());
        let recorded = house
            .app
            .record(&house.owner, &house.client, json!([event]))
            .await;
        house.app.accepted(&recorded);
    };
    late("a", "9").await;
    house
        .app
        .domain
        .close_periods(std::time::Duration::ZERO, 100)
        .await
        .unwrap();
    // The closed month would reach it, and does not change.
    late("b", "9").await;
    assert_eq!(house.quantities().await, [] as [Value; 0]);
    house.use_up(&house.client, "c", "1").await;
    assert_eq!(house.quantities().await, [10_000_000]);
    let month = house
        .app
        .rows("SELECT period_start FROM usage_alert_crossings")
        .await;
    let month = month[0]["period_start"].as_str().unwrap().to_owned();
    assert!(
        month.starts_with(&this_month.format("%Y-%m-%d").to_string()),
        "{month}"
    );
}
