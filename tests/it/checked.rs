//! What a version was asked before it could be used is kept with it, and has to do with what its account really uses
//! and pays.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use serde_json::{Value, json};

use crate::app::{Answer, App, Caller};
use crate::operations::event;

/// A platform that sells at 7 a unit to a seller.
struct House {
    app: App,
    platform: Account,
    seller: Account,
    client: Account,
    owner: Caller,
}

async fn house() -> House {
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let seller = app.main_account(Some(&platform), "Seller", "pln_itellico").await;
    let client = app.subaccount(&seller, "Client").await;
    app.fund(&seller, "10000").await;
    app.unit_price(&platform, "7").await;
    let owner = app.member(&seller, Role::Owner).await;
    House {
        app,
        platform,
        seller,
        client,
        owner,
    }
}

impl House {
    async fn upload(&self, price: Value, check: bool) -> Answer {
        let input = json!({
            "accountId": self.seller.id.as_str(), "kind": "PRICING", "name": "prices", "check": check,
            "source": {"builtin": "tiered-pricing"}, "configuration": {"meters": {"*": price}},
        });
        self.app.upload_rule(&self.owner, input).await
    }

    async fn uploaded(&self, price: Value, check: bool) -> Value {
        self.upload(price, check).await.success()["ruleVersion"]["id"].clone()
    }

    async fn report(&self, id: &Value) -> Value {
        let document = "query ($id: ID!) { node(id: $id) { ... on RuleVersion { checkReport {
            checks { name calls answered } answered fuelMax medianMicros checkedAt } } } }";
        let answer = self.app.run(&self.owner, document, json!({ "id": id })).await;
        answer.at("/node/checkReport").clone()
    }

    async fn use_meter(&self, meter: &str) {
        let mut event = event(meter);
        event["meter"] = json!(meter);
        self.app
            .accepted(&self.app.record(&self.owner, &self.client, json!([event])).await);
    }
}

fn calls(report: &Value, name: &str) -> Option<i64> {
    let checks = report["checks"].as_array()?;
    checks.iter().find(|check| check["name"] == name)?["calls"].as_i64()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_keeps_what_its_last_check_asked() {
    let house = house().await;
    let markup = json!({"markup_ppm": 100_000});
    let checked = house.report(&house.uploaded(markup.clone(), true).await).await;
    let checks = checked["checks"].as_array().unwrap();
    let names: Vec<&str> = checks
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    for needed in [
        "answers",
        "empty-input",
        "determinism",
        "bounds",
        "monotonicity",
        "not-below-cost",
    ] {
        assert!(names.contains(&needed), "{needed} is missing in {names:?}");
    }
    let sum: i64 = checks
        .iter()
        .map(|check| check["answered"].as_i64().unwrap())
        .sum();
    assert_eq!(checked["answered"], sum);
    assert!(checked["fuelMax"].as_i64() > Some(0), "{checked:#}");

    let draft = house.uploaded(markup, false).await;
    assert_eq!(house.report(&draft).await, Value::Null);
    let check = json!({ "ruleVersionId": draft });
    house
        .app
        .rule_step(&house.owner, "checkRule", check.clone())
        .await
        .success();
    let first = house.report(&draft).await;
    assert_eq!(calls(&first, "answers"), Some(1), "{first:#}");
    // Checked again, it is asked about the meters that are used now.
    house.use_meter("texts").await;
    house.use_meter("calls").await;
    house
        .app
        .rule_step(&house.owner, "checkRule", check)
        .await
        .success();
    let second = house.report(&draft).await;
    assert_eq!(calls(&second, "answers"), Some(3), "{second:#}");
    assert!(second["checkedAt"].as_str() > first["checkedAt"].as_str());
    let builtin = "SELECT id FROM rule_versions WHERE owner_account_id IS NULL AND kind = 'PRICING'";
    let builtin = house.app.rows(builtin).await[0]["id"].clone();
    assert_eq!(house.report(&builtin).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_below_what_the_account_really_pays_is_refused() {
    let house = house().await;
    let flat = |price: &str| json!({ "unit_price": price });
    house.uploaded(flat("5"), true).await;
    house.use_meter("texts").await;
    let refused = house.upload(flat("6.99"), true).await;
    assert_eq!(refused.user_error(), "RULE_FAILED");
    let message = refused.payload()["userErrors"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("`not-below-cost`") && message.contains("this account really pays"),
        "{message}"
    );
    house.uploaded(flat("7"), true).await;
    // What it would pay now counts as well as what it has paid.
    house.app.unit_price(&house.platform, "4").await;
    house.uploaded(flat("5"), true).await;
    assert_eq!(house.upload(flat("3.9"), true).await.user_error(), "RULE_FAILED");
}
