//! The last runs of a rule version, told to its owner.

use canopy_domain::entity::rule_version::RuleKind;
use canopy_domain::rules::RuleSource;
use serde_json::{Value, json};

use super::{Chain, chain, tiers, used};
use crate::app::rules;

const RUNS: &str = "query ($id: ID!, $first: Int) { node(id: $id) { ... on RuleVersion {
  runs(first: $first) { at rating { id price { amount } } failure { kind } input output logs replay note }
} } }";

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_sees_the_last_runs_newest_first_and_nobody_below_does() {
    let Chain {
        app,
        accounts: [_, main, client, branch],
        owners,
    } = chain().await;
    let rule = app.tiered_pricing(&main, tiers()).await;
    for n in 0..5 {
        let event = json!([used(n, "3", json!({"n": n}))]);
        app.accepted(
            &app.record(&owners[1], if n % 2 == 0 { &client } else { &branch }, event)
                .await,
        );
    }
    let variables = json!({"id": rule.as_str(), "first": 3});
    for owner in &owners[..2] {
        let answer = app.run(owner, RUNS, variables.clone()).await;
        let runs = answer.at("/node/runs").as_array().unwrap();
        let numbers: Vec<&str> = runs.iter().map(|run| run["input"].as_str().unwrap()).collect();
        assert_eq!(numbers.len(), 3);
        for (run, n) in runs.iter().zip([4, 3, 2]) {
            assert!(
                run["input"]
                    .as_str()
                    .unwrap()
                    .contains(&format!(r#"{{\"n\":{n}}}"#)),
                "{run:#}"
            );
            assert_eq!(run["replay"], "EQUAL");
            assert_eq!(run["failure"], Value::Null);
            assert_eq!(run["rating"]["price"]["amount"], "0.3");
        }
    }
    for owner in &owners[2..] {
        assert_eq!(
            app.run(owner, RUNS, variables.clone()).await.at("/node"),
            &Value::Null
        );
    }
    let wrong = app
        .run(&owners[1], RUNS, json!({"id": rule.as_str(), "first": 101}))
        .await;
    assert_eq!(wrong.code(), "BAD_USER_INPUT");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_a_rule_that_answers_otherwise_alone_than_in_a_batch_are_different() {
    let Chain {
        app,
        accounts: [_, main, client, _],
        owners,
    } = chain().await;
    // For this quantity it charges what the number of lines is.
    let by_batch = "
      (local.set $quantity (i64.extend_i32_u (local.get $lines_length)))";
    let source = RuleSource::Wasm(rules::doubling(by_batch));
    let rule = app
        .live_rule(&main, RuleKind::Pricing, source, json!({}), None)
        .await;
    let batch = json!([used("a", "5000", json!({})), used("b", "1", json!({}))]);
    app.accepted(&app.record(&owners[1], &client, batch).await);
    let answer = app
        .run(&owners[1], RUNS, json!({"id": rule.as_str(), "first": 20}))
        .await;
    let runs = answer.at("/node/runs").as_array().unwrap();
    let verdicts: Vec<&str> = runs.iter().map(|run| run["replay"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["EQUAL", "DIFFERENT"], "{runs:#?}");
    assert!(runs[1]["note"].as_str().unwrap().contains("something else"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_logs_is_told_to_its_owner_and_not_to_its_buyer() {
    let Chain {
        app,
        accounts: [_, main, client, _],
        owners,
    } = chain().await;
    let source = RuleSource::Wasm(rules::logging("a large order"));
    let rule = app
        .live_rule(&main, RuleKind::Pricing, source, json!({}), None)
        .await;
    let batch = json!([used("a", "5000", json!({})), used("b", "1", json!({}))]);
    app.accepted(&app.record(&owners[1], &client, batch).await);
    let variables = json!({"id": rule.as_str(), "first": 20});
    let answer = app.run(&owners[1], RUNS, variables).await;
    let runs = answer.at("/node/runs").as_array().unwrap();
    let logs: Vec<&Value> = runs.iter().map(|run| &run["logs"]).collect();
    assert_eq!(logs, [&json!([]), &json!(["a large order"])]);

    let told = |steps: Vec<Value>| json!(steps).to_string().contains("a large order");
    assert!(told(app.explanations(&owners[1], &client).await));
    assert!(!told(app.explanations(&owners[2], &client).await));
}
