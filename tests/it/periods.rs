//! A closed month never changes: what comes late counts at the present, and says which month it adjusts.

use std::time::Duration;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use chrono::{DateTime, Datelike, Months, TimeZone, Utc};
use serde_json::{Value, json};

use crate::app::{App, Caller};
use crate::operations::event;

/// A seller at fifty cents a unit, and its client.
struct Shop {
    app: App,
    main: Account,
    client: Account,
    owner: Caller,
}

async fn shop() -> Shop {
    let app = App::start().await;
    let main = app.main_account(None, "Shop", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let owner = app.member(&main, Role::Owner).await;
    Shop {
        app,
        main,
        client,
        owner,
    }
}

/// The first instant of this month.
fn this_month() -> DateTime<Utc> {
    let now = Utc::now();
    Utc.with_ymd_and_hms(now.year(), now.month(), 1, 0, 0, 0).unwrap()
}

/// The first instant of the month before.
fn last_month() -> DateTime<Utc> {
    this_month().checked_sub_months(Months::new(1)).unwrap()
}

/// An event at the end of the month before, which is never older than usage may be.
fn late(key: &str, quantity: &str) -> Value {
    let at = this_month() - chrono::Duration::hours(1);
    let mut event = event(key);
    event["quantity"] = json!(quantity);
    event["occurredAt"] = json!(at.to_rfc3339());
    event
}

impl Shop {
    async fn record(&self, events: Value) -> Vec<Value> {
        let recorded = self.app.record(&self.owner, &self.client, events).await;
        self.app.accepted(&recorded)
    }

    async fn close(&self) -> u64 {
        self.app.domain.close_periods(Duration::ZERO, 100).await.unwrap()
    }

    /// Quantity, events and amount of the month before and of this one: of the client, then of the whole tree.
    async fn months(&self) -> [Value; 4] {
        let document = "query ($id: ID!, $below: Boolean!, $period: UsagePeriodInput!) { account(id: $id) {
          usage(granularity: MONTH, includeDescendants: $below, period: $period) {
            buckets { start quantity events amount { amount } }
          } } }";
        let period = json!({"start": last_month().to_rfc3339(), "end": Utc::now().to_rfc3339()});
        let mut months = Vec::new();
        for (account, below) in [(&self.client, false), (&self.main, true)] {
            let variables = json!({"id": account.id.as_str(), "below": below, "period": period});
            let answer = self.app.run(&self.owner, document, variables).await;
            let buckets = answer.at("/account/usage/buckets").as_array().unwrap().clone();
            for start in [last_month(), this_month()] {
                let of_month = |bucket: &&Value| {
                    let text = bucket["start"].as_str().unwrap();
                    text.parse::<DateTime<Utc>>().unwrap() == start
                };
                months.push(match buckets.iter().find(of_month) {
                    None => Value::Null,
                    Some(sum) => json!([sum["quantity"], sum["events"], sum["amount"]["amount"]]),
                });
            }
        }
        months.try_into().unwrap()
    }

    /// Asserts what the months hold, which is the same for the client and for the tree.
    #[track_caller]
    fn assert_months(found: [Value; 4], last: Value, this: Value) {
        assert_eq!(found, [last.clone(), this.clone(), last, this]);
    }

    async fn correct(&self, correction: Value) -> Value {
        let document = "mutation ($input: CorrectUsageInput!) { correctUsage(input: $input) {
          results { status userErrors { message }
            reversal { quantity occurredAt countedAt adjusts }
            replacement { quantity occurredAt countedAt adjusts } } } }";
        let input = json!({"accountId": self.client.id.as_str(), "corrections": [correction]});
        let answer = self.app.run(&self.owner, document, json!({"input": input})).await;
        let result = answer.at("/correctUsage/results/0").clone();
        assert_eq!(result["status"], "ACCEPTED", "{result:#}");
        result
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_month_is_closed_counts_now_and_names_it() {
    let shop = shop().await;
    shop.app.unit_price(&shop.main, "0.5").await;
    shop.record(json!([late("in-time", "4")])).await;
    let last = json!(["4", 1, "2"]);
    Shop::assert_months(shop.months().await, last.clone(), Value::Null);
    assert_eq!(shop.close().await, 1);
    assert_eq!(shop.close().await, 0, "it is closed once");

    shop.record(json!([late("too-late", "6"), event("today")])).await;
    Shop::assert_months(shop.months().await, last.clone(), json!(["7", 2, "3.5"]));
    let document = "query ($id: ID!) { account(id: $id) {
      closedPeriods { start end closedAt }
      usageEvents(first: 10) { nodes { idempotencyKey occurredAt countedAt adjusts } } } }";
    let id = json!({"id": shop.client.id.as_str()});
    let answer = shop.app.run(&shop.owner, document, id).await;
    let periods = answer.at("/account/closedPeriods").as_array().unwrap();
    assert_eq!(periods.len(), 1);
    let instant = |value: &Value| value.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert_eq!(instant(&periods[0]["start"]), last_month());
    assert_eq!(instant(&periods[0]["end"]), this_month());
    let events = answer.at("/account/usageEvents/nodes").as_array().unwrap();
    let adjusts: Vec<_> = events.iter().map(|event| event["adjusts"].clone()).collect();
    assert_eq!(adjusts[0], Value::Null);
    assert_eq!(instant(&adjusts[1]), last_month());
    assert_eq!(adjusts[2], Value::Null);
    assert!(instant(&events[1]["countedAt"]) >= this_month());
    assert_eq!(
        instant(&events[1]["occurredAt"]),
        this_month() - chrono::Duration::hours(1)
    );
    assert_eq!(events[0]["countedAt"], events[0]["occurredAt"]);
    shop.app.assert_counted_once().await;
    shop.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_of_a_closed_month_counts_now() {
    let shop = shop().await;
    shop.app.unit_price(&shop.main, "0.5").await;
    shop.record(json!([late("a", "4"), late("b", "10")])).await;
    shop.close().await;
    let last = json!(["14", 2, "7"]);
    let void = json!({"idempotencyKey": "v", "eventIdempotencyKey": "a", "kind": "VOID", "reason": "r"});
    let made = shop.correct(void).await;
    let adjusts = made["reversal"]["adjusts"].as_str().unwrap();
    assert_eq!(adjusts.parse::<DateTime<Utc>>().unwrap(), last_month());
    Shop::assert_months(shop.months().await, last.clone(), json!(["-4", -1, "-2"]));

    let amend = json!({
        "idempotencyKey": "m", "eventIdempotencyKey": "b", "kind": "AMEND", "quantity": "12", "reason": "r",
    });
    let made = shop.correct(amend).await;
    assert_eq!(made["replacement"]["adjusts"], made["reversal"]["adjusts"]);
    Shop::assert_months(shop.months().await, last.clone(), json!(["-2", -1, "-1"]));
    // What counts in an open month is taken out there.
    let void = json!({"idempotencyKey": "w", "eventIdempotencyKey": "b", "kind": "VOID", "reason": "r"});
    let again = shop.correct(void).await;
    assert_eq!(again["reversal"]["countedAt"], made["replacement"]["countedAt"]);
    Shop::assert_months(shop.months().await, last, json!(["-14", -2, "-7"]));
    shop.app.assert_counted_once().await;
    shop.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_comes_after_the_close_counts_when_it_comes() {
    let shop = shop().await;
    shop.record(json!([late("a", "4")])).await;
    shop.close().await;
    let last = json!(["4", 1, "0"]);
    Shop::assert_months(shop.months().await, last.clone(), Value::Null);
    shop.app.unit_price(&shop.main, "0.5").await;
    assert_eq!(shop.app.domain.rate_pending(10).await.unwrap(), 1);
    Shop::assert_months(shop.months().await, last.clone(), json!(["0", 0, "2"]));
    let void = json!({"idempotencyKey": "v", "eventIdempotencyKey": "a", "kind": "VOID", "reason": "r"});
    shop.correct(void).await;
    Shop::assert_months(shop.months().await, last, json!(["-4", -1, "0"]));
    shop.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_beside_recording_leaves_no_event_between_the_two() {
    let shop = shop().await;
    shop.app.unit_price(&shop.main, "0.5").await;
    shop.record(json!([late("first", "1")])).await;
    let recording = (0..40).map(|n| {
        let shop = &shop;
        async move { shop.record(json!([late(&format!("e{n}"), "1")])).await }
    });
    let closing = async {
        shop.close().await;
        shop.months().await
    };
    let (_, closed) = futures_util::join!(futures_util::future::join_all(recording), closing);
    let after = shop.months().await;
    assert_eq!((&after[0], &after[2]), (&closed[0], &closed[2]));
    let in_time = "SELECT count(*) FROM usage_events WHERE adjusts IS NULL";
    let in_time = shop.app.number(in_time).await;
    assert_eq!(after[0][1], in_time);
    let too_late = 41 - in_time;
    assert_eq!(after[1].get(1).and_then(Value::as_i64).unwrap_or(0), too_late);
    println!("{in_time} in time, {too_late} too late");
    shop.app.assert_counted_once().await;
    shop.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_closed_stays_closed() {
    let shop = shop().await;
    shop.record(json!([late("a", "4")])).await;
    shop.close().await;
    for sql in [
        "UPDATE usage_periods SET closed_at = starts_at",
        "DELETE FROM usage_periods",
    ] {
        assert!(shop.app.tamper(sql).await.is_err(), "{sql}");
    }
    // Longer after is earlier, and opens nothing again.
    let long = Duration::from_secs(90 * 24 * 60 * 60);
    assert_eq!(shop.app.domain.close_periods(long, 100).await.unwrap(), 0);
    assert_eq!(shop.app.count("usage_periods").await, 1);
}
