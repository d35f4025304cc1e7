//! Each seller's own rule prices its own edge, from its activation on, and every rating has its receipt.

use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::rule_version::{FailurePolicy, RuleKind};
use canopy_domain::rules::RuleSource;
use serde_json::{Value, json};

use crate::app::chain::{Chain, chain};
use crate::app::{App, Caller};
use crate::operations::{EVENT, event};

fn tiered(account: &Account, configuration: Value) -> Value {
    json!({
        "accountId": account.id.as_str(), "kind": "PRICING", "name": "prices",
        "source": {"builtin": "tiered-pricing"}, "configuration": configuration,
    })
}

fn unit(price: &str) -> Value {
    json!({"meters": {"*": {"unit_price": price}}})
}

fn quantity(key: &str, quantity: &str) -> Value {
    let mut event = event(key);
    event["quantity"] = json!(quantity);
    event
}

async fn events_of(app: &App, caller: &Caller, account: &Account) -> Vec<Value> {
    let document = format!(
        "query ($id: ID!) {{ account(id: $id) {{ usageEvents(first: 100) {{ nodes {{ ...Event }} }} }} }} {EVENT}"
    );
    let answer = app
        .run(caller, &document, json!({"id": account.id.as_str()}))
        .await;
    answer
        .at("/account/usageEvents/nodes")
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_rule_prices_the_next_event_and_no_earlier_one() {
    let Chain {
        app,
        accounts: [_, main, client, _],
        owners: [_, owner, ..],
    } = chain().await;
    let first = app.upload_and_activate(&owner, tiered(&main, unit("0.1"))).await;
    app.accepted(&app.record(&owner, &client, json!([quantity("one", "10")])).await);
    let before = events_of(&app, &owner, &client).await;

    let changed = app
        .upload_rule(&owner, tiered(&main, unit("0.25")))
        .await
        .success()["ruleVersion"]
        .clone();
    assert_eq!(changed["version"], 2);
    assert_eq!(changed["status"], "CHECKED");
    app.accepted(&app.record(&owner, &client, json!([quantity("two", "10")])).await);
    let activated = app
        .activate_rule(&owner, json!({"ruleVersionId": changed["id"]}))
        .await;
    assert_eq!(activated.success()["ruleVersion"]["status"], "ACTIVE");
    assert_eq!(activated.success()["previous"]["id"], first["id"]);
    assert_eq!(activated.success()["previous"]["status"], "RETIRED");
    app.accepted(
        &app.record(&owner, &client, json!([quantity("three", "10")]))
            .await,
    );

    let events = events_of(&app, &owner, &client).await;
    assert_eq!(
        events[..1],
        before[..],
        "an earlier event keeps its price and receipt"
    );
    let receipts: Vec<_> = events.iter().map(|event| &event["ratings"][1]).collect();
    let expected = [("1", &first), ("1", &first), ("2.5", &changed)];
    for (receipt, (price, rule)) in receipts.iter().zip(expected) {
        assert_eq!(receipt["price"]["amount"], price);
        assert_eq!(receipt["ruleVersion"], rule["id"]);
        assert_eq!(receipt["ruleDigest"], rule["digest"]);
        assert_eq!(receipt["ruleName"], "prices");
        assert_eq!(receipt["lineItems"][0]["amount"]["amount"], price);
    }
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn activating_an_earlier_version_again_is_a_rollback() {
    let Chain {
        app,
        accounts: [_, main, client, _],
        owners: [_, owner, ..],
    } = chain().await;
    let first = app.upload_and_activate(&owner, tiered(&main, unit("0.1"))).await;
    app.upload_and_activate(&owner, tiered(&main, unit("0.2"))).await;
    app.activate_rule(&owner, json!({"ruleVersionId": first["id"]}))
        .await
        .success();
    let events = app.accepted(&app.record(&owner, &client, json!([quantity("a", "10")])).await);
    assert_eq!(events[0]["ratings"][1]["price"]["amount"], "1");
    assert_eq!(
        app.number("SELECT count(*) FROM rule_activations WHERE retired_at IS NULL")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_fold_down_the_chain_and_each_sees_its_own_edge() {
    let Chain {
        app,
        accounts: [platform, main, client, branch],
        owners,
    } = chain().await;
    app.upload_and_activate(&owners[0], tiered(&platform, unit("0.01")))
        .await;
    let markup = json!({"meters": {"*": {"markup_ppm": 500_000}}});
    app.upload_and_activate(&owners[1], tiered(&main, markup)).await;
    app.upload_and_activate(&owners[2], tiered(&client, unit("0.03")))
        .await;
    app.accepted(
        &app.record(&owners[3], &branch, json!([quantity("call", "100")]))
            .await,
    );

    // (seller, buyer, cost, price), from the top.
    let edges = [
        (&platform, &main, "0", "1"),
        (&main, &client, "1", "1.5"),
        (&client, &branch, "1.5", "3"),
    ];
    let margins = ["1", "0.5", "1.5"];
    for (depth, owner) in owners.iter().enumerate() {
        let events = events_of(&app, owner, &branch).await;
        let seen = events[0]["ratings"].as_array().unwrap();
        let visible = depth.saturating_sub(1)..3;
        assert_eq!(seen.len(), visible.len(), "depth {depth}: {seen:#?}");
        for (rating, edge) in seen.iter().zip(visible) {
            let (seller, buyer, cost, price) = edges[edge];
            assert_eq!(rating["buyer"], buyer.id.as_str());
            assert_eq!(rating["price"]["amount"], price, "edge {edge}");
            let sells = depth <= edge;
            let expected = if sells {
                json!([seller.id.as_str(), {"amount": cost}, {"amount": margins[edge]}])
            } else {
                json!([null, null, null])
            };
            assert_eq!(
                json!([rating["seller"], rating["cost"], rating["margin"]]),
                expected,
                "edge {edge} at {depth}"
            );
        }
    }
    app.assert_balanced().await;
    app.assert_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seller_without_a_rule_passes_its_cost_through() {
    let Chain {
        app,
        accounts: [platform, _, _, branch],
        owners,
    } = chain().await;
    app.upload_and_activate(&owners[0], tiered(&platform, unit("0.01")))
        .await;
    let events = app.accepted(
        &app.record(&owners[0], &branch, json!([quantity("call", "100")]))
            .await,
    );
    let ratings = events[0]["ratings"].as_array().unwrap();
    assert_eq!(ratings.len(), 3);
    for rating in ratings {
        assert_eq!(rating["price"]["amount"], "1");
    }
    assert_eq!(ratings[1]["ruleVersion"], Value::Null);
    assert_eq!(ratings[1]["ruleDigest"], Value::Null);
    assert_eq!(ratings[1]["cost"]["amount"], "1");
    assert_eq!(ratings[1]["margin"]["amount"], "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tier_follows_what_the_buyer_used_in_the_month() {
    let Chain {
        app,
        accounts: [_, main, client, branch],
        owners: [_, owner, ..],
    } = chain().await;
    let tiers = json!([{"up_to": "100", "unit_price": "0.1"}, {"unit_price": "0.05"}]);
    app.upload_and_activate(
        &owner,
        tiered(&main, json!({"meters": {"minutes": {"tiers": tiers}}})),
    )
    .await;
    let mut prices = Vec::new();
    // The branch's usage counts for its seller's buyer, the client.
    for (key, account) in [("a", &client), ("b", &branch), ("c", &client)] {
        let events = app.accepted(&app.record(&owner, account, json!([quantity(key, "60")])).await);
        prices.push(events[0]["ratings"][1]["price"]["amount"].clone());
    }
    assert_eq!(prices, ["6", "5", "3"]);
    let batch = json!([quantity("d", "1"), quantity("e", "1")]);
    for event in app.accepted(&app.record(&owner, &client, batch).await) {
        assert_eq!(event["ratings"][1]["price"]["amount"], "0.05");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_below_cost_is_refused() {
    let Chain {
        app,
        accounts: [platform, main, client, _],
        owners,
    } = chain().await;
    app.upload_and_activate(&owners[0], tiered(&platform, unit("1")))
        .await;
    // A price that is made from the cost and lies below it is not even taken.
    let loss = json!({"meters": {"*": {"markup_ppm": -500_000}}});
    let refused = app.upload_rule(&owners[1], tiered(&main, loss)).await;
    assert_eq!(refused.user_error(), "RULE_FAILED");
    let message = refused.payload()["userErrors"][0]["message"].as_str().unwrap();
    assert!(message.contains("`not-below-cost`"), "{message}");

    let mut rule = tiered(&main, unit("0.5"));
    rule["failurePolicy"] = json!("DENY");
    app.upload_and_activate(&owners[1], rule.clone()).await;
    let before = app.counts().await;
    let answer = app.record(&owners[1], &client, json!([event("a")])).await;
    assert_eq!(
        answer.success()["results"][0]["userErrors"][0]["code"],
        "RULE_FAILED",
        "{:#}",
        answer.0
    );
    assert_eq!(app.counts().await, before);

    rule["failurePolicy"] = json!("KEEP_PENDING");
    app.upload_and_activate(&owners[1], rule).await;
    let events = app.accepted(&app.record(&owners[1], &client, json!([event("b")])).await);
    assert_eq!(events[0]["ratingStatus"], "PENDING");
    assert_eq!(app.count("ratings").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_without_any_rule_waits_and_is_rated_once_later() {
    let Chain {
        app,
        accounts: [_, main, client, _],
        owners: [_, owner, ..],
    } = chain().await;
    let postings = app.count("postings").await;
    let events = app.accepted(&app.record(&owner, &client, json!([quantity("a", "10")])).await);
    assert_eq!(events[0]["ratingStatus"], "PENDING");
    assert_eq!(events[0]["ratings"], json!([]));
    assert_eq!(
        app.domain.rate_pending(100).await.unwrap(),
        0,
        "there is still no rule"
    );
    assert_eq!(app.count("postings").await, postings);

    app.upload_and_activate(&owner, tiered(&main, unit("0.1"))).await;
    assert_eq!(app.domain.rate_pending(100).await.unwrap(), 1);
    assert_eq!(app.domain.rate_pending(100).await.unwrap(), 0);
    let events = events_of(&app, &owner, &client).await;
    assert_eq!(events[0]["ratingStatus"], "RATED");
    assert_eq!(events[0]["ratings"][1]["price"]["amount"], "1");
    let rated = app
        .rows("SELECT seq FROM outbox WHERE CAST(payload AS text) LIKE '%\"RATED\"%'")
        .await;
    assert_eq!(rated.len(), 1);
    app.assert_counted_once().await;
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_without_a_price_for_the_meter_keeps_the_usage_pending() {
    let Chain {
        app,
        accounts: [_, main, client, _],
        owners: [_, owner, ..],
    } = chain().await;
    let source = || RuleSource::Builtin("tiered-pricing".to_owned());
    let minutes = json!({"meters": {"minutes": {"unit_price": "1"}}});
    app.live_rule(&main, RuleKind::Pricing, source(), minutes.clone(), None)
        .await;
    let messages = json!([{"idempotencyKey": "a", "meter": "messages", "quantity": "1"}, event("b")]);
    let events = app.accepted(&app.record(&owner, &client, messages.clone()).await);
    assert_eq!(events[0]["ratingStatus"], "PENDING");
    assert_eq!(
        events[1]["ratingStatus"], "RATED",
        "one line's failure is not another's"
    );

    app.live_rule(
        &main,
        RuleKind::Pricing,
        source(),
        minutes,
        Some(FailurePolicy::Deny),
    )
    .await;
    let refused = json!([{"idempotencyKey": "c", "meter": "messages", "quantity": "1"}, event("d")]);
    let answer = app.record(&owner, &client, refused).await;
    assert_eq!(
        answer.success()["results"][0]["userErrors"][0]["code"],
        "RULE_FAILED"
    );
    assert_eq!(answer.success()["results"][1]["status"], "ACCEPTED");
    app.assert_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_the_rule_does_not_accept_is_refused() {
    let Chain {
        app,
        accounts: [_, main, ..],
        owners: [_, owner, ..],
    } = chain().await;
    let before = app.counts().await;
    for configuration in [
        json!({}),
        json!({"meters": {"*": {"unit_price": "-1"}}}),
        json!({"meters": 1}),
    ] {
        let answer = app.upload_rule(&owner, tiered(&main, configuration)).await;
        assert_eq!(answer.user_error(), "RULE_FAILED");
    }
    let mut unknown = tiered(&main, unit("1"));
    unknown["source"] = json!({"builtin": "no-such-rule"});
    assert_eq!(
        app.upload_rule(&owner, unknown).await.user_error(),
        "BAD_USER_INPUT"
    );
    let mut limits = tiered(&main, unit("1"));
    limits["kind"] = json!("LIMITS");
    let code = app.upload_rule(&owner, limits).await.user_error().to_owned();
    assert!(
        ["RULE_FAILED", "BAD_USER_INPUT"].contains(&code.as_str()),
        "{code}"
    );
    assert_eq!(app.counts().await, before);
}
