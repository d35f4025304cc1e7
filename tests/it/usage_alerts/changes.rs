//! Alerts are made, changed and deleted by whoever may, within bounds, and told of at once where that is due.

use canopy_domain::entity::{Level, PermissionKey};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{alert, house};
use crate::app::Answer;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_reached_before_is_told_when_the_threshold_is_set() {
    let house = house().await;
    house.use_up(&house.client, "a", "20").await;
    let made = house
        .app
        .create_alert(&house.owner, alert(&house.client, json!({"quantity": "10"})))
        .await;
    let made = made.success()["usageAlert"].clone();
    assert_eq!(made["crossings"]["nodes"][0]["quantity"], "20");
    let update = async |input: Value| {
        let changed = house
            .app
            .change_alert(&house.owner, "updateUsageAlert", input)
            .await;
        changed.success()["usageAlert"]["crossings"]["totalCount"].clone()
    };
    // Another name is no other threshold; a higher one is told when it is reached, and a lower one at once.
    let id = &made["id"];
    assert_eq!(
        update(json!({"id": id, "name": "Other", "threshold": {"quantity": "10"}})).await,
        1
    );
    assert_eq!(
        update(json!({"id": id, "threshold": {"quantity": "30"}})).await,
        1
    );
    house.use_up(&house.client, "b", "10").await;
    assert_eq!(house.app.crossings().await, 2);
    assert_eq!(update(json!({"id": id, "threshold": {"amount": "1"}})).await, 3);

    let gone = house
        .app
        .change_alert(&house.owner, "deleteUsageAlert", json!({"id": id}))
        .await;
    assert_eq!(gone.success()["usageAlert"]["name"], "Other");
    assert_eq!(house.app.count("usage_alert_crossings").await, 0);
    house.use_up(&house.client, "c", "1000").await;
    assert_eq!(house.app.count("usage_alert_crossings").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_report_usage_sets_no_alert() {
    let house = house().await;
    let usage = (PermissionKey::Usage, Level::Full);
    let producer = house.app.api_key(&house.main, &[usage]).await;
    let keeper = house
        .app
        .api_key(&house.main, &[usage, (PermissionKey::Settings, Level::Full)])
        .await;
    let blind = house
        .app
        .api_key(&house.main, &[(PermissionKey::Settings, Level::Full)])
        .await;
    let new = alert(&house.client, json!({"quantity": "1"}));
    for caller in [&producer, &blind] {
        let refused = house.app.create_alert(caller, new.clone()).await;
        assert_eq!(refused.code(), "FORBIDDEN");
    }
    let made = house.app.create_alert(&keeper, new).await;
    let id = json!({"id": made.text("/createUsageAlert/usageAlert/id")});
    for field in ["updateUsageAlert", "deleteUsageAlert"] {
        let refused = house.app.change_alert(&producer, field, id.clone()).await;
        assert_eq!(refused.code(), "FORBIDDEN");
    }
    // Whoever may see usage may see what is watched.
    let document = "query ($id: ID!) { account(id: $id) { usageAlerts { nodes { id } } } }";
    let variables = json!({"id": house.client.id.as_str()});
    let seen = house.app.run(&producer, document, variables.clone()).await;
    assert_eq!(*seen.at("/account/usageAlerts/nodes/0"), id);
    let hidden = house.app.run(&blind, document, variables).await;
    assert_eq!(hidden.code(), "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_alert_may_not_be_is_refused() {
    let house = house().await;
    for (field, wrong) in [
        ("name", json!(" ")),
        ("meter", json!("Many Minutes")),
        ("threshold", json!({"quantity": "0"})),
        ("threshold", json!({"amount": "-1"})),
    ] {
        let mut input = alert(&house.client, json!({"quantity": "1"}));
        input[field] = wrong;
        let refused = house.app.create_alert(&house.owner, input).await;
        assert_eq!(refused.user_error(), "BAD_USER_INPUT", "{field}");
        assert_eq!(refused.payload()["userErrors"][0]["field"], json!([field]));
    }
    for _ in 0..100 {
        let input = alert(&house.client, json!({"quantity": "1"}));
        house.app.create_alert(&house.owner, input).await.success();
    }
    let one_more = house
        .app
        .create_alert(&house.owner, alert(&house.client, json!({"quantity": "1"})))
        .await;
    assert_eq!(one_more.user_error(), "LIMIT_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_made_changed_and_deleted_once() {
    let house = &house().await;
    let mut new = alert(&house.client, json!({"quantity": "1"}));
    new["idempotencyKey"] = json!("once");
    let made = join_all((0..6).map(|_| house.app.create_alert(&house.owner, new.clone()))).await;
    let id = made[0].text("/createUsageAlert/usageAlert/id");
    assert_once(&made);
    assert_eq!(house.app.count("usage_alerts").await, 1);
    for field in ["updateUsageAlert", "deleteUsageAlert"] {
        let input = json!({"id": id, "idempotencyKey": "once"});
        let done = join_all((0..6).map(|_| house.app.change_alert(&house.owner, field, input.clone()))).await;
        assert_once(&done);
    }
    assert_eq!(house.app.count("usage_alerts").await, 0);
}

fn assert_once(answers: &[Answer]) {
    let first = answers
        .iter()
        .filter(|answer| answer.success()["replayed"] == false);
    assert_eq!(first.count(), 1);
}
