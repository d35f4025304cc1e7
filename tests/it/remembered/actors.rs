//! Who is asking.

use std::sync::Arc;
use std::time::Duration;

use canopy_domain::accounts::UpdateSubaccount;
use canopy_domain::entity::account::{AccountStatus, Model as Account};
use canopy_domain::entity::{ApiKeyId, Role};
use sea_orm::Statement;
use serde_json::json;

use crate::app::{App, Caller, token_settings, until};

const ME: &str = "{ me { apiKey { id } actingAs { id } } }";
const ACCOUNT: &str = "query ($id: ID!) { account(id: $id) { id } }";

/// Whether the caller is somebody, and sees the account.
async fn sees(app: &App, caller: &Caller, account: &Account) -> bool {
    let answer = app.run(caller, ACCOUNT, json!({"id": account.id.as_str()})).await;
    answer.0["data"]["account"]["id"] == account.id.as_str()
}

/// The code with which the caller is refused; `none` if it is not.
async fn refusal(app: &App, caller: &Caller) -> String {
    let answer = app.run(caller, "{ __typename }", json!({})).await;
    answer
        .codes()
        .first()
        .map_or("none".to_owned(), ToString::to_string)
}

/// The statements that a request reads with; the minute of a key's use is written beside it.
async fn reads_of(app: &App, caller: &Caller) -> Vec<Statement> {
    app.statements.take();
    app.run(caller, "{ __typename }", json!({})).await.data();
    let mut statements = app.statements.take();
    statements.retain(|one| one.sql.trim_start().starts_with("SELECT"));
    statements
}

async fn key_id(app: &App, key: &Caller) -> ApiKeyId {
    let me = app.run(key, ME, json!({})).await;
    ApiKeyId::parse(&me.text("/me/apiKey/id")).unwrap()
}

async fn set_status(app: &App, account: &Account, status: AccountStatus) {
    let input = UpdateSubaccount {
        id: account.id.clone(),
        name: None,
        status: Some(status),
        plan_id: None,
        credit_mode: None,
        time_zone: None,
    };
    let changed = app
        .domain
        .update_subaccount(&app.system(account), input, None)
        .await;
    changed.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_does_not_ask_the_database_who_it_is_from() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let child = app.subaccount(&main, "Child").await;
    let (key, owner) = (
        app.full_api_key(&main).await,
        app.member(&main, Role::Owner).await,
    );
    for caller in [
        &key,
        &owner,
        &key.acting_on(&child.id),
        &owner.acting_on(&child.id),
    ] {
        assert!(!reads_of(&app, caller).await.is_empty(), "the first one asks");
        let again = reads_of(&app, caller).await;
        assert!(again.is_empty(), "{again:#?}");
    }
    // Each is remembered as what it presented.
    let me = app.run(&key.acting_on(&child.id), ME, json!({})).await;
    assert_eq!(me.text("/me/actingAs/id"), child.id.as_str());
    let me = app.run(&key, ME, json!({})).await;
    assert_eq!(me.text("/me/actingAs/id"), main.id.as_str());

    let app = App::configured(|settings| settings.remember = Duration::ZERO).await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let key = app.full_api_key(&main).await;
    let counts = [reads_of(&app, &key).await.len(), reads_of(&app, &key).await.len()];
    assert!(counts[1] > 0 && counts[0] == counts[1], "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_use_of_a_remembered_key_is_noted() {
    let here = App::start().await;
    let there = App::on(Arc::clone(&here.database)).await;
    let main = here.main_account(None, "Main", "pln_itellico").await;
    let key = here.full_api_key(&main).await;
    let noted = async || {
        let used = "SELECT id FROM api_keys WHERE last_used_at IS NOT NULL";
        (!here.rows(used).await.is_empty()).then_some(())
    };
    here.run(&key, ME, json!({})).await.data();
    until("the use to be noted", noted).await;
    // This one finds the minute noted, and has not noted it itself.
    there.run(&key, ME, json!({})).await.data();
    here.tamper("UPDATE api_keys SET last_used_at = NULL")
        .await
        .unwrap();
    assert!(reads_of(&there, &key).await.is_empty());
    until("the use of the remembered key to be noted", noted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_rights_holds_with_the_next_request() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let child = app.subaccount(&main, "Child").await;

    let key = app.full_api_key(&main).await;
    let id = key_id(&app, &key).await;
    app.domain.revoke_api_key(&app.system(&main), &id).await.unwrap();
    assert_eq!(refusal(&app, &key).await, "UNAUTHENTICATED");

    let person = app.person("Changing").await;
    let caller = app.sign_in(&person).await;
    assert!(!sees(&app, &caller, &child).await, "a member of nothing");
    app.join(&child, &person, Role::Owner).await;
    assert!(sees(&app, &caller, &child).await);
    assert!(!sees(&app, &caller, &main).await);
    app.join(&main, &person, Role::Owner).await;
    assert!(sees(&app, &caller, &main).await, "a second membership");
    let make = |name: &str| json!({"parentId": main.id.as_str(), "name": name});
    app.create_subaccount(&caller, make("By an owner"))
        .await
        .success();
    app.join(&main, &person, Role::Viewer).await;
    let refused = app.create_subaccount(&caller, make("By a viewer")).await;
    assert_eq!(refused.code(), "FORBIDDEN");
    app.domain.revoke_tokens(&person).await.unwrap();
    assert_eq!(refusal(&app, &caller).await, "UNAUTHENTICATED");
    assert!(sees(&app, &app.sign_in(&person).await, &main).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_account_is_gone_with_the_next_request_and_restored_with_the_next() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let child = app.subaccount(&main, "Child").await;
    let grandchild = app.subaccount(&child, "Grandchild").await;
    let key = app.full_api_key(&grandchild).await;
    let narrowed = app.full_api_key(&main).await.acting_on(&child.id);
    let person = app.person("Twice").await;
    app.join(&child, &person, Role::Owner).await;
    let elsewhere = app.main_account(None, "Elsewhere", "pln_itellico").await;
    app.join(&elsewhere, &person, Role::Owner).await;
    let person = app.sign_in(&person).await;
    for _ in 0..2 {
        assert_eq!(refusal(&app, &key).await, "none");
        assert_eq!(refusal(&app, &narrowed).await, "none");
        assert!(sees(&app, &person, &grandchild).await);
        set_status(&app, &child, AccountStatus::Closed).await;
        assert_eq!(refusal(&app, &key).await, "UNAUTHENTICATED");
        assert_eq!(refusal(&app, &narrowed).await, "NOT_FOUND");
        assert!(!sees(&app, &person, &grandchild).await);
        assert!(sees(&app, &person, &elsewhere).await);
        set_status(&app, &child, AccountStatus::Active).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_becomes_an_owner_by_making_an_account_is_one_at_once() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let switch = "{ me { accounts { edges { cursor } } } }";
    let accounts = async || {
        let answer = app.run(&owner, switch, json!({})).await;
        answer.data()["me"]["accounts"]["edges"].as_array().unwrap().len()
    };
    assert_eq!(accounts().await, 1);
    let input = json!({"parentId": main.id.as_str(), "name": "Own", "idempotencyKey": "own"});
    app.create_subaccount(&owner, input).await.success();
    assert_eq!(accounts().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_refuses_what_it_was_told_of_and_asks_again_after_a_while_anyway() {
    let here = App::start().await;
    let there = App::on(Arc::clone(&here.database)).await;
    let main = here.main_account(None, "Main", "pln_itellico").await;
    let key = here.full_api_key(&main).await;
    let id = key_id(&there, &key).await;
    // What there is to tell so far was told.
    there.relay().await;
    assert_eq!(refusal(&there, &key).await, "none");
    assert!(reads_of(&there, &key).await.is_empty());
    here.domain
        .revoke_api_key(&here.system(&main), &id)
        .await
        .unwrap();
    assert_eq!(refusal(&here, &key).await, "UNAUTHENTICATED");
    there.relay().await;
    assert_eq!(refusal(&there, &key).await, "UNAUTHENTICATED");

    // One that hears nothing.
    let deaf = App::on_configured(Arc::clone(&here.database), |settings| {
        settings.remember = Duration::from_millis(300);
    })
    .await;
    let key = here.full_api_key(&main).await;
    let id = key_id(&deaf, &key).await;
    here.domain
        .revoke_api_key(&here.system(&main), &id)
        .await
        .unwrap();
    until("the actor to be read again", async || {
        (refusal(&deaf, &key).await == "UNAUTHENTICATED").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_secret_is_refused_though_its_person_is_remembered() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let person = app.person("Signed").await;
    app.join(&main, &person, Role::Owner).await;
    let caller = app.sign_in(&person).await;
    assert!(sees(&app, &caller, &main).await);
    let other = "another key, also of 32 bytes and more";
    let forger = App::with_tokens(Arc::clone(&app.database), token_settings(other, "canopy")).await;
    let forged = forger.sign_in(&person).await;
    assert!(sees(&forger, &forged, &main).await);
    assert_eq!(refusal(&app, &forged).await, "UNAUTHENTICATED");
}
