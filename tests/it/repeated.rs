//! Every mutation with an idempotency key, sent many times at once: it is done once, and all are told the same.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::{Answer, App, Caller};

const AT_ONCE: usize = 6;

struct House {
    app: App,
    main: Account,
    client: Account,
    owner: Caller,
}

async fn house() -> House {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_connector").await;
    let client = app.subaccount(&main, "Client").await;
    let owner = app.member(&main, Role::Owner).await;
    House {
        app,
        main,
        client,
        owner,
    }
}

/// Asserts that one of the answers is the first and all others repeat it.
fn assert_once(answers: &[Answer]) {
    let replayed = |answer: &Answer| answer.success()["replayed"] == true;
    let first: Vec<_> = answers.iter().filter(|answer| !replayed(answer)).collect();
    assert_eq!(first.len(), 1, "done {} times", first.len());
    let mut expected = first[0].payload().clone();
    expected["replayed"] = json!(true);
    for answer in answers.iter().filter(|answer| replayed(answer)) {
        assert_eq!(answer.payload(), &expected);
    }
}

fn with_key(mut input: Value) -> Value {
    input["idempotencyKey"] = json!("once");
    input
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subaccount_is_made_and_changed_once() {
    let House {
        app,
        main,
        client,
        owner,
    } = house().await;
    let create = with_key(json!({"parentId": main.id.as_str(), "name": "New"}));
    assert_once(&join_all((0..AT_ONCE).map(|_| app.create_subaccount(&owner, create.clone()))).await);
    assert_eq!(app.count("accounts").await, 3);

    let update = with_key(json!({"id": client.id.as_str(), "name": "Renamed"}));
    assert_once(&join_all((0..AT_ONCE).map(|_| app.update_subaccount(&owner, update.clone()))).await);
    let levels = json!([{"key": "TASKS", "level": "READ"}]);
    let set = with_key(json!({"accountId": client.id.as_str(), "permissions": levels}));
    assert_once(&join_all((0..AT_ONCE).map(|_| app.set_permissions(&owner, set.clone()))).await);
    let actions = app.rows("SELECT action FROM audit_log ORDER BY id").await;
    for (action, times) in [
        ("subaccount.create", 2),
        ("subaccount.update", 1),
        ("permissions.set", 1),
    ] {
        let found = actions.iter().filter(|row| row["action"] == action).count();
        assert_eq!(found, times, "{action}: {actions:?}");
    }
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_once_and_its_secret_told_once() {
    let House { app, main, owner, .. } = house().await;
    let create = with_key(json!({"accountId": main.id.as_str(), "name": "Key", "permissions": []}));
    let answers = join_all((0..AT_ONCE).map(|_| app.create_api_key(&owner, create.clone()))).await;
    let told = answers
        .iter()
        .filter(|answer| answer.success()["secret"].is_string());
    assert_eq!(told.count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.payload()["apiKey"] == answers[0].payload()["apiKey"])
    );
    assert_eq!(app.count("api_keys").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_uploaded_and_activated_once() {
    let House { app, main, owner, .. } = house().await;
    let upload = with_key(json!({
        "accountId": main.id.as_str(), "kind": "PRICING", "name": "prices", "source": {"builtin": "tiered-pricing"},
        "configuration": {"meters": {"*": {"unit_price": "1"}}},
    }));
    let before = app.count("rule_versions").await;
    let uploads = join_all((0..AT_ONCE).map(|_| app.upload_rule(&owner, upload.clone()))).await;
    assert_once(&uploads);
    assert_eq!(app.count("rule_versions").await, before + 1);

    let rule = &uploads[0].payload()["ruleVersion"]["id"];
    let activate = with_key(json!({"ruleVersionId": rule}));
    assert_once(&join_all((0..AT_ONCE).map(|_| app.activate_rule(&owner, activate.clone()))).await);
    assert_eq!(app.count("rule_activations").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_activations_one_is_live() {
    let House {
        app,
        main,
        client,
        owner,
    } = house().await;
    let mut rules = Vec::new();
    for price in ["1", "2", "3", "4"] {
        let upload = json!({
            "accountId": main.id.as_str(), "kind": "PRICING", "name": "prices",
            "source": {"builtin": "tiered-pricing"},
            "configuration": {"meters": {"*": {"unit_price": price}}},
        });
        rules.push(app.upload_rule(&owner, upload).await.success()["ruleVersion"]["id"].clone());
    }
    let activations = rules
        .iter()
        .map(|rule| app.activate_rule(&owner, json!({"ruleVersionId": rule})));
    for answer in join_all(activations).await {
        answer.success();
    }
    let live = app
        .number("SELECT count(*) FROM rule_activations WHERE retired_at IS NULL")
        .await;
    let active = app
        .number("SELECT count(*) FROM rule_versions WHERE status = 'ACTIVE' AND kind = 'PRICING'")
        .await;
    assert_eq!((live, active), (1, 1));
    let events = json!([{"idempotencyKey": "a", "meter": "m", "quantity": "1"}]);
    let events = app.accepted(&app.record(&owner, &client, events).await);
    let rule = app
        .rows("SELECT rule_version_id AS id FROM rule_activations WHERE retired_at IS NULL")
        .await;
    assert_eq!(events[0]["ratings"][0]["ruleVersion"], rule[0]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_recorded_from_many_sides_adds_up() {
    let House {
        app,
        main,
        client,
        owner,
    } = house().await;
    app.unit_price(&main, "1").await;
    // Every batch shares half of its keys with the next one, which comes by both accounts the other way round.
    let batch = |n: usize| -> Value {
        let event = |key: usize| {
            let account = if key.is_multiple_of(2) { &main } else { &client };
            json!({
                "accountId": account.id.as_str(), "idempotencyKey": format!("k{key}"), "meter": "minutes",
                "quantity": "1",
            })
        };
        let keys = n * 5..n * 5 + 10;
        if n.is_multiple_of(2) {
            keys.map(event).collect()
        } else {
            keys.rev().map(event).collect()
        }
    };
    let answers = join_all((0..8).map(|n| app.record(&owner, &main, batch(n)))).await;
    for answer in answers {
        for result in answer.success()["results"].as_array().unwrap() {
            assert!(
                result["status"] == "ACCEPTED" || result["status"] == "REPLAYED",
                "{result}"
            );
        }
    }
    assert_eq!(app.count("usage_events").await, 45);
    app.assert_counted_once().await;
    app.assert_balanced().await;
}
