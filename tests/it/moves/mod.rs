//! Accounts that are moved: each unit is sold by those who stood above when it was used, and what is seen and limited
//! follows the tree as it is.

mod refusals;
mod stories;
mod streams;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::app::{Answer, App, Caller};
use crate::operations::event;

/// A platform and its main account, which sells by two agencies. A client of the left one has a branch.
struct Shop {
    app: App,
    platform: Account,
    main: Account,
    left: Account,
    right: Account,
    client: Account,
    branch: Account,
    operator: Caller,
}

async fn shop() -> Shop {
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let main = app.main_account(Some(&platform), "Main", "pln_itellico").await;
    app.fund(&main, "100").await;
    let left = app.subaccount(&main, "Left").await;
    let right = app.subaccount(&main, "Right").await;
    let client = app.subaccount(&left, "Client").await;
    let branch = app.subaccount(&client, "Branch").await;
    for (seller, price) in [(&platform, "0.1"), (&left, "0.5"), (&right, "0.75")] {
        app.unit_price(seller, price).await;
    }
    let operator = app.member(&platform, Role::Owner).await;
    Shop {
        app,
        platform,
        main,
        left,
        right,
        client,
        branch,
        operator,
    }
}

impl Shop {
    fn to_the_right(&self) -> Value {
        json!({"id": self.client.id.as_str(), "parentId": self.right.id.as_str()})
    }

    /// Moves the client to the agency on the right; answers since when it stands there.
    async fn move_client(&self) -> DateTime<Utc> {
        let moved = self.app.move_account(&self.operator, self.to_the_right()).await;
        let at = moved.success()["changes"]["at"].as_str().expect("it was moved");
        at.parse().expect("an instant")
    }

    /// Records a unit of an account at an instant.
    async fn record_at(&self, account: &Account, key: &str, at: DateTime<Utc>) {
        let mut event = event(key);
        event["occurredAt"] = json!(at);
        let recorded = self.app.record(&self.operator, account, json!([event])).await;
        self.app.accepted(&recorded);
    }

    /// Whom each account bought an event from, from the top down, by their names.
    async fn sellers(&self, key: &str) -> Vec<String> {
        let sql = format!(
            "SELECT s.name AS seller, b.name AS buyer FROM ratings r JOIN usage_events e ON e.id = r.event_id
             JOIN accounts s ON s.id = r.seller_account_id JOIN accounts b ON b.id = r.buyer_account_id
             WHERE e.idempotency_key = '{key}' ORDER BY r.edge"
        );
        let rows = self.app.rows(&sql).await;
        let sold = rows.iter().map(|row| {
            let name = |side: &str| row[side].as_str().expect("a name").to_owned();
            format!("{} to {}", name("seller"), name("buyer"))
        });
        sold.collect()
    }

    /// How many events of minutes the trees of these accounts have.
    async fn events_below<const N: usize>(&self, accounts: [&Account; N]) -> [i64; N] {
        let mut events = [0; N];
        for (account, events) in accounts.iter().zip(&mut events) {
            let document = "query ($id: ID!) {
              account(id: $id) { usage(granularity: DAY, includeDescendants: true) { totals { events } } }
            }";
            let variables = json!({"id": account.id.as_str()});
            let answer = self.app.run(&self.operator, document, variables).await;
            let totals = answer.at("/account/usage/totals");
            *events = totals[0]["events"].as_i64().unwrap_or(0);
        }
        events
    }
}

impl App {
    async fn move_account(&self, caller: &Caller, input: Value) -> Answer {
        let document = "mutation ($input: MoveAccountInput!) {
          moveAccount(input: $input) {
            account { id depth level plan { id } planInherited parent { id } }
            changes {
              at accounts from to
              access { account gains members apiKeys }
              limits { resource used before after }
              payer { before after sellersBefore sellersAfter }
              planBefore planAfter
              creditsReturned { amount currency }
            }
            replayed
            userErrors { field message code }
          }
        }";
        self.run(caller, document, json!({"input": input})).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_sold_by_those_who_stood_above_when_it_was_used() {
    let shop = shop().await;
    let (left, right) = (
        ["Platform to Main", "Main to Left", "Left to Client"],
        ["Platform to Main", "Main to Right", "Right to Client"],
    );
    let earlier = Utc::now() - Duration::days(3);
    shop.record_at(&shop.client, "before", earlier).await;
    shop.record_at(&shop.branch, "branch before", earlier).await;
    let at = shop.move_client().await;
    let micro = Duration::microseconds(1);
    shop.record_at(&shop.client, "late", earlier).await;
    shop.record_at(&shop.client, "last", at - micro).await;
    shop.record_at(&shop.client, "first", at).await;
    shop.record_at(&shop.branch, "branch late", earlier).await;
    shop.record_at(&shop.branch, "branch first", at).await;
    shop.record_at(&shop.right, "of its own", earlier).await;

    for (key, sellers) in [("before", left), ("late", left), ("last", left), ("first", right)] {
        assert_eq!(shop.sellers(key).await, sellers, "{key}");
        let branch = [&sellers[..], &["Client to Branch"]].concat();
        if key != "last" {
            assert_eq!(shop.sellers(&format!("branch {key}")).await, branch);
        }
    }
    let [left, right, client] = [&shop.left, &shop.right, &shop.client];
    assert_eq!(
        shop.events_below([left, right, client, &shop.main]).await,
        [5, 3, 7, 8]
    );
    let again = shop
        .app
        .record(&shop.operator, &shop.client, {
            let mut event = event("before");
            event["occurredAt"] = json!(earlier);
            json!([event])
        })
        .await;
    assert_eq!(again.success()["results"][0]["status"], "REPLAYED");
    shop.app.relay().await;
    shop.app.assert_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_moved_there_and_back_has_each_unit_sold_once() {
    let shop = shop().await;
    let away = shop.move_client().await;
    let back = shop
        .app
        .move_account(
            &shop.operator,
            json!({"id": shop.client.id.as_str(), "parentId": shop.left.id.as_str()}),
        )
        .await;
    let back: DateTime<Utc> =
        serde_json::from_value(back.success()["changes"]["at"].clone()).expect("an instant");
    assert!(away < back);
    let micro = Duration::microseconds(1);
    for (key, at, seller) in [
        ("one", away - micro, "Left to Client"),
        ("two", away, "Right to Client"),
        ("three", back - micro, "Right to Client"),
        ("four", back, "Left to Client"),
    ] {
        shop.record_at(&shop.client, key, at).await;
        assert_eq!(
            shop.sellers(key).await.last().map(String::as_str),
            Some(seller),
            "{key}"
        );
    }
    shop.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_the_move_changes_and_changes_nothing() {
    let shop = shop().await;
    let (app, operator) = (&shop.app, &shop.operator);
    app.member(&shop.left, Role::Owner).await;
    app.full_api_key(&shop.right).await;
    app.fund(&shop.left, "5").await;
    app.fund(&shop.client, "2").await;
    let counts = app.counts().await;

    let mut input = shop.to_the_right();
    input["dryRun"] = json!(true);
    let dry = app.move_account(operator, input).await;
    let dry = dry.success();
    assert_eq!(app.counts().await, counts);
    assert_eq!(dry["account"]["parent"]["id"], json!(shop.left.id));
    let (left, right, main) = (&shop.left.id, &shop.right.id, &shop.main.id);
    let expected = json!({
        "at": null, "accounts": 2, "from": left, "to": right,
        "access": [
            {"account": left, "gains": false, "members": 1, "apiKeys": 0},
            {"account": right, "gains": true, "members": 0, "apiKeys": 1},
        ],
        "limits": [],
        "payer": {
            "before": main, "after": main,
            "sellersBefore": [shop.platform.id, main, left], "sellersAfter": [shop.platform.id, main, right],
        },
        "planBefore": "pln_itellico", "planAfter": "pln_itellico",
        "creditsReturned": {"amount": "2", "currency": "USD"},
    });
    assert_eq!(dry["changes"], expected);

    let moved = app.move_account(operator, shop.to_the_right()).await;
    let mut moved = moved.success().clone();
    assert_eq!(moved["account"]["parent"]["id"], json!(right));
    assert!(moved["changes"]["at"].is_string());
    moved["changes"]["at"] = Value::Null;
    assert_eq!(moved["changes"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_a_plan_that_is_inherited_follow_the_new_parent() {
    let shop = shop().await;
    let (app, operator) = (&shop.app, &shop.operator);
    let another = json!({"id": shop.right.id.as_str(), "planId": "pln_connector"});
    app.update_subaccount(operator, another).await.success();
    let moved = app.move_account(operator, shop.to_the_right()).await;
    // The plan of the new parent allows one level, and two would come.
    assert_eq!(moved.user_error(), "LIMIT_EXCEEDED");

    let branch = json!({"id": shop.branch.id.as_str(), "parentId": shop.main.id.as_str()});
    let moved = app.move_account(operator, branch).await;
    let changes = &moved.success()["changes"];
    let depth = json!({"resource": "depth", "used": 1, "before": 5, "after": 5});
    assert!(!changes["limits"].as_array().expect("a list").contains(&depth));

    let another = json!({"id": shop.right.id.as_str(), "planId": "pln_itellico"});
    app.update_subaccount(operator, another).await.success();
    let mut input = shop.to_the_right();
    input["planId"] = json!("pln_bolna");
    let moved = app.move_account(operator, input).await;
    assert_eq!(moved.user_error(), "LIMIT_EXCEEDED");
    let moved = app.move_account(operator, shop.to_the_right()).await;
    let moved = moved.success();
    assert_eq!(moved["account"]["plan"]["id"], "pln_itellico");
    assert_eq!(moved["account"]["planInherited"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_it_leaves_sees_it_no_more_and_whom_it_comes_to_does() {
    let shop = shop().await;
    let app = &shop.app;
    let mut callers = Vec::new();
    for account in [&shop.left, &shop.right, &shop.client, &shop.main] {
        callers.push(app.member(account, Role::Owner).await);
    }
    let sees = async || {
        let mut seen = Vec::new();
        for caller in &callers {
            let document = "query ($id: ID!) { account(id: $id) { id usage { totals { events } } } }";
            let variables = json!({"id": shop.branch.id.as_str()});
            let answer = app.run_whole(caller, document, variables).await;
            seen.push(answer["data"]["account"].is_object());
        }
        seen
    };
    assert_eq!(sees().await, [true, false, true, true]);
    shop.move_client().await;
    assert_eq!(sees().await, [false, true, true, true]);

    // What the former seller charged is the account's own matter; what that paid itself is not shown to who came.
    shop.record_at(&shop.client, "late", Utc::now() - Duration::days(1))
        .await;
    let document = "query ($id: ID!) {
      account(id: $id) { usageEvents(first: 1) { nodes { ratings { seller buyer price { amount } cost { amount } } } } }
    }";
    let variables = json!({"id": shop.client.id.as_str()});
    let answer = app.run(&callers[1], document, variables).await;
    let ratings = answer.at("/account/usageEvents/nodes/0/ratings");
    assert_eq!(
        *ratings,
        json!([{"seller": null, "buyer": shop.client.id, "price": {"amount": "0.5"}, "cost": null}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn granted_credits_go_back_and_purchased_ones_stay() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    app.fund(&main, "100").await;
    let (left, right) = (
        app.subaccount(&main, "Left").await,
        app.subaccount(&main, "Right").await,
    );
    app.fund(&left, "20").await;
    let client = app.subaccount(&left, "Client").await;
    app.fund(&client, "7").await;
    app.purchase(&client, "3").await;
    let balances = async |account: &Account| {
        let of = async |kind| {
            app.number(&format!(
                "SELECT CAST(coalesce(sum(credits - debits), 0) AS bigint) FROM ledger_accounts
                 WHERE account_id = '{}' AND kind = '{kind}'",
                account.id
            ))
            .await
        };
        [of("PURCHASED").await, of("POOL").await]
    };
    let [_, left_had] = balances(&left).await;
    assert_eq!(balances(&client).await, [3_000_000, 7_000_000]);
    let owner = app.member(&main, Role::Owner).await;
    let input = json!({"id": client.id.as_str(), "parentId": right.id.as_str(), "idempotencyKey": "one"});
    let moved = app.move_account(&owner, input.clone()).await;
    assert_eq!(moved.success()["changes"]["creditsReturned"]["amount"], "7");
    assert_eq!(balances(&client).await, [3_000_000, 0]);
    assert_eq!(balances(&left).await, [0, left_had + 7_000_000]);
    app.assert_balanced().await;

    let again = app.move_account(&owner, input).await;
    assert_eq!(again.success()["replayed"], true);
    assert_eq!(again.success()["changes"], moved.success()["changes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_a_rule_prices_what_was_sold_where_it_was_sold() {
    let shop = shop().await;
    let app = &shop.app;
    let rule = app.unit_price(&shop.left, "0.6").await;
    let earlier = Utc::now() - Duration::days(3);
    shop.record_at(&shop.client, "before", earlier).await;
    shop.record_at(&shop.branch, "branch", earlier).await;
    let at = shop.move_client().await;
    shop.record_at(&shop.client, "late", earlier).await;
    shop.record_at(&shop.client, "after", at).await;
    // Each answer is compared with what was charged, and each question with what was asked, to the byte.
    for (seller, rule, events) in [
        (&shop.left, rule, 3),
        (&shop.right, app.unit_price(&shop.right, "0.75").await, 1),
    ] {
        let ran = app.dry_run(seller, rule.as_str()).await.row;
        assert_eq!(
            (ran.events_done, ran.failures, ran.differing),
            (events, 0, Some(0)),
            "{}",
            seller.name
        );
    }
}
