//! The permission matrix: 28 keys, narrowed down the path, and an explanation that names the row that decided.

use canopy_domain::entity::account::Model as Account;
use canopy_domain::entity::{Level, PermissionKey, Role};
use serde_json::{Value, json};

use crate::app::tree::ROLES;
use crate::app::{App, Caller};
use crate::operations::event;

const PERMISSIONS: &str = "query ($id: ID!) {
  account(id: $id) {
    permissionSet { permissions { key level maxLevel decidedBy { kind account key role } } }
  }
}";

async fn tree() -> (App, [Account; 3], Caller) {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let branch = app.subaccount(&client, "Branch").await;
    let owner = app.member(&main, Role::Owner).await;
    (app, [main, client, branch], owner)
}

async fn permissions(app: &App, caller: &Caller, account: &Account) -> Vec<Value> {
    let answer = app
        .run(caller, PERMISSIONS, json!({"id": account.id.as_str()}))
        .await;
    answer
        .at("/account/permissionSet/permissions")
        .as_array()
        .unwrap()
        .clone()
}

async fn permission(app: &App, caller: &Caller, account: &Account, key: &str) -> Value {
    let all = permissions(app, caller, account).await;
    all.into_iter()
        .find(|permission| permission["key"] == key)
        .expect("the key is in the matrix")
}

fn restrict(account: &Account, levels: &[(&str, &str)]) -> Value {
    let permissions: Vec<_> = levels
        .iter()
        .map(|(key, level)| json!({"key": key, "level": level}))
        .collect();
    json!({"accountId": account.id.as_str(), "permissions": permissions})
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_has_its_level_for_each_of_the_28_keys() {
    let (app, [main, ..], _) = tree().await;
    let mut matrix = serde_json::Map::new();
    for role in ROLES {
        let caller = app.member(&main, role).await;
        let all = permissions(&app, &caller, &main).await;
        assert_eq!(all.len(), 28);
        for permission in &all {
            assert_eq!(permission["decidedBy"]["kind"], "ROLE");
            let row = matrix
                .entry(permission["key"].as_str().unwrap())
                .or_insert_with(|| json!({}));
            row[permission["decidedBy"]["role"].as_str().unwrap()] = permission["level"].clone();
        }
    }
    insta::assert_json_snapshot!("permission_matrix", Value::Object(matrix));
}

/// The levels of the product's table, written down once more.
fn allowed(key: &str) -> &'static [&'static str] {
    match key {
        "CONVERSATIONS" => &["NONE", "READ"],
        "ACCOUNT" => &["NONE", "LIMITED", "FULL"],
        "BILLING" | "USAGE" => &["NONE", "FULL"],
        _ => &["NONE", "READ", "FULL"],
    }
}

fn key_name(key: PermissionKey) -> String {
    serde_json::to_value(key).unwrap().as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_that_a_key_does_not_allow_is_refused_by_the_api_and_by_the_database() {
    let (app, [_, client, branch], owner) = tree().await;
    for key in PermissionKey::all().map(key_name) {
        for level in ["NONE", "READ", "LIMITED", "FULL"] {
            let answer = app
                .set_permissions(&owner, restrict(&client, &[(&key, level)]))
                .await;
            let fits = allowed(&key).contains(&level);
            if fits {
                answer.success();
            } else {
                assert_eq!(answer.user_error(), "BAD_USER_INPUT", "{key} {level}");
            }
            let insert = format!(
                "INSERT INTO permission_levels (account_id, key, level, updated_at)
                 VALUES ('{}', '{key}', '{level}', '2026-01-01 00:00:00+00:00')",
                branch.id
            );
            assert_eq!(
                app.tamper(&insert).await.is_ok(),
                fits,
                "{key} {level} in the database"
            );
            app.tamper("DELETE FROM permission_levels").await.unwrap();
        }
    }
    assert!(
        app.tamper(&format!(
            "INSERT INTO permission_levels (account_id, key, level, updated_at)
         VALUES ('{}', 'NO_SUCH_KEY', 'NONE', '2026-01-01 00:00:00+00:00')",
            branch.id
        ))
        .await
        .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_narrow_down_the_path_and_the_row_that_decided_is_named() {
    let (app, [_, client, branch], owner) = tree().await;
    // From below: what narrows ACCOUNT at the client takes its children out of the owner's hand.
    let at_branch = [
        ("API_KEYS", "NONE"),
        ("AGENTS", "FULL"),
        ("CAMPAIGNS_AND_CONTACTS", "READ"),
    ];
    app.set_permissions(&owner, restrict(&branch, &at_branch))
        .await
        .success();
    let at_client = [("DEVELOPERS", "READ"), ("AGENTS", "READ"), ("ACCOUNT", "LIMITED")];
    app.set_permissions(&owner, restrict(&client, &at_client))
        .await
        .success();
    let again = app.set_permissions(&owner, restrict(&branch, &at_branch)).await;
    assert_eq!(again.code(), "FORBIDDEN");

    let account = |account: &Account, key: &str| json!({"kind": "ACCOUNT", "account": account.id.as_str(), "key": key, "role": null});
    let expected = [
        ("API_KEYS", "NONE", account(&branch, "API_KEYS")),
        ("WEBHOOKS", "READ", account(&client, "DEVELOPERS")),
        ("AGENT_PROMPT", "READ", account(&client, "AGENTS")),
        ("SETTINGS", "READ", account(&client, "ACCOUNT")),
        ("ACCOUNT", "LIMITED", account(&client, "ACCOUNT")),
        (
            "CAMPAIGNS_AND_CONTACTS",
            "READ",
            account(&branch, "CAMPAIGNS_AND_CONTACTS"),
        ),
    ];
    for (key, level, decider) in expected {
        let permission = permission(&app, &owner, &branch, key).await;
        assert_eq!(permission["level"], level, "{key}");
        assert_eq!(permission["decidedBy"], decider, "{key}");
    }
    let tasks = permission(&app, &owner, &branch, "TASKS").await;
    assert_eq!(tasks["level"], "FULL");
    assert_eq!(tasks["decidedBy"]["kind"], "ROLE");
    assert_eq!(tasks["decidedBy"]["role"], "OWNER");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_level_replaces_the_earlier_one_and_others_stay() {
    let (app, [_, client, _], owner) = tree().await;
    app.set_permissions(
        &owner,
        restrict(&client, &[("TASKS", "NONE"), ("AGENTS", "NONE")]),
    )
    .await
    .success();
    app.set_permissions(&owner, restrict(&client, &[("TASKS", "FULL")]))
        .await
        .success();
    assert_eq!(permission(&app, &owner, &client, "TASKS").await["level"], "FULL");
    assert_eq!(
        permission(&app, &owner, &client, "AGENT_TOOLS").await["level"],
        "NONE"
    );
    let twice = restrict(&client, &[("TASKS", "NONE"), ("TASKS", "FULL")]);
    assert_eq!(
        app.set_permissions(&owner, twice).await.user_error(),
        "BAD_USER_INPUT"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sets_permissions_from_inside_a_subaccount() {
    let (app, [main, client, branch], _) = tree().await;
    let inside = app.member(&client, Role::Owner).await;
    let before = app.counts().await;
    let answer = app
        .set_permissions(&inside, restrict(&client, &[("TASKS", "FULL")]))
        .await;
    assert_eq!(answer.code(), "FORBIDDEN");
    let rename = json!({"id": client.id.as_str(), "name": "Renamed"});
    assert_eq!(app.update_subaccount(&inside, rename).await.code(), "FORBIDDEN");
    assert_eq!(app.counts().await, before);
    app.set_permissions(&inside, restrict(&branch, &[("TASKS", "READ")]))
        .await
        .success();

    for role in [Role::Member, Role::Viewer] {
        let caller = app.member(&main, role).await;
        let answer = app
            .set_permissions(&caller, restrict(&client, &[("TASKS", "FULL")]))
            .await;
        assert_eq!(answer.code(), "FORBIDDEN");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_a_level_forbids_is_null_and_the_rest_is_answered() {
    let (app, [_, client, _], owner) = tree().await;
    let inside = app.member(&client, Role::Owner).await;
    let document = "query ($id: ID!) {
      account(id: $id) {
        name
        members { totalCount } subaccounts { totalCount } limits { resources { resource } }
        billingTransfer { state } credits { pool { amount } }
        usage { totals { meter } } usageEvents { totalCount } ruleVersions { totalCount }
      }
    }";
    let gates = [
        ("MEMBERS", "NONE", vec!["members"]),
        ("SUBACCOUNTS", "NONE", vec!["subaccounts"]),
        ("SETTINGS", "NONE", vec!["limits"]),
        ("ACCOUNT", "NONE", vec!["limits", "members", "subaccounts"]),
        ("USAGE", "NONE", vec!["usage", "usageEvents"]),
        (
            "BILLING",
            "NONE",
            vec![
                "billingTransfer",
                "credits",
                "ruleVersions",
                "usage",
                "usageEvents",
            ],
        ),
    ];
    for (key, level, hidden) in gates {
        app.set_permissions(&owner, restrict(&client, &[(key, level)]))
            .await
            .success();
        let answer = app
            .run(&inside, document, json!({"id": client.id.as_str()}))
            .await;
        let account = answer.0["data"]["account"]
            .as_object()
            .expect("the account is still there")
            .clone();
        assert_eq!(account["name"], "Client");
        for field in &hidden {
            assert_eq!(account[*field], Value::Null, "{key} {level}: {field}");
        }
        assert!(
            answer.codes().iter().all(|code| *code == "FORBIDDEN"),
            "{:?}",
            answer.codes()
        );
        let paths: Vec<_> = answer.0["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["path"][1].as_str().unwrap())
            .collect();
        for field in &hidden {
            // What a client in manual mode may not see of its credits is no error of permission alone.
            assert!(paths.contains(field), "{key}: no error at {field}, but {paths:?}");
        }
        app.tamper("DELETE FROM permission_levels").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_has_its_own_levels_and_no_other() {
    let (app, [_, client, branch], _) = tree().await;
    let key = app
        .api_key(
            &client,
            &[
                (PermissionKey::Billing, Level::Full),
                (PermissionKey::Usage, Level::Full),
            ],
        )
        .await;
    app.accepted(&app.record(&key, &branch, json!([event("a")])).await);
    let usage = permission(&app, &key, &branch, "USAGE").await;
    assert_eq!(usage["level"], "FULL");
    assert_eq!(usage["decidedBy"]["kind"], "API_KEY");
    assert_eq!(permission(&app, &key, &branch, "MEMBERS").await["level"], "NONE");
    let input = json!({"parentId": client.id.as_str(), "name": "More"});
    assert_eq!(app.create_subaccount(&key, input).await.code(), "FORBIDDEN");

    let without = app.api_key(&client, &[(PermissionKey::Tasks, Level::Full)]).await;
    assert_eq!(
        app.record(&without, &branch, json!([event("b")])).await.code(),
        "FORBIDDEN"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_of_several_grants_counts() {
    let (app, [main, client, branch], owner) = tree().await;
    let person = app.person("Two Hats").await;
    app.join(&main, &person, Role::Viewer).await;
    app.join(&client, &person, Role::Owner).await;
    let caller = app.sign_in(&person).await;
    for (account, level, role) in [
        (&main, "READ", "VIEWER"),
        (&client, "FULL", "OWNER"),
        (&branch, "FULL", "OWNER"),
    ] {
        let members = permission(&app, &caller, account, "MEMBERS").await;
        assert_eq!(members["level"], level, "{}", account.name);
        assert_eq!(members["decidedBy"]["role"], role);
    }
    app.set_permissions(&owner, restrict(&client, &[("MEMBERS", "NONE")]))
        .await
        .success();
    assert_eq!(
        permission(&app, &caller, &client, "MEMBERS").await["level"],
        "NONE"
    );
    assert_eq!(permission(&app, &caller, &main, "MEMBERS").await["level"], "READ");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_narrows_to_a_descendant_and_to_nothing_else() {
    let (app, [main, client, branch], owner) = tree().await;
    let stranger = app.main_account(None, "Stranger", "pln_itellico").await;
    let key = app.full_api_key(&main).await;
    let own = "{ account { id name } }";
    for caller in [&owner, &key] {
        assert_eq!(
            app.run(caller, own, json!({})).await.text("/account/id"),
            main.id.as_str()
        );
        let narrowed = caller.acting_on(&client.id);
        assert_eq!(
            app.run(&narrowed, own, json!({})).await.text("/account/id"),
            client.id.as_str()
        );
        let below = app
            .run(&narrowed, PERMISSIONS, json!({"id": branch.id.as_str()}))
            .await;
        assert_eq!(
            below
                .at("/account/permissionSet/permissions")
                .as_array()
                .unwrap()
                .len(),
            28
        );
        let above = app
            .run(&narrowed, PERMISSIONS, json!({"id": main.id.as_str()}))
            .await;
        assert_eq!(above.code(), "NOT_FOUND");
        app.accepted(
            &app.record(&narrowed, &branch, json!([event(caller.secret())]))
                .await,
        );
        assert_eq!(
            app.record(&narrowed, &main, json!([event("no")])).await.code(),
            "NOT_FOUND"
        );

        let mut answers = Vec::new();
        for id in [
            stranger.id.as_str(),
            "acc_01jd0000000000000000000000",
            "nonsense",
            "",
        ] {
            let answer = app.run(&caller.acting_on(id), own, json!({})).await;
            assert_eq!(answer.code(), "NOT_FOUND", "{id}");
            answers.push(answer);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    }
    let inside = app.member(&client, Role::Owner).await;
    let upward = app.run(&inside.acting_on(&main.id), own, json!({})).await;
    assert_eq!(upward.code(), "NOT_FOUND");
}
