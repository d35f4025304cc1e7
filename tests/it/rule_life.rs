//! The life of a rule version: each step is one mutation, one transaction, one row of its history.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::rule_version::RuleKind;
use serde_json::{Value, json};

use crate::app::rules::component;
use crate::app::{Answer, App, Caller};
use crate::operations::{base64, event};

struct House {
    app: App,
    seller: Account,
    client: Account,
    owner: Caller,
}

async fn house() -> House {
    let app = App::start().await;
    let seller = app.main_account(None, "Seller", "pln_itellico").await;
    let client = app.subaccount(&seller, "Client").await;
    let owner = app.member(&seller, Role::Owner).await;
    House {
        app,
        seller,
        client,
        owner,
    }
}

impl House {
    fn tiered(&self, price: &str) -> Value {
        json!({
            "accountId": self.seller.id.as_str(), "kind": "PRICING", "name": "prices",
            "source": {"builtin": "tiered-pricing"},
            "configuration": {"meters": {"*": {"unit_price": price}}},
        })
    }

    async fn uploaded(&self, input: Value) -> Value {
        let answer = self.app.upload_rule(&self.owner, input).await;
        answer.success()["ruleVersion"]["id"].clone()
    }

    async fn step(&self, field: &str, id: &Value) -> Answer {
        let input = json!({"ruleVersionId": id, "reason": format!("because of {field}")});
        self.app.rule_step(&self.owner, field, input).await
    }

    async fn back(&self) -> Answer {
        let input =
            json!({"accountId": self.seller.id.as_str(), "kind": "PRICING", "reason": "it was wrong"});
        self.app.rule_step(&self.owner, "rollbackRule", input).await
    }

    /// What the client pays for one unit now.
    async fn price(&self, key: &str) -> Value {
        let recorded = self
            .app
            .record(&self.owner, &self.client, json!([event(key)]))
            .await;
        let events = self.app.accepted(&recorded);
        events[0]["ratings"][0]["price"]["amount"].clone()
    }

    async fn statuses(&self, id: &Value) -> Vec<Value> {
        let version = self.app.rule_version(&self.owner, id).await;
        let history = version["history"].as_array().unwrap().clone();
        history
            .iter()
            .rev()
            .map(|step| step["toStatus"].clone())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_tells_who_took_it_and_why() {
    let house = house().await;
    let mut draft = house.tiered("0.1");
    draft["check"] = json!(false);
    let id = house.uploaded(draft).await;
    for field in [
        "checkRule",
        "shadowRule",
        "activateRule",
        "retireRule",
        "activateRule",
    ] {
        house.step(field, &id).await.success();
    }
    assert_eq!(
        house.statuses(&id).await,
        ["DRAFT", "CHECKED", "SHADOW", "ACTIVE", "RETIRED", "ACTIVE"]
    );
    let version = house.app.rule_version(&house.owner, &id).await;
    assert_eq!(version["class"], "SMALL");
    let history = version["history"].as_array().unwrap();
    assert_eq!(history[0]["fromStatus"], "RETIRED");
    assert_eq!(history[0]["reason"], "because of activateRule");
    assert!(history[0]["changedBy"].as_str().unwrap().starts_with("usr_"));
    assert_eq!(history[5]["fromStatus"], Value::Null);
    let audited = house
        .app
        .rows("SELECT action FROM audit_log WHERE action LIKE 'rule.%' ORDER BY id")
        .await;
    let actions: Vec<_> = audited
        .iter()
        .map(|row| row["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "rule.upload",
            "rule.check",
            "rule.shadow",
            "rule.activate",
            "rule.retire",
            "rule.activate"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_was_taken_is_not_taken_again() {
    let house = house().await;
    let id = house.uploaded(house.tiered("0.1")).await;
    for field in ["checkRule", "shadowRule", "activateRule", "retireRule"] {
        house.step(field, &id).await.success();
        let steps = house.statuses(&id).await;
        house.step(field, &id).await.success();
        assert_eq!(house.statuses(&id).await, steps, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_checked_before_anything_else() {
    let house = house().await;
    // It has the structure of a rule, and traps whenever it is called.
    let trap = component(RuleKind::Pricing, include_str!("hostile/trap.wat"));
    let draft = json!({
        "accountId": house.seller.id.as_str(), "kind": "PRICING", "name": "trap", "check": false,
        "source": {"wasm": base64(&trap)},
    });
    let id = house.uploaded(draft).await;
    for field in ["shadowRule", "activateRule", "retireRule"] {
        assert_eq!(house.step(field, &id).await.user_error(), "CONFLICT", "{field}");
    }
    let refused = house.step("checkRule", &id).await;
    assert_eq!(refused.user_error(), "RULE_FAILED");
    let message = refused.0["data"]["checkRule"]["userErrors"][0]["message"].to_string();
    assert!(message.contains("trap version 1"), "{message}");
    assert_eq!(house.statuses(&id).await, ["DRAFT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_version_of_a_kind_is_in_shadow() {
    let house = house().await;
    let one = house.uploaded(house.tiered("0.1")).await;
    let two = house.uploaded(house.tiered("0.2")).await;
    house.step("shadowRule", &one).await.success();
    let answer = house.step("shadowRule", &two).await;
    assert_eq!(answer.success()["previous"]["id"], one);
    assert_eq!(answer.success()["previous"]["status"], "CHECKED");
    assert_eq!(house.statuses(&one).await, ["CHECKED", "SHADOW", "CHECKED"]);
    assert_eq!(house.statuses(&two).await, ["CHECKED", "SHADOW"]);
    house.step("activateRule", &two).await.success();
    assert_eq!(house.step("shadowRule", &two).await.user_error(), "CONFLICT");
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_back_goes_back_one_version_at_a_time() {
    let house = house().await;
    let mut versions = Vec::new();
    for price in ["1", "2", "3"] {
        let id = house.uploaded(house.tiered(price)).await;
        house.step("activateRule", &id).await.success();
        versions.push(id);
    }
    assert_eq!(house.price("a").await, "3");
    let back = house.back().await;
    assert_eq!(back.success()["ruleVersion"]["id"], versions[1]);
    assert_eq!(back.success()["previous"]["id"], versions[2]);
    assert_eq!(back.success()["previous"]["status"], "RETIRED");
    assert_eq!(house.price("b").await, "2");
    house.back().await.success();
    assert_eq!(house.price("c").await, "1");
    assert_eq!(house.back().await.user_error(), "CONFLICT");
    let history = house.app.rule_version(&house.owner, &versions[0]).await["history"].clone();
    assert_eq!(history[0]["reason"], "it was wrong");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_live_rule_the_cost_is_passed_on_again() {
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let seller = app.main_account(Some(&platform), "Seller", "pln_itellico").await;
    app.fund(&seller, "100").await;
    let client = app.subaccount(&seller, "Client").await;
    app.unit_price(&platform, "0.5").await;
    let owner = app.member(&seller, Role::Owner).await;
    let house = House {
        app,
        seller,
        client,
        owner,
    };
    let id = house.uploaded(house.tiered("2")).await;
    house.step("activateRule", &id).await.success();
    let record = async |key| {
        let recorded = house
            .app
            .record(&house.owner, &house.client, json!([event(key)]))
            .await;
        let ratings = house.app.accepted(&recorded)[0]["ratings"].clone();
        json!([ratings[1]["price"]["amount"], ratings[1]["ruleVersion"]])
    };
    assert_eq!(record("a").await, json!(["2", id]));
    house.step("retireRule", &id).await.success();
    assert_eq!(record("b").await, json!(["0.5", null]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_is_bounded_and_a_repeated_step_is_answered_once() {
    let house = house().await;
    let id = house.uploaded(house.tiered("1")).await;
    let long = json!({"ruleVersionId": id, "reason": "é".repeat(501)});
    let answer = house.app.rule_step(&house.owner, "activateRule", long).await;
    assert_eq!(answer.user_error(), "BAD_USER_INPUT");
    let input = json!({"ruleVersionId": id, "reason": "é".repeat(500), "idempotencyKey": "once"});
    let first = house
        .app
        .rule_step(&house.owner, "retireRule", input.clone())
        .await;
    assert_eq!(first.success()["replayed"], false);
    house.step("activateRule", &id).await.success();
    let again = house.app.rule_step(&house.owner, "retireRule", input).await;
    assert_eq!(again.success()["replayed"], true);
    assert_eq!(house.statuses(&id).await, ["CHECKED", "RETIRED", "ACTIVE"]);
}
