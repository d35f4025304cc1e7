//! Meters are added up as the plan of the account declares them, exactly, for accounts and trees, whatever is corrected.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use chrono::{Duration, Utc};
use serde_json::{Value, json};

use crate::app::{App, Caller};

/// A seller whose plan has a meter of each kind, a client and the client's branch.
struct Shop {
    app: App,
    client: Account,
    branch: Account,
    owner: Caller,
}

fn declared() -> Value {
    json!({"declared": {
        "calls": {"aggregation": "COUNT", "unit": "CALL"},
        "callers": {"aggregation": "UNIQUE", "unique_by": "caller"},
        "minutes": {"unit": "MINUTE"},
        "seats": {"aggregation": "MAX", "unit": "SEAT", "description": "Seats in use at once."},
    }})
}

async fn shop(meters: Value) -> Shop {
    let app = App::start().await;
    let declare = format!("UPDATE plans SET meters = '{meters}' WHERE id = 'pln_itellico'");
    app.tamper(&declare).await.unwrap();
    let main = app.main_account(None, "Shop", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let branch = app.subaccount(&client, "Branch").await;
    let owner = app.member(&main, Role::Owner).await;
    Shop {
        app,
        client,
        branch,
        owner,
    }
}

/// Usage so many days ago.
fn used(key: &str, meter: &str, quantity: &str, days: i64, caller: &str) -> Value {
    json!({
        "idempotencyKey": key, "meter": meter, "quantity": quantity, "attributes": {"caller": caller},
        "occurredAt": (Utc::now() - Duration::days(days)).to_rfc3339(),
    })
}

/// A correction that takes out an event.
fn void(key: &str) -> Value {
    json!({"idempotencyKey": format!("void-{key}"), "eventIdempotencyKey": key, "kind": "VOID", "reason": "r"})
}

impl Shop {
    async fn record(&self, account: &Account, events: Value) {
        let recorded = self.app.record(&self.owner, account, events).await;
        self.app.accepted(&recorded);
    }

    /// What the meters come to over the last days, and day by day; the same whether anybody looks at days.
    async fn sums(&self, account: &Account, below: bool) -> (Value, Vec<Value>) {
        let fields = "meter unit aggregation quantity";
        let document = format!(
            "query ($id: ID!, $below: Boolean!) {{ account(id: $id) {{
               both: usage(includeDescendants: $below) {{ totals {{ {fields} }} buckets {{ {fields} }} }}
               alone: usage(includeDescendants: $below) {{ totals {{ {fields} }} }} }} }}"
        );
        let variables = json!({"id": account.id.as_str(), "below": below});
        // The second time by a query plan.
        let first = self.app.run(&self.owner, &document, variables.clone()).await;
        let answer = self.app.run(&self.owner, &document, variables).await;
        assert_eq!(first.0, answer.0);
        let account = answer.at("/account");
        assert_eq!(account["both"]["totals"], account["alone"]["totals"]);
        let told = |sum: &Value| json!([sum["meter"], sum["aggregation"], sum["unit"], sum["quantity"]]);
        let totals: Vec<_> = account["alone"]["totals"]
            .as_array()
            .unwrap()
            .iter()
            .map(told)
            .collect();
        let buckets = account["both"]["buckets"].as_array().unwrap();
        let buckets = buckets
            .iter()
            .map(|sum| json!([sum["meter"], sum["quantity"]]))
            .collect();
        (json!(totals), buckets)
    }

    async fn correct(&self, account: &Account, correction: Value) {
        let document = "mutation ($input: CorrectUsageInput!) {
          correctUsage(input: $input) { results { status } userErrors { message } } }";
        let input = json!({"accountId": account.id.as_str(), "corrections": [correction]});
        let answer = self.app.run(&self.owner, document, json!({"input": input})).await;
        assert_eq!(
            answer.success()["results"][0]["status"],
            "ACCEPTED",
            "{:#}",
            answer.0
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_meter_is_added_up_as_it_is_declared() {
    let shop = shop(declared()).await;
    let events = json!([
        used("1", "callers", "1", 2, "ann"),
        used("2", "callers", "1", 2, "bob"),
        used("3", "callers", "1", 1, "ann"),
        used("4", "seats", "5", 2, ""),
        used("5", "seats", "8", 1, ""),
        used("6", "seats", "3", 1, ""),
        used("7", "calls", "2.5", 1, ""),
        used("8", "calls", "0", 1, ""),
        used("9", "minutes", "4", 1, ""),
        used("10", "other", "6", 1, ""),
    ]);
    shop.record(&shop.client, events).await;
    let branch = json!([
        used("1", "callers", "1", 1, "ann"),
        used("2", "callers", "1", 1, "eve"),
        used("3", "seats", "6", 2, ""),
    ]);
    shop.record(&shop.branch, branch).await;
    let all = |callers: &str, seats: &str| {
        json!([
            ["callers", "UNIQUE", null, callers],
            ["calls", "COUNT", "CALL", "2"],
            ["minutes", "SUM", "MINUTE", "4"],
            ["other", "SUM", null, "6"],
            ["seats", "MAX", "SEAT", seats],
        ])
    };
    let (totals, days) = shop.sums(&shop.client, false).await;
    assert_eq!(totals, all("2", "8"));
    let of = |days: &[Value], meter: &str| -> Vec<Value> {
        let days = days.iter().filter(|day| day[0] == meter);
        days.map(|day| day[1].clone()).collect()
    };
    assert_eq!(of(&days, "callers"), ["2", "1"]);
    assert_eq!(of(&days, "seats"), ["5", "8"]);
    let (totals, days) = shop.sums(&shop.client, true).await;
    assert_eq!(totals, all("3", "8"));
    assert_eq!(of(&days, "callers"), ["2", "2"]);
    assert_eq!(of(&days, "seats"), ["6", "8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_gone_when_the_last_event_with_it_is_taken_out() {
    let shop = shop(declared()).await;
    let events = json!([
        used("1", "callers", "1", 1, "ann"),
        used("2", "callers", "1", 1, "ann"),
        used("3", "callers", "1", 1, "bob"),
        used("4", "seats", "8", 1, ""),
        used("5", "seats", "3", 1, ""),
    ]);
    shop.record(&shop.client, events).await;
    let quantities = async || {
        let (own, _) = shop.sums(&shop.client, false).await;
        let (tree, _) = shop.sums(&shop.client, true).await;
        assert_eq!(own, tree);
        [own[0][3].clone(), own[1][3].clone()]
    };
    assert_eq!(quantities().await, ["2", "8"]);
    shop.correct(&shop.client, void("1")).await;
    shop.correct(&shop.client, void("4")).await;
    assert_eq!(quantities().await, ["2", "3"]);
    shop.correct(&shop.client, void("2")).await;
    let amend = json!({
        "idempotencyKey": "more", "eventIdempotencyKey": "5", "kind": "AMEND", "quantity": "4", "reason": "r",
    });
    shop.correct(&shop.client, amend).await;
    assert_eq!(quantities().await, ["1", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_from_before_its_meter_was_declared_takes_no_value_out() {
    let shop = shop(json!({})).await;
    let early = json!([
        used("1", "callers", "1", 1, "ann"),
        used("2", "seats", "8", 1, ""),
    ]);
    shop.record(&shop.client, early).await;
    let declare = format!(
        "UPDATE plans SET meters = '{}' WHERE id = 'pln_itellico'",
        declared()
    );
    shop.app.tamper(&declare).await.unwrap();
    let later = json!([
        used("3", "callers", "1", 1, "ann"),
        used("4", "seats", "8", 1, ""),
    ]);
    shop.record(&shop.client, later).await;
    for key in ["1", "2"] {
        shop.correct(&shop.client, void(key)).await;
    }
    for below in [false, true] {
        let (totals, _) = shop.sums(&shop.client, below).await;
        assert_eq!([&totals[0][3], &totals[1][3]], ["1", "8"]);
    }
    shop.app.assert_balanced().await;
    for key in ["3", "4"] {
        shop.correct(&shop.client, void(key)).await;
    }
    for below in [false, true] {
        let (totals, _) = shop.sums(&shop.client, below).await;
        assert_eq!(totals, json!([]));
    }
    shop.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_may_refuse_what_it_does_not_declare() {
    let mut meters = declared();
    meters["undeclared"] = json!("REFUSE");
    let shop = shop(meters).await;
    let mut anonymous = used("b", "callers", "1", 0, "");
    anonymous["attributes"] = json!({});
    let batch = json!([
        used("a", "other", "1", 0, ""),
        anonymous,
        used("c", "minutes", "1", 0, "")
    ]);
    let answer = shop.app.record(&shop.owner, &shop.client, batch).await;
    let results = answer.success()["results"].as_array().unwrap();
    for (result, field) in results.iter().zip(["meter", "attributes"]) {
        assert_eq!(result["status"], "REJECTED");
        assert_eq!(result["userErrors"][0]["code"], "BAD_USER_INPUT");
        assert_eq!(result["userErrors"][0]["field"][2], field);
    }
    assert_eq!(results[2]["status"], "ACCEPTED");
    assert_eq!(shop.app.count("usage_events").await, 1);
    let document = "query ($id: ID!) { account(id: $id) { plan {
      undeclaredMeters meters { name aggregation uniqueBy unit description } } } }";
    let id = json!({"id": shop.client.id.as_str()});
    let answer = shop.app.run(&shop.owner, document, id).await;
    let plan = answer.at("/account/plan");
    assert_eq!(plan["undeclaredMeters"], "REFUSE");
    assert_eq!(
        plan["meters"][0],
        json!({"name": "callers", "aggregation": "UNIQUE", "uniqueBy": "caller", "unit": null, "description": null})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_sums_are_enough_nothing_more_is_written() {
    let app = App::start().await;
    let main = app.main_account(None, "Shop", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let owner = app.member(&main, Role::Owner).await;
    app.statements.take();
    app.accepted(
        &app.record(&owner, &client, json!([used("a", "minutes", "1", 0, "")]))
            .await,
    );
    let statements = app.statements.take();
    let mentions = |name: &str| statements.iter().any(|statement| statement.sql.contains(name));
    assert!(mentions("usage_open_quarters") && !mentions("usage_values"));
}
