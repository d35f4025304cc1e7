//! Where a limit comes from, told to each as far as it sees.

use canopy_domain::entity::rule_version::RuleKind;
use canopy_domain::rules::RuleSource;
use serde_json::{Value, json};

use super::{Chain, chain};
use crate::app::{App, Caller};

const LIMIT: &str = "query ($id: ID!) { account(id: $id) { limits { resource(name: \"subaccounts\") {
  max decidedBy { account ruleVersion ruleDigest }
  explain { steps { source account decides max reason rule { id name } input output logs note } }
} } } }";

async fn limit(app: &App, caller: &Caller, id: &str) -> Value {
    let answer = app.run(caller, LIMIT, json!({"id": id})).await;
    answer.at("/account/limits/resource").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bound_of_the_path_is_told_with_its_rule_and_the_one_that_decides_is_marked() {
    let Chain {
        app,
        accounts: [_, main, client, branch],
        owners,
    } = chain().await;
    let source = RuleSource::Builtin("limits-by-plan".to_owned());
    let configuration = json!({
        "max_depth": null, "caps": {"subaccounts": 4}, "key_policy": "OWN", "member_policy": "OWN",
        "shared_resources": [], "starter_credits": 0, "credit_value": 0, "credit_modes": ["MANUAL"],
        "allow_below_cost": false,
    });
    let live = app
        .live_rule(&main, RuleKind::Limits, source, configuration, None)
        .await;
    let view = app.view(&client).await;
    app.domain
        .set_account_limit(&app.system(&client), &view, "subaccounts", Some(7))
        .await
        .unwrap();

    // Main's owner sees its plan, its live rule, and the same of those below.
    let seen = limit(&app, &owners[1], branch.id.as_str()).await;
    let steps = seen["explain"]["steps"].as_array().unwrap();
    let bounds: Vec<Value> = steps
        .iter()
        .map(|step| json!([step["source"], step["account"], step["decides"]]))
        .collect();
    let expected = json!([
        ["PLAN_RULE", main.id.as_str(), false],
        ["LIVE_RULE", main.id.as_str(), true],
        ["PLAN_RULE", client.id.as_str(), false],
        ["SET_BY_PARENT", client.id.as_str(), false],
        ["PLAN_RULE", branch.id.as_str(), false],
    ]);
    assert_eq!(json!(bounds), expected, "{steps:#?}");
    assert_eq!((&steps[1]["max"], &seen["max"]), (&json!(4), &json!(4)));
    assert_eq!(steps[3]["max"], 7);
    assert_eq!(steps[1]["rule"]["id"], live.as_str());
    for (step, account) in [(&steps[0], &main), (&steps[1], &main), (&steps[4], &branch)] {
        let input: Value = serde_json::from_str(step["input"].as_str().unwrap()).unwrap();
        assert_eq!(input["account"]["path"], format!("{}/", account.id));
        let output: Value = serde_json::from_str(step["output"].as_str().unwrap()).unwrap();
        let names = output["limits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|limit| &limit["name"]);
        assert!(names.into_iter().any(|name| name == "subaccounts") || step["max"].is_null());
        assert_eq!((&step["logs"], &step["note"]), (&json!([]), &Value::Null));
    }
    assert_eq!(steps[3]["input"], Value::Null, "no rule is behind it");

    // The branch's owner learns the bound that holds, and nothing of whose it is.
    let seen = limit(&app, &owners[3], branch.id.as_str()).await;
    let steps = seen["explain"]["steps"].as_array().unwrap();
    let hidden = json!({
        "source": "LIVE_RULE", "account": null, "decides": true, "max": 4, "reason": null, "rule": null,
        "input": null, "output": null, "logs": null, "note": null,
    });
    assert_eq!(steps.len(), 2, "{steps:#?}");
    assert_eq!(steps[0], hidden);
    assert_eq!(steps[1]["account"], branch.id.as_str());
    assert_eq!(
        seen["decidedBy"],
        json!({"account": null, "ruleVersion": null, "ruleDigest": null})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn explaining_limits_takes_as_many_statements_for_many_accounts_as_for_one() {
    let Chain {
        app,
        accounts: [_, main, client, _],
        owners,
    } = chain().await;
    for n in 0..8 {
        app.subaccount(&client, &format!("More {n}")).await;
    }
    let document = "query ($id: ID!) { account(id: $id) { subaccounts(first: 100) { nodes {
      limits { resources { explain { steps { max input output } } } }
    } } } }";
    let mut counts = Vec::new();
    for account in [&main, &client] {
        let variables = json!({"id": account.id.as_str()});
        app.run(&owners[1], document, variables.clone()).await.data();
        app.statements.take();
        app.run(&owners[1], document, variables).await.data();
        counts.push(app.statements.take().len());
    }
    assert_eq!(counts[0], counts[1]);
}
