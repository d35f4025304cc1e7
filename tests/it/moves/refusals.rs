//! Moves that are not made, and what is left as it was.

use canopy_domain::entity::Role;
use serde_json::{Value, json};

use super::{Shop, shop};
use crate::app::Caller;

/// The code of a move that is refused, whether by the payload or by an error.
async fn refused(shop: &Shop, caller: &Caller, input: Value) -> String {
    let answer = shop.app.move_account(caller, input).await;
    match answer.codes().first() {
        Some(code) => (*code).to_owned(),
        None => answer.user_error().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_cannot_be_made_is_refused_and_changes_nothing() {
    let shop = shop().await;
    let app = &shop.app;
    let elsewhere = app.platform("Elsewhere").await;
    let elsewhere = app.main_account(Some(&elsewhere), "Theirs", "pln_itellico").await;
    let closed = app.subaccount(&shop.left, "Closed").await;
    let full = app.subaccount(&shop.main, "Full").await;
    for input in [
        json!({"id": closed.id.as_str(), "status": "CLOSED"}),
        json!({"id": full.id.as_str(), "planId": "pln_agentphone"}),
    ] {
        app.update_subaccount(&shop.operator, input).await.success();
    }
    let [main_owner, left_owner] = [
        app.member(&shop.main, Role::Owner).await,
        app.member(&shop.left, Role::Owner).await,
    ];
    let viewer = app.member(&shop.platform, Role::Viewer).await;
    let counts = app.counts().await;

    let to = |id: &canopy_domain::entity::account::Model, parent: &canopy_domain::entity::account::Model| json!({"id": id.id.as_str(), "parentId": parent.id.as_str()});
    let [platform, main, left, right] = [&shop.platform, &shop.main, &shop.left, &shop.right];
    let (client, branch) = (&shop.client, &shop.branch);
    let operator = &shop.operator;
    for (why, caller, input, code) in [
        (
            "who reaches both is not the operator",
            &main_owner,
            to(client, right),
            "FORBIDDEN",
        ),
        ("nor is the parent", &left_owner, to(branch, left), "FORBIDDEN"),
        (
            "a viewer changes nothing",
            &viewer,
            to(client, right),
            "FORBIDDEN",
        ),
        ("there already", operator, to(client, left), "BAD_USER_INPUT"),
        ("below itself", operator, to(client, branch), "BAD_USER_INPUT"),
        ("to itself", operator, to(client, client), "BAD_USER_INPUT"),
        ("main accounts stay", operator, to(main, left), "BAD_USER_INPUT"),
        (
            "clients are below main accounts",
            operator,
            to(client, platform),
            "BAD_USER_INPUT",
        ),
        ("a closed account", operator, to(&closed, right), "CONFLICT"),
        ("to a closed account", operator, to(client, &closed), "CONFLICT"),
        ("another tree", operator, to(client, &elsewhere), "NOT_FOUND"),
        (
            "nobody",
            operator,
            json!({"id": "acc_1", "parentId": right.id.as_str()}),
            "NOT_FOUND",
        ),
        ("too deep", operator, to(client, &full), "LIMIT_EXCEEDED"),
        (
            "no such plan",
            operator,
            json!({"id": client.id.as_str(), "parentId": right.id.as_str(), "planId": "pln_1"}),
            "NOT_FOUND",
        ),
    ] {
        assert_eq!(refused(&shop, caller, input).await, code, "{why}");
    }
    assert_eq!(app.counts().await, counts);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_not_moved_while_credits_are_held_for_what_is_below() {
    let shop = shop().await;
    let app = &shop.app;
    let hold = "mutation ($input: HoldUsageInput!) {
      holdUsage(input: $input) { hold { id } userErrors { code message } }
    }";
    let input = json!({
        "accountId": shop.branch.id.as_str(), "meter": "minutes", "quantity": "3", "idempotencyKey": "hold",
        "expiresIn": 600
    });
    let held = app.run(&shop.operator, hold, json!({"input": input})).await;
    let id = held.success()["hold"]["id"].clone();
    assert_eq!(
        refused(&shop, &shop.operator, shop.to_the_right()).await,
        "CONFLICT"
    );
    let void =
        "mutation ($input: VoidHoldInput!) { voidHold(input: $input) { userErrors { code message } } }";
    let input = json!({"holdId": id});
    app.run(&shop.operator, void, json!({"input": input}))
        .await
        .success();
    shop.move_client().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_siblings_do_not_get_one_external_reference() {
    let shop = shop().await;
    let app = &shop.app;
    for parent in [&shop.left, &shop.right] {
        let input = json!({"parentId": parent.id.as_str(), "name": "Twin", "externalRef": "twin"});
        app.create_subaccount(&shop.operator, input).await.success();
    }
    let twin = app
        .rows(&format!(
            "SELECT id FROM accounts WHERE external_ref = 'twin' AND parent_id = '{}'",
            shop.left.id
        ))
        .await;
    let input = json!({"id": twin[0]["id"], "parentId": shop.right.id.as_str()});
    assert_eq!(refused(&shop, &shop.operator, input).await, "CONFLICT");
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_does_not_keep_a_plan_of_whom_it_leaves() {
    let shop = shop().await;
    let app = &shop.app;
    for sql in [
        format!(
            "INSERT INTO plans SELECT 'pln_left', '{}', 'Of the left', description, limits_rule_version_id,
               limits_configuration, meters, created_at FROM plans WHERE id = 'pln_itellico'",
            shop.left.id
        ),
        format!(
            "UPDATE accounts SET plan_id = 'pln_left', plan_inherited = false WHERE id = '{}'",
            shop.branch.id
        ),
    ] {
        app.tamper(&sql).await.expect("the statement is right");
    }
    assert_eq!(
        refused(&shop, &shop.operator, shop.to_the_right()).await,
        "CONFLICT"
    );
    let another = json!({"id": shop.branch.id.as_str(), "planId": "pln_itellico"});
    app.update_subaccount(&shop.operator, another).await.success();
    shop.move_client().await;
}
