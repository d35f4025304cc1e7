//! Making and changing subaccounts within the limits of the plan, with a trace in the audit log.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use serde_json::{Value, json};

use crate::app::{App, Caller};
use crate::operations::event;

async fn agency(plan: &str) -> (App, Account, Caller) {
    let app = App::start().await;
    let main = app.main_account(None, "Agency", plan).await;
    let owner = app.member(&main, Role::Owner).await;
    (app, main, owner)
}

fn named(parent: &Value, name: &str) -> Value {
    json!({"parentId": parent, "name": name})
}

async fn limit(app: &App, caller: &Caller, account: &Value, resource: &str) -> Value {
    let document = "query ($id: ID!, $resource: String!) {
      account(id: $id) { limits { resource(name: $resource) {
        resource max used remaining reason decidedBy { kind account ruleVersion ruleDigest }
      } } }
    }";
    let answer = app
        .run(caller, document, json!({"id": account, "resource": resource}))
        .await;
    answer.at("/account/limits/resource").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_subaccount_stands_below_its_parent_and_inherits_its_plan() {
    let (app, main, owner) = agency("pln_itellico").await;
    let answer = app
        .create_subaccount(&owner, named(&json!(main.id), "Acme"))
        .await;
    insta::assert_json_snapshot!("new_subaccount", answer.redacted());
    let id = &answer.success()["subaccount"]["id"];
    let below = app.create_subaccount(&owner, named(id, "Acme West")).await;
    assert_eq!(&below.success()["subaccount"]["parent"]["id"], id);
    assert_eq!(below.success()["subaccount"]["level"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_depth_of_the_plan_is_the_deepest_level() {
    for (plan, depth) in [
        ("pln_itellico", 5),
        ("pln_agentphone", 1),
        ("pln_bolna", 1),
        ("pln_connector", 1),
    ] {
        let (app, main, owner) = agency(plan).await;
        let mut parent = json!(main.id);
        assert_eq!(
            limit(&app, &owner, &parent, "depth").await["max"],
            depth,
            "{plan}"
        );
        for level in 1..=depth {
            let answer = app
                .create_subaccount(&owner, named(&parent, &format!("Level {level}")))
                .await;
            parent = answer.success()["subaccount"]["id"].clone();
        }
        let before = app.counts().await;
        let answer = app.create_subaccount(&owner, named(&parent, "Too Deep")).await;
        assert_eq!(answer.user_error(), "LIMIT_EXCEEDED", "{plan}");
        assert_eq!(answer.payload()["subaccount"], Value::Null);
        assert_eq!(app.counts().await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_25th_subaccount_is_the_last_and_a_closed_one_makes_room() {
    let (app, main, owner) = agency("pln_agentphone").await;
    let parent = json!(main.id);
    let mut ids = Vec::new();
    for n in 0..25 {
        let answer = app
            .create_subaccount(&owner, named(&parent, &format!("Client {n}")))
            .await;
        ids.push(answer.success()["subaccount"]["id"].clone());
    }
    let full = limit(&app, &owner, &parent, "subaccounts").await;
    assert_eq!(
        (&full["max"], &full["used"], &full["remaining"]),
        (&json!(25), &json!(25), &json!(0))
    );
    assert_eq!(full["decidedBy"]["kind"], "RULE");
    assert_eq!(full["decidedBy"]["account"], parent);
    assert_eq!(full["decidedBy"]["ruleDigest"].as_str().map(str::len), Some(64));
    let refused = app
        .create_subaccount(&owner, named(&parent, "One Too Many"))
        .await;
    assert_eq!(refused.user_error(), "LIMIT_EXCEEDED");

    app.update_subaccount(&owner, json!({"id": ids[7], "status": "CLOSED"}))
        .await
        .success();
    app.create_subaccount(&owner, named(&parent, "In Its Place"))
        .await
        .success();
    let restored = app
        .update_subaccount(&owner, json!({"id": ids[7], "status": "ACTIVE"}))
        .await;
    assert_eq!(
        restored.user_error(),
        "LIMIT_EXCEEDED",
        "restoring one counts as making one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_concurrent_creations_at_the_cap_one_wins() {
    let (app, main, owner) = agency("pln_agentphone").await;
    let parent = json!(main.id);
    for n in 0..24 {
        app.create_subaccount(&owner, named(&parent, &format!("Client {n}")))
            .await
            .success();
    }
    let race = (0..4).map(|n| {
        let (app, owner, parent) = (&app, &owner, &parent);
        async move {
            app.create_subaccount(owner, named(parent, &format!("Racer {n}")))
                .await
        }
    });
    let answers = futures_util::future::join_all(race).await;
    let won = answers
        .iter()
        .filter(|answer| answer.payload()["userErrors"] == json!([]))
        .count();
    assert_eq!(won, 1, "{answers:#?}");
    for lost in answers
        .iter()
        .filter(|answer| answer.payload()["userErrors"] != json!([]))
    {
        assert_eq!(lost.user_error(), "LIMIT_EXCEEDED");
    }
    assert_eq!(app.count("accounts").await, 26);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_set_by_the_parent_narrows_the_plan() {
    let (app, main, owner) = agency("pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let view = app.view(&client).await;
    app.domain
        .set_account_limit(&app.system(&main), &view, "subaccounts", Some(1))
        .await
        .unwrap();
    let shown = limit(&app, &owner, &json!(client.id), "subaccounts").await;
    assert_eq!(shown["max"], 1);
    assert_eq!(shown["decidedBy"]["kind"], "ACCOUNT");
    assert_eq!(shown["decidedBy"]["account"], client.id.as_str());
    app.create_subaccount(&owner, named(&json!(client.id), "First"))
        .await
        .success();
    let second = app
        .create_subaccount(&owner, named(&json!(client.id), "Second"))
        .await;
    assert_eq!(second.user_error(), "LIMIT_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn starter_credits_come_with_a_new_client_of_the_connector_preset() {
    let (app, main, owner) = agency("pln_connector").await;
    let id = app
        .create_subaccount(&owner, named(&json!(main.id), "Client"))
        .await
        .success()["subaccount"]["id"]
        .clone();
    let document = "query ($id: ID!) { account(id: $id) { credits { pool { amount currency } } } }";
    let answer = app.run(&owner, document, json!({"id": id})).await;
    // 100 credits at 0.15 each.
    assert_eq!(
        answer.at("/account/credits/pool"),
        &json!({"amount": "15", "currency": "USD"})
    );
    let grants = app
        .rows("SELECT amount FROM postings WHERE kind = 'STARTER_GRANT'")
        .await;
    assert_eq!(grants, [json!({"amount": 15_000_000})]);
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_mutation_gives_the_stored_answer_and_another_input_conflicts() {
    let (app, main, owner) = agency("pln_connector").await;
    let mut input = named(&json!(main.id), "Client");
    input["idempotencyKey"] = json!("create-1");
    let first = app.create_subaccount(&owner, input.clone()).await;
    assert_eq!(first.success()["replayed"], false);
    let before = app.counts().await;
    let again = app.create_subaccount(&owner, input.clone()).await;
    assert_eq!(again.success()["replayed"], true);
    assert_eq!(again.success()["subaccount"], first.success()["subaccount"]);
    input["name"] = json!("Another");
    assert_eq!(
        app.create_subaccount(&owner, input.clone()).await.user_error(),
        "CONFLICT"
    );
    assert_eq!(app.counts().await, before);

    // The key is the caller's: another one's is another key.
    let admin = app.member(&main, Role::Admin).await;
    assert_eq!(
        app.create_subaccount(&admin, input).await.success()["replayed"],
        false
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_creations_with_one_key_make_one_subaccount() {
    let (app, main, owner) = agency("pln_connector").await;
    let mut input = named(&json!(main.id), "Client");
    input["idempotencyKey"] = json!("create-1");
    let sends = (0..4).map(|_| app.create_subaccount(&owner, input.clone()));
    let answers = futures_util::future::join_all(sends).await;
    let ids: Vec<_> = answers
        .iter()
        .map(|answer| answer.success()["subaccount"]["id"].clone())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(app.count("accounts").await, 2);
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_input_is_refused_at_its_field() {
    let (app, main, owner) = agency("pln_itellico").await;
    let before = app.counts().await;
    let parent = json!(main.id);
    let wrong = [
        json!({"parentId": parent, "name": "A"}),
        json!({"parentId": parent, "name": "A".repeat(121)}),
        json!({"parentId": parent, "name": "  "}),
        json!({"parentId": parent, "name": "Good", "creditMode": "RESELLING"}),
        json!({"parentId": parent, "name": "Good", "idempotencyKey": "k".repeat(256)}),
    ];
    for input in wrong {
        assert_eq!(
            app.create_subaccount(&owner, input.clone()).await.user_error(),
            "BAD_USER_INPUT",
            "{input}"
        );
    }
    let unknown_plan = json!({"parentId": parent, "name": "Good", "planId": "pln_unknown"});
    let answer = app.create_subaccount(&owner, unknown_plan).await;
    assert_ne!(
        answer.0["data"]["createSubaccount"]["userErrors"],
        json!([]),
        "{:#}",
        answer.0
    );
    assert_eq!(app.counts().await, before);

    let mut twin = named(&parent, "Good");
    twin["externalRef"] = json!("crm-1");
    app.create_subaccount(&owner, twin.clone()).await.success();
    assert_eq!(app.create_subaccount(&owner, twin).await.user_error(), "CONFLICT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_holds_for_all_below() {
    let (app, main, owner) = agency("pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let branch = app.subaccount(&client, "Branch").await;
    app.unit_price(&main, "1").await;
    app.update_subaccount(&owner, json!({"id": client.id.as_str(), "status": "SUSPENDED"}))
        .await
        .success();
    let before = app.counts().await;
    let answer = app
        .create_subaccount(&owner, named(&json!(branch.id), "Below"))
        .await;
    assert_ne!(
        answer.0["data"]["createSubaccount"]["userErrors"],
        json!([]),
        "{:#}",
        answer.0
    );
    let answer = app.record(&owner, &branch, json!([event("a")])).await;
    assert_ne!(
        answer.0["data"]["recordUsage"]["results"][0]["status"], "ACCEPTED",
        "{:#}",
        answer.0
    );
    assert_eq!(app.counts().await, before);

    let document = "query ($id: ID!) { account(id: $id) { name } }";
    let answer = app.run(&owner, document, json!({"id": branch.id.as_str()})).await;
    assert_eq!(answer.text("/account/name"), "Branch", "it can still be read");
    app.update_subaccount(&owner, json!({"id": client.id.as_str(), "status": "ACTIVE"}))
        .await
        .success();
    app.accepted(&app.record(&owner, &branch, json!([event("a")])).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_plan_holds_for_those_below_that_inherit_it() {
    let (app, main, owner) = agency("pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let branch = app.subaccount(&client, "Branch").await;
    let change = json!({"id": client.id.as_str(), "planId": "pln_agentphone"});
    let answer = app.update_subaccount(&owner, change).await;
    assert_eq!(answer.success()["subaccount"]["plan"]["id"], "pln_agentphone");
    assert_eq!(answer.success()["subaccount"]["planInherited"], false);
    let document = "query ($id: ID!) { account(id: $id) { planInherited plan { id } } }";
    let below = app.run(&owner, document, json!({"id": branch.id.as_str()})).await;
    assert_eq!(
        below.at("/account"),
        &json!({"planInherited": true, "plan": {"id": "pln_agentphone"}})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_leaves_a_trace_that_nobody_can_alter() {
    let (app, main, owner) = agency("pln_itellico").await;
    let id = app
        .create_subaccount(&owner, named(&json!(main.id), "Acme"))
        .await
        .success()["subaccount"]["id"]
        .clone();
    app.update_subaccount(&owner, json!({"id": id, "name": "Acme Inc"}))
        .await
        .success();
    let permissions = json!({"accountId": id, "permissions": [{"key": "TASKS", "level": "READ"}]});
    app.set_permissions(&owner, permissions).await.success();
    let rows = app
        .rows(&format!(
            "SELECT action, actor, target FROM audit_log WHERE account_id = {} ORDER BY id",
            id.to_string().replace('"', "'")
        ))
        .await;
    let actions: Vec<_> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["subaccount.create", "subaccount.update", "permissions.set"]
    );
    for row in &rows {
        assert!(row["actor"].as_str().unwrap().starts_with("usr_"), "{row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_neither_skip_nor_repeat_when_others_are_added() {
    let (app, main, owner) = agency("pln_itellico").await;
    for n in 0..7 {
        app.subaccount(&main, &format!("Client {n}")).await;
    }
    let document = "query ($id: ID!, $after: String) {
      account(id: $id) { subaccounts(first: 3, after: $after) {
        totalCount nodes { name } edges { cursor } pageInfo { hasNextPage hasPreviousPage endCursor }
      } }
    }";
    let mut names = Vec::new();
    let mut after = Value::Null;
    for page in 0..4 {
        let answer = app
            .run(&owner, document, json!({"id": main.id.as_str(), "after": after}))
            .await;
        let connection = answer.at("/account/subaccounts").clone();
        names.extend(
            connection["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| node["name"].clone()),
        );
        assert_eq!(connection["totalCount"], 7 + i64::from(page > 0));
        if page == 0 {
            app.subaccount(&main, "Client 7").await;
        }
        after = connection["pageInfo"]["endCursor"].clone();
        if connection["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    let expected: Vec<_> = (0..8).map(|n| json!(format!("Client {n}"))).collect();
    assert_eq!(names, expected);

    let bad = app
        .run(
            &owner,
            document,
            json!({"id": main.id.as_str(), "after": "nonsense"}),
        )
        .await;
    assert_eq!(bad.code(), "BAD_USER_INPUT");
}
