//! What was quoted stands: the rule versions, what they were told, and the bounds of a hold.

use canopy_domain::entity::rule_version::{FailurePolicy, RuleKind};
use canopy_domain::rules::RuleSource;
use serde_json::{Value, json};

use super::{minutes, shop};
use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn the_versions_that_were_quoted_make_the_price_whatever_is_live_by_then() {
    let shop = shop().await;
    let app = &shop.app;
    // The first ten at a dollar, then at ten cents.
    let tiers =
        json!({"meters": {"*": {"tiers": [{"up_to": "10", "unit_price": "1"}, {"unit_price": "0.1"}]}}});
    let version = app.tiered_pricing(&shop.main, tiers).await;
    let usage = minutes(&shop.client, "8");
    let quote = app.quote(&shop.owner, &usage).await;
    let token = quote.text("/quoteUsage/quote/token");
    let held = app.hold(&shop.owner, &usage, "a").await;
    let id = held.text("/holdUsage/hold/id");
    assert_eq!(held.at("/holdUsage/hold/price/amount"), "8");
    assert_eq!(held.text("/holdUsage/hold/ruleVersion"), version.to_string());

    // Others use up the first tier, and both sellers change their prices, the upper one to more than was held.
    let events = json!([{"idempotencyKey": "e", "meter": "minutes", "quantity": "10"}]);
    app.accepted(&app.record(&shop.owner, &shop.client, events).await);
    app.unit_price(&shop.platform, "0.4").await;
    app.unit_price(&shop.main, "3").await;
    let mut bound = usage.clone();
    bound["quote"] = json!(token);
    let refused = app.hold(&shop.owner, &bound, "b").await;
    assert_eq!(refused.user_error(), "CONFLICT");
    assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["quote"]));

    let settled = app.settle(&shop.owner, &id, "7").await;
    let event = &settled.success()["event"];
    let prices = event["ratings"].as_array().unwrap().iter();
    let prices: Vec<_> = prices.map(|rating| rating["price"]["amount"].clone()).collect();
    assert_eq!(prices, ["0.7", "7"]);
    assert_eq!(event["ratings"][1]["ruleVersion"], version.to_string());
    assert_eq!(settled.at("/settleHold/hold/price/amount"), "8");
    // Its receipts say what the rules were told, and the same rules say the same again.
    let document = "query ($id: ID!) { node(id: $id) { ... on UsageEvent {
      ratings { explain { steps { replay } } } } } }";
    let explained = app.run(&shop.owner, document, json!({"id": event["id"]})).await;
    let ratings = explained.at("/node/ratings").as_array().unwrap();
    for rating in ratings {
        let steps = rating["explain"]["steps"].as_array().unwrap();
        assert!(steps.iter().all(|step| step["replay"] == "EQUAL"), "{steps:#?}");
    }
    shop.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_held_for_what_has_no_price() {
    let app = App::start().await;
    let main = app.main_account(None, "Shop", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let owner = app.member(&main, canopy_domain::entity::Role::Owner).await;
    let usage = minutes(&client, "1");
    assert_eq!(app.quote(&owner, &usage).await.user_error(), "RULE_FAILED");
    assert_eq!(app.hold(&owner, &usage, "a").await.user_error(), "RULE_FAILED");
    // A rule that says that it has no price for this meter.
    let source = RuleSource::Builtin("tiered-pricing".to_owned());
    let other = json!({"meters": {"seconds": {"unit_price": "1"}}});
    let policy = Some(FailurePolicy::Deny);
    app.live_rule(&main, RuleKind::Pricing, source, other, policy)
        .await;
    let refused = app.hold(&owner, &usage, "a").await;
    assert_eq!(refused.user_error(), "RULE_FAILED");
    assert_eq!(app.count("usage_holds").await, 0);
    // Nobody sells to the topmost account: what it uses costs nothing, and so does its hold.
    let own = app.hold(&owner, &minutes(&main, "5"), "own").await;
    assert_eq!(own.success()["hold"]["price"]["amount"], "0");
    let id = own.text("/holdUsage/hold/id");
    assert_eq!(
        app.settle(&owner, &id, "5").await.success()["event"]["quantity"],
        "5"
    );
    app.assert_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_hold_is_told_at_its_field() {
    let shop = shop().await;
    let app = &shop.app;
    let wrong = |field: &str, value: Value| {
        let mut usage = minutes(&shop.client, "1");
        usage[field] = value;
        usage
    };
    let days = 24 * 60 * 60;
    for (field, value) in [
        ("meter", json!("Minutes")),
        ("quantity", json!("-1")),
        ("attributes", json!([1])),
        ("expiresIn", json!(0)),
        ("expiresIn", json!(-1)),
        ("expiresIn", json!(7 * days + 1)),
    ] {
        let refused = app.hold(&shop.owner, &wrong(field, value.clone()), "k").await;
        assert_eq!(refused.user_error(), "BAD_USER_INPUT", "{field} {value}");
        assert_eq!(refused.payload()["userErrors"][0]["field"], json!([field]));
    }
    let nameless = app.hold(&shop.owner, &minutes(&shop.client, "1"), "").await;
    assert_eq!(
        nameless.payload()["userErrors"][0]["field"],
        json!(["idempotencyKey"])
    );
    assert_eq!(app.count("usage_holds").await, 0);

    let longest = app
        .hold(&shop.owner, &wrong("expiresIn", json!(7 * days)), "long")
        .await;
    let id = longest.text("/holdUsage/hold/id");
    for quantity in ["1.000001", "-1"] {
        let refused = app.settle(&shop.owner, &id, quantity).await;
        assert_eq!(refused.user_error(), "BAD_USER_INPUT");
        assert_eq!(refused.payload()["userErrors"][0]["field"], json!(["quantity"]));
    }
    let nothing = app.settle(&shop.owner, &id, "0").await;
    assert_eq!(nothing.success()["event"]["ratings"][1]["price"]["amount"], "0");
    shop.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_in_the_way_of_a_hold_is_told() {
    let shop = shop().await;
    let id = shop.held("a", "2").await;
    let events = json!([{"idempotencyKey": id, "meter": "minutes", "quantity": "1"}]);
    shop.app
        .accepted(&shop.app.record(&shop.owner, &shop.client, events).await);
    let refused = shop.app.settle(&shop.owner, &id, "2").await;
    assert_eq!(refused.user_error(), "CONFLICT");
    shop.app.void(&shop.owner, &id).await.success();
    shop.assert_right().await;
}
