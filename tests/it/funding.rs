//! Who pays: purchased credits, then the pool, then the parent, and never a credit that is not there.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::{CreditMode, Model as Account};
use serde_json::{Value, json};

use crate::app::{App, Caller};
use crate::operations::event;

/// A main account on a plan that sells credits, and its price of one dollar a minute.
async fn seller() -> (App, Account, Caller) {
    let app = App::start().await;
    let main = app.main_account(None, "Seller", "pln_connector").await;
    app.unit_price(&main, "1").await;
    let owner = app.member(&main, Role::Owner).await;
    (app, main, owner)
}

/// What was paid for an account's usage out of each pocket, in millionths: PURCHASED, POOL, RECEIVABLE.
async fn paid_from(app: &App, account: &Account) -> [i64; 3] {
    let mut paid = [0; 3];
    for (kind, sum) in ["PURCHASED", "POOL", "RECEIVABLE"].into_iter().zip(&mut paid) {
        let sql = format!(
            "SELECT CAST(coalesce(sum(p.amount), 0) AS bigint) FROM postings p
             JOIN ledger_accounts l ON l.id = p.debit_id
             WHERE p.kind = 'USAGE' AND l.kind = '{kind}' AND EXISTS (
               SELECT 1 FROM ratings r WHERE r.batch_id = p.batch_id AND r.buyer_account_id = '{}' AND l.account_id =
                 CASE WHEN l.kind = 'RECEIVABLE' THEN r.seller_account_id ELSE r.buyer_account_id END)",
            account.id
        );
        *sum = app.number(&sql).await;
    }
    paid
}

fn minutes(key: &str, quantity: &str) -> Value {
    let mut event = event(key);
    event["quantity"] = json!(quantity);
    event
}

async fn balance(app: &App, account: &Account, kind: &str) -> i64 {
    app.number(&format!(
        "SELECT CAST(coalesce(sum(credits - debits), 0) AS bigint) FROM ledger_accounts
         WHERE account_id = '{}' AND kind = '{kind}'",
        account.id
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn purchased_credits_pay_first_then_the_pool_then_the_parent() {
    let (app, main, owner) = seller().await;
    let client = app
        .subaccount_in_mode(&main, "Client", Some(CreditMode::Reselling))
        .await;
    app.purchase(&client, "2").await;
    let pool = balance(&app, &client, "POOL").await;
    assert!(pool > 0, "the connector preset gives starter credits");
    let total = pool / 1_000_000 + 5;
    app.accepted(
        &app.record(&owner, &client, json!([minutes("a", &total.to_string())]))
            .await,
    );
    let carried = total * 1_000_000 - pool - 2_000_000;
    assert_eq!(paid_from(&app, &client).await, [2_000_000, pool, carried]);
    assert_eq!(balance(&app, &client, "POOL").await, 0);
    assert_eq!(balance(&app, &client, "PURCHASED").await, 0);
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_manual_mode_purchased_credits_are_left_alone() {
    let (app, main, owner) = seller().await;
    let client = app.subaccount(&main, "Client").await;
    app.purchase(&client, "2").await;
    let pool = balance(&app, &client, "POOL").await;
    let total = pool / 1_000_000 + 1;
    app.accepted(
        &app.record(&owner, &client, json!([minutes("a", &total.to_string())]))
            .await,
    );
    assert_eq!(balance(&app, &client, "PURCHASED").await, 2_000_000);
    assert_eq!(balance(&app, &client, "POOL").await, 0);
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_pays_itself_is_refused_when_its_credits_are_short() {
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let main = app.main_account(Some(&platform), "Main", "pln_itellico").await;
    app.unit_price(&platform, "1").await;
    let owner = app.member(&main, Role::Owner).await;
    app.fund(&main, "5").await;
    app.purchase(&main, "1").await;

    app.accepted(&app.record(&owner, &main, json!([minutes("a", "2")])).await);
    assert_eq!(balance(&app, &main, "PURCHASED").await, 0);
    assert_eq!(balance(&app, &main, "POOL").await, 4_000_000);
    let before = app.counts().await;
    let answer = app.record(&owner, &main, json!([minutes("b", "4.000001")])).await;
    assert_eq!(answer.success()["results"][0]["status"], "REJECTED");
    assert_eq!(
        answer.success()["results"][0]["userErrors"][0]["code"],
        "LIMIT_EXCEEDED"
    );
    assert_eq!(app.counts().await, before);
    // A refused key was not used up, and a smaller event of the same batch fits.
    let batch = json!([minutes("b", "3"), minutes("c", "2"), minutes("d", "1")]);
    let answer = app.record(&owner, &main, batch).await;
    let statuses: Vec<_> = answer.success()["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["status"].clone())
        .collect();
    assert_eq!(statuses, ["ACCEPTED", "REJECTED", "ACCEPTED"]);
    assert_eq!(balance(&app, &main, "POOL").await, 0);
    app.assert_balanced().await;
    app.assert_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_reseller_cannot_pay_is_refused() {
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let main = app.main_account(Some(&platform), "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    app.unit_price(&platform, "1").await;
    let owner = app.member(&main, Role::Owner).await;
    app.fund(&main, "1").await;
    let answer = app.record(&owner, &client, json!([event("a"), event("b")])).await;
    let results = &answer.success()["results"];
    assert_eq!(results[0]["status"], "ACCEPTED");
    assert_eq!(results[1]["userErrors"][0]["code"], "LIMIT_EXCEEDED");
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_spends_of_the_last_credit_one_wins() {
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let main = app.main_account(Some(&platform), "Main", "pln_itellico").await;
    app.unit_price(&platform, "1").await;
    let owner = app.member(&main, Role::Owner).await;
    app.fund(&main, "3").await;
    let spends = (0..8).map(|n| {
        let (app, owner, main) = (&app, &owner, &main);
        async move {
            app.record(owner, main, json!([event(&format!("spend-{n}"))]))
                .await
        }
    });
    let answers = futures_util::future::join_all(spends).await;
    let results: Vec<_> = answers
        .iter()
        .map(|answer| answer.success()["results"][0].clone())
        .collect();
    let won = results
        .iter()
        .filter(|result| result["status"] == "ACCEPTED")
        .count();
    assert_eq!(won, 3, "{results:#?}");
    for lost in results.iter().filter(|result| result["status"] != "ACCEPTED") {
        assert_eq!(lost["userErrors"][0]["code"], "LIMIT_EXCEEDED");
    }
    assert_eq!(balance(&app, &main, "POOL").await, 0);
    app.assert_balanced().await;
    app.assert_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_identical_batches_are_accepted_once() {
    let (app, main, owner) = seller().await;
    let client = app.subaccount(&main, "Client").await;
    let batch = json!([event("a"), event("b"), event("c")]);
    let sends = (0..6).map(|_| app.record(&owner, &client, batch.clone()));
    let answers = futures_util::future::join_all(sends).await;
    for index in 0..3 {
        let statuses: Vec<_> = answers
            .iter()
            .map(|a| a.success()["results"][index]["status"].clone())
            .collect();
        let accepted = statuses.iter().filter(|status| *status == "ACCEPTED").count();
        let replayed = statuses.iter().filter(|status| *status == "REPLAYED").count();
        assert_eq!((accepted, replayed), (1, 5), "{statuses:?}");
        let ids: Vec<_> = answers
            .iter()
            .map(|a| a.success()["results"][index]["event"]["id"].clone())
            .collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
    app.assert_counted_once().await;
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credits_are_shown_to_whom_they_belong() {
    let (app, main, owner) = seller().await;
    let manual = app.subaccount(&main, "Manual").await;
    let reselling = app
        .subaccount_in_mode(&main, "Reselling", Some(CreditMode::Reselling))
        .await;
    app.purchase(&reselling, "7.5").await;
    let document = "query ($id: ID!) {
      account(id: $id) { credits { purchased { amount currency } pool { amount currency } } }
    }";
    let ask = async |caller: &Caller, account: &Account| {
        let answer = app
            .run(caller, document, json!({"id": account.id.as_str()}))
            .await;
        answer.0["data"]["account"]["credits"].clone()
    };
    let seen = ask(&owner, &reselling).await;
    assert_eq!(seen["purchased"], json!({"amount": "7.5", "currency": "USD"}));
    assert_ne!(ask(&owner, &manual).await, Value::Null);
    let inside = app.member(&reselling, Role::Owner).await;
    assert_eq!(ask(&inside, &reselling).await, seen);
    let inside = app.member(&manual, Role::Owner).await;
    assert_eq!(
        ask(&inside, &manual).await,
        Value::Null,
        "its agency's allocation is not for it to see"
    );
}
