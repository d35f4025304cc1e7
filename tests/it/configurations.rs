//! A configuration is held against the JSON Schema of its rule wherever one is given, and the first place where it is
//! not what was asked for is named.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use canopy_domain::rules_host::{Manifest, with_manifest};
use serde_json::{Value, json};

use crate::app::rules::doubling;
use crate::app::{Answer, App, Caller};
use crate::operations::base64;

struct House {
    app: App,
    seller: Account,
    owner: Caller,
}

async fn house() -> House {
    let app = App::start().await;
    let seller = app.main_account(None, "Seller", "pln_itellico").await;
    let owner = app.member(&seller, Role::Owner).await;
    House { app, seller, owner }
}

/// A rule that wants a table of tiers, each with a price.
fn wants_tiers() -> Vec<u8> {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object", "required": ["tiers"],
        "properties": {"tiers": {"type": "array", "items": {"$ref": "#/$defs/tier"}}},
        "$defs": {"tier": {
            "type": "object", "additionalProperties": false,
            "properties": {"price": {"type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,6})?$"}},
        }},
    });
    let manifest = Manifest {
        configuration_schema: Some(schema),
        ..Manifest::default()
    };
    with_manifest(&doubling(""), &manifest)
}

fn tiers(prices: &[&str]) -> Value {
    let tier = |price: &&str| json!({ "price": price });
    json!({"tiers": prices.iter().map(tier).collect::<Vec<_>>()})
}

impl House {
    async fn upload(&self, source: Value, configuration: Value, check: bool) -> Answer {
        let input = json!({
            "accountId": self.seller.id.as_str(), "kind": "PRICING", "name": "tiers", "check": check,
            "source": source, "configuration": configuration,
        });
        self.app.upload_rule(&self.owner, input).await
    }

    async fn uploaded(&self, configuration: Value, check: bool) -> Value {
        let source = json!({"wasm": base64(&wants_tiers())});
        let answer = self.upload(source, configuration, check).await;
        answer.success()["ruleVersion"]["id"].clone()
    }
}

/// The one refusal: its field, joined, and its message.
fn refusal(answer: &Answer) -> (String, String) {
    assert_eq!(answer.user_error(), "BAD_USER_INPUT", "{:#}", answer.0);
    let error = &answer.payload()["userErrors"][0];
    let field: Vec<&str> = error["field"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part.as_str().unwrap())
        .collect();
    (field.join("."), error["message"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_names_the_first_place_that_is_not_what_the_schema_asks_for() {
    let house = house().await;
    let before = house.app.counts().await;
    let wasm = json!({"wasm": base64(&wants_tiers())});
    for check in [true, false] {
        let answer = house
            .upload(wasm.clone(), tiers(&["1", "0.09", "1.2.3"]), check)
            .await;
        let (field, message) = refusal(&answer);
        assert_eq!(field, "configuration.tiers.2.price");
        assert!(
            message.contains("at `/tiers/2/price`: \"1.2.3\" does not match"),
            "{message}"
        );
    }
    let (field, message) = refusal(&house.upload(wasm.clone(), json!({}), true).await);
    assert_eq!(field, "configuration");
    assert!(message.contains("\"tiers\" is a required property"), "{message}");
    let (field, message) = refusal(
        &house
            .upload(wasm.clone(), tiers(&[&"9".repeat(40_000), "x"]), true)
            .await,
    );
    assert_eq!(field, "configuration.tiers.1.price");
    let long = tiers(&[&"x".repeat(40_000)]);
    let (_, bounded) = refusal(&house.upload(wasm, long, true).await);
    assert!(message.len().max(bounded.len()) < 700, "{bounded}");
    assert_eq!(house.app.counts().await, before, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_made_of_another_has_the_schema_too() {
    let house = house().await;
    let first = house.uploaded(tiers(&["1"]), true).await;
    let source = json!({"ruleVersionId": first});
    let (field, _) = refusal(&house.upload(source.clone(), tiers(&["1", "many"]), true).await);
    assert_eq!(field, "configuration.tiers.1.price");
    house.upload(source, tiers(&["1", "2"]), true).await.success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_with_another_configuration_is_held_against_the_schema() {
    let house = house().await;
    let id = house.uploaded(tiers(&["1"]), true).await;
    let document = "mutation ($input: SimulateRuleInput!) { simulateRule(input: $input) {
        simulation { id } userErrors { field message code } } }";
    let simulate = async |configuration: Value| {
        let period = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"});
        let input = json!({"ruleVersionId": id, "period": period, "configuration": configuration});
        house
            .app
            .run(&house.owner, document, json!({ "input": input }))
            .await
    };
    let (field, _) = refusal(&simulate(tiers(&["?"])).await);
    assert_eq!(field, "configuration.tiers.0.price");
    simulate(tiers(&["3"])).await.success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_does_not_fit_its_schema_takes_no_step() {
    let house = house().await;
    let draft = house.uploaded(tiers(&["1"]), false).await;
    let checked = house.uploaded(tiers(&["1"]), true).await;
    // No upload leaves such a version behind; an older validator might have.
    let wrong =
        r#"UPDATE rule_versions SET configuration = '{"tiers": [{"prize": "1"}]}' WHERE name = 'tiers'"#;
    house.app.tamper(wrong).await.unwrap();
    for (step, id) in [
        ("checkRule", &draft),
        ("shadowRule", &checked),
        ("activateRule", &checked),
    ] {
        let input = json!({ "ruleVersionId": id });
        let (field, message) = refusal(&house.app.rule_step(&house.owner, step, input).await);
        assert_eq!(field, "ruleVersionId", "{step}");
        assert!(
            message.contains("/tiers/0") && message.contains("prize"),
            "{step}: {message}"
        );
    }
}
