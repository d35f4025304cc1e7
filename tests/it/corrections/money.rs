//! What a correction moves: back to the wallets that paid, and never more than they have.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use serde_json::json;

use super::{amend, result, shop, units, void};
use crate::app::App;

async fn balances(app: &App, account: &Account) -> [i64; 2] {
    let mut balances = [0; 2];
    for (kind, balance) in ["PURCHASED", "POOL"].into_iter().zip(&mut balances) {
        let sql = format!(
            "SELECT CAST(coalesce(sum(credits - debits), 0) AS bigint) FROM ledger_accounts
             WHERE account_id = '{}' AND kind = '{kind}'",
            account.id
        );
        *balance = app.number(&sql).await;
    }
    balances
}

#[tokio::test(flavor = "multi_thread")]
async fn credits_return_to_the_wallets_that_they_came_from() {
    let shop = shop().await;
    let app = &shop.app;
    app.purchase(&shop.client, "2").await;
    let [_, pool] = balances(app, &shop.client).await;
    assert!(pool > 10_000_000, "the connector preset gives starter credits");
    let all_of_it = (2 * pool / 1_000_000).to_string();
    // One dollar purchased; one purchased and one of the pool; the rest of the pool and one that the parent carries.
    let batch = json!([units("a", "2"), units("b", "4"), units("c", &all_of_it)]);
    shop.record(batch).await;
    assert_eq!(balances(app, &shop.client).await, [0, 0]);
    app.assert_right().await;

    app.corrected(&shop.owner, &shop.client, void("fix-b", "b")).await;
    assert_eq!(balances(app, &shop.client).await, [1_000_000, 1_000_000]);
    app.corrected(&shop.owner, &shop.client, void("fix-a", "a")).await;
    assert_eq!(balances(app, &shop.client).await, [2_000_000, 1_000_000]);
    // The purchased credits are there again, and pay first.
    app.corrected(&shop.owner, &shop.client, amend("fix-c", "c", "6"))
        .await;
    assert_eq!(balances(app, &shop.client).await, [0, pool - 1_000_000]);
    let carried =
        "SELECT CAST(sum(debits - credits) AS bigint) FROM ledger_accounts WHERE kind = 'RECEIVABLE'";
    assert_eq!(app.number(carried).await, 0);
    app.assert_right().await;

    app.corrected(&shop.owner, &shop.client, void("none", "c")).await;
    assert_eq!(balances(app, &shop.client).await, [2_000_000, pool]);
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amendment_that_nobody_can_pay_changes_nothing() {
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let main = app.main_account(Some(&platform), "Main", "pln_itellico").await;
    app.unit_price(&platform, "1").await;
    let owner = app.member(&platform, Role::Owner).await;
    app.fund(&main, "5").await;
    app.accepted(&app.record(&owner, &main, json!([units("a", "3")])).await);
    let before = app.counts().await;
    let refused = app.correct(&owner, &main, json!([amend("fix", "a", "6")])).await;
    assert_eq!(result(&refused), ("REJECTED".to_owned(), json!("LIMIT_EXCEEDED")));
    assert_eq!(app.counts().await, before);
    assert_eq!(balances(&app, &main).await, [0, 2_000_000]);
    // What the event itself had paid can be spent on what stands for it.
    app.corrected(&owner, &main, amend("fix", "a", "5")).await;
    assert_eq!(balances(&app, &main).await, [0, 0]);
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_seller_of_a_chain_gives_back_what_it_got() {
    let chain = crate::app::chain::chain().await;
    let (app, [platform, main, client, branch]) = (&chain.app, &chain.accounts);
    for (seller, price) in [(platform, "0.1"), (main, "0.2"), (client, "0.3")] {
        app.unit_price(seller, price).await;
    }
    let owner = &chain.owners[0];
    let before = balances(app, main).await;
    let batch: Vec<_> = (0..20).map(|n| units(&format!("e{n}"), "3")).collect();
    app.accepted(&app.record(owner, branch, json!(batch)).await);
    let voids: Vec<_> = (0..20)
        .map(|n| void(&format!("fix{n}"), &format!("e{n}")))
        .collect();
    let answer = app.correct(owner, branch, json!(voids)).await;
    let results = answer.success()["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["status"] == "ACCEPTED"));
    assert_eq!(balances(app, main).await, before);
    let left = "SELECT CAST(sum(abs(debits - credits)) AS bigint) FROM ledger_accounts
                WHERE kind IN ('REVENUE', 'RECEIVABLE')";
    assert_eq!(app.number(left).await, 0);
    app.assert_right().await;
}
