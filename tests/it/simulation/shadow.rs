//! Versions beside the live one, and the guard in front of it.

use serde::Serialize;
use serde_json::{Value, json};

use super::{House, SIMULATION, accounts, house};
use crate::operations::event;

/// The results so far of the version with this id.
async fn shadow_of(house: &House, version: &impl Serialize) -> Value {
    let document = format!(
        "query ($id: ID!) {{ node(id: $id) {{ ... on RuleVersion {{ status shadow {{ ...S }} }} }} }} {SIMULATION}"
    );
    let answer = house.app.run(&house.owner, &document, json!({"id": version}));
    answer.await.at("/node/shadow").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_counts_each_new_event_once_and_decides_nothing() {
    let house = house().await;
    let live = house.app.unit_price(&house.main, "0.1").await.to_string();
    house.use_up(&house.client, "before", &["10"]).await;
    house.app.relay().await;
    let candidate = house
        .upload(json!({"meters": {"minutes": {"unit_price": "0.2"}}}))
        .await;
    let shadow = json!({"ruleVersionId": candidate});
    house
        .app
        .rule_step(&house.owner, "shadowRule", shadow)
        .await
        .success();
    let follow = async || house.app.domain.follow_shadows("test").await.unwrap();
    assert_eq!(follow().await, 0);

    house.use_up(&house.client, "one", &["1", "2"]).await;
    assert_eq!(follow().await, 0, "news comes with its position");
    house.app.relay().await;
    assert_eq!(follow().await, 2);
    assert_eq!(follow().await, 0);
    let mut unknown = event("unknown");
    unknown["meter"] = json!("texts");
    let events = house
        .app
        .record(&house.owner, &house.other, json!([unknown, event("known")]))
        .await;
    let events = house.app.accepted(&events);
    assert!(
        events
            .iter()
            .all(|event| event["ratings"][0]["ruleVersion"] == live.as_str())
    );
    house.app.relay().await;
    // Two at once, as two processes would.
    let other = house.app.domain.follow_shadows("other");
    let (first, second) = futures_util::join!(house.app.domain.follow_shadows("test"), other);
    assert!(first.unwrap() + second.unwrap() >= 2);

    let told = shadow_of(&house, &candidate).await;
    assert_eq!(
        (&told["kind"], &told["status"]),
        (&json!("SHADOW"), &json!("RUNNING"))
    );
    assert_eq!(
        (&told["eventsDone"], &told["failures"]),
        (&json!(4), &json!(1)),
        "{told:#}"
    );
    assert_eq!(
        (&told["before"]["amount"], &told["after"]["amount"]),
        (&json!("0.4"), &json!("0.8"))
    );
    let by_account: Vec<_> = accounts(&told)
        .into_iter()
        .map(|account| (account.0, account.1))
        .collect();
    assert_eq!(
        by_account,
        [(house.client.id.to_string(), 2), (house.other.id.to_string(), 2)]
    );

    let activate = json!({"ruleVersionId": candidate});
    house.app.activate_rule(&house.owner, activate).await.success();
    house.use_up(&house.client, "after", &["5"]).await;
    house.app.relay().await;
    assert_eq!(follow().await, 0);
    let told = shadow_of(&house, &candidate).await;
    assert_eq!(
        (&told["status"], &told["eventsDone"]),
        (&json!("DONE"), &json!(4))
    );
    house.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_account_activates_only_what_was_tried_or_is_confirmed() {
    let house = house().await;
    house.app.unit_price(&house.main, "0.1").await;
    house.use_up(&house.client, "one", &["10", "20"]).await;
    let guard = "mutation ($input: SetRuleGuardInput!) {
      setRuleGuard(input: $input) { maxVariance replayed userErrors { code } }
    }";
    let main = house.main.id.as_str();
    for (given, answered) in [(json!("-1"), None), (json!("5"), Some(json!("5")))] {
        let input = json!({"input": {"accountId": main, "maxVariance": given}});
        let answer = house.app.run(&house.owner, guard, input).await;
        match answered {
            Some(answered) => assert_eq!(answer.success()["maxVariance"], answered),
            None => assert_eq!(answer.user_error(), "BAD_USER_INPUT"),
        }
    }
    let near = house
        .upload(json!({"meters": {"*": {"unit_price": "0.105"}}}))
        .await;
    let far = house
        .upload(json!({"meters": {"*": {"unit_price": "0.105001"}}}))
        .await;
    let activate = async |rule: &str, more: Value| {
        let mut input = json!({"ruleVersionId": rule});
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        house.app.activate_rule(&house.owner, input).await
    };
    assert_eq!(
        activate(&near, json!({})).await.user_error(),
        "CONFLICT",
        "it was not tried"
    );
    house
        .done(&near, json!({"accountIds": [house.other.id.as_str()]}))
        .await;
    house
        .done(
            &near,
            json!({"configuration": {"meters": {"*": {"unit_price": "0.1"}}}}),
        )
        .await;
    assert_eq!(
        activate(&near, json!({})).await.user_error(),
        "CONFLICT",
        "not as it is, or not on everybody"
    );
    assert_eq!(house.done(&near, json!({})).await["variance"], "5");
    activate(&near, json!({})).await.success();

    assert_eq!(house.done(&far, json!({})).await["variance"], "5.001");
    let refused = activate(&far, json!({})).await;
    assert_eq!(refused.user_error(), "CONFLICT");
    let message = refused.payload()["userErrors"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("5.001 %") && message.contains("5 %"),
        "{message}"
    );
    activate(&far, json!({"confirmVariance": true})).await.success();
    let confirmed = "SELECT id FROM audit_log WHERE CAST(detail AS text) LIKE '%variance_confirmed%'";
    assert_eq!(house.app.rows(confirmed).await.len(), 1);
    let lift = json!({"input": {"accountId": main}});
    assert_eq!(
        house.app.run(&house.owner, guard, lift).await.success()["maxVariance"],
        Value::Null
    );
    let cheap = house.upload(json!({"meters": {"*": {"unit_price": "9"}}})).await;
    activate(&cheap, json!({})).await.success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_met_usage_satisfies_the_guard() {
    let house = house().await;
    house.app.unit_price(&house.main, "0.1").await;
    house.app.guard(&house.main, "5").await;
    let follow = async || house.app.domain.follow_shadows("test").await.unwrap();
    let step = async |step: &str, rule: &str| {
        let input = json!({ "ruleVersionId": rule });
        house.app.rule_step(&house.owner, step, input).await
    };
    for (price, key, is_near) in [("0.2", "far", false), ("0.105", "near", true)] {
        let rule = house
            .upload(json!({"meters": {"*": {"unit_price": price}}}))
            .await;
        step("shadowRule", &rule).await.success();
        follow().await;
        let untried = step("activateRule", &rule).await;
        assert_eq!(untried.user_error(), "CONFLICT", "it has met nothing");
        house.use_up(&house.client, key, &["10", "20"]).await;
        house.app.relay().await;
        assert_eq!(follow().await, 2);
        let tried = step("activateRule", &rule).await;
        if is_near {
            tried.success();
            continue;
        }
        assert_eq!(tried.user_error(), "CONFLICT");
        let message = tried.payload()["userErrors"][0]["message"].as_str().unwrap();
        assert!(message.contains("in the last shadow is 100 %"), "{message}");
        // A dry run after it counts in its place, and the other way round.
        house.done(&rule, json!({})).await;
        let message = step("activateRule", &rule).await.payload()["userErrors"][0]["message"].to_string();
        assert!(message.contains("in the last dry run"), "{message}");
    }
    // What was in shadow once and is no more counts as well.
    let rule = house
        .upload(json!({"meters": {"*": {"unit_price": "0.106"}}}))
        .await;
    step("shadowRule", &rule).await.success();
    follow().await;
    house.use_up(&house.client, "done", &["10"]).await;
    house.app.relay().await;
    assert_eq!(follow().await, 1);
    step("retireRule", &rule).await.success();
    follow().await;
    assert_eq!(shadow_of(&house, &rule).await["status"], "DONE");
    step("activateRule", &rule).await.success();
}
