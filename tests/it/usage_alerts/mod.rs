//! Thresholds on usage are told once in each period in which they are reached, whatever is sent again, races or breaks off.

mod changes;
mod corrections;
mod holds;
mod meters;

use std::sync::Arc;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use futures_util::future::join_all;
use futures_util::stream::BoxStream;
use serde_json::{Value, json};

use crate::app::{Answer, App, Caller, next};
use crate::operations::event;
use crate::subscriptions::now;

const FOLLOW: &str = "
  subscription ($account: ID!, $below: Boolean!, $after: String) {
    usageAlerts(accountId: $account, includeDescendants: $below, after: $after) {
      cursor account { id }
      crossing {
        id alertId name meter period periodStart includeDescendants accountId
        thresholdQuantity thresholdAmount { amount currency } quantity amount { amount currency } crossedAt
      }
    }
  }";

const ALERT: &str = "fragment Alert on UsageAlert {
  id name meter period includeDescendants thresholdQuantity thresholdAmount { amount currency }
  crossings { totalCount nodes { id quantity } }
}";

struct House {
    app: App,
    main: Account,
    client: Account,
    owner: Caller,
}

async fn house() -> House {
    house_in(App::start().await).await
}

async fn house_in(app: App) -> House {
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    app.unit_price(&main, "2").await;
    let owner = app.member(&main, Role::Owner).await;
    House {
        app,
        main,
        client,
        owner,
    }
}

/// An alert on the minutes of a month.
fn alert(account: &Account, threshold: Value) -> Value {
    json!({
        "accountId": account.id.as_str(), "name": "Many minutes", "meter": "minutes", "period": "MONTH",
        "threshold": threshold,
    })
}

fn minutes(key: &str, quantity: &str) -> Value {
    json!({"idempotencyKey": key, "meter": "minutes", "quantity": quantity})
}

impl App {
    async fn change_alert(&self, caller: &Caller, field: &str, input: Value) -> Answer {
        let (first, rest) = field.split_at(1);
        let name = format!("{}{rest}Input", first.to_uppercase());
        let document = format!(
            "mutation ($input: {name}!) {{
               {field}(input: $input) {{ usageAlert {{ ...Alert }} replayed userErrors {{ field message code }} }}
             }} {ALERT}"
        );
        self.run(caller, &document, json!({"input": input})).await
    }

    async fn create_alert(&self, caller: &Caller, input: Value) -> Answer {
        self.change_alert(caller, "createUsageAlert", input).await
    }

    /// What was crossed so far.
    async fn crossings(&self) -> i64 {
        let news = self.rows("SELECT seq FROM outbox WHERE topic = 'alert'").await;
        let crossings = self.count("usage_alert_crossings").await;
        assert_eq!(
            i64::try_from(news.len()).unwrap(),
            crossings,
            "each crossing is told"
        );
        crossings
    }
}

impl House {
    async fn follow(&self, below: bool, after: &str) -> BoxStream<'static, Answer> {
        self.app
            .follow(&self.owner, FOLLOW, &self.main, below, Some(after))
            .await
    }

    async fn use_up(&self, account: &Account, key: &str, quantity: &str) {
        let recorded = self
            .app
            .record(&self.owner, account, json!([minutes(key, quantity)]))
            .await;
        self.app.accepted(&recorded);
        self.app.relay().await;
    }
}

async fn crossing(stream: &mut BoxStream<'static, Answer>) -> Value {
    let update = next(stream).await.expect("the stream goes on");
    assert_eq!(
        update.at("/usageAlerts/account/id"),
        update.at("/usageAlerts/crossing/accountId")
    );
    update.at("/usageAlerts/crossing").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_is_told_when_it_is_reached_and_not_again() {
    let house = house().await;
    let start = now(&house.app, &house.owner, &house.main).await;
    let mut stream = house.follow(true, &start).await;
    let made = house
        .app
        .create_alert(&house.owner, alert(&house.client, json!({"quantity": "10"})))
        .await;
    let id = made.text("/createUsageAlert/usageAlert/id");
    house.use_up(&house.client, "a", "9.999999").await;
    assert_eq!(house.app.crossings().await, 0);
    house.use_up(&house.client, "b", "0.000001").await;
    let told = crossing(&mut stream).await;
    assert_eq!(told["alertId"], id);
    assert_eq!(told["accountId"], house.client.id.as_str());
    assert_eq!(
        (&told["quantity"], &told["thresholdQuantity"]),
        (&json!("10"), &json!("10"))
    );
    assert_eq!(told["amount"], json!({"amount": "20", "currency": "USD"}));
    assert!(
        told["periodStart"].as_str().unwrap().ends_with("-01T00:00:00Z"),
        "{told}"
    );

    // Neither what comes later nor what is sent again, nor other meters and accounts.
    house.use_up(&house.client, "c", "100").await;
    house
        .app
        .record(&house.owner, &house.client, json!([minutes("b", "0.000001")]))
        .await;
    house.use_up(&house.main, "d", "100").await;
    assert_eq!(house.app.crossings().await, 1);
    let document = format!(
        "query ($id: ID!) {{ account(id: $id) {{ usageAlerts {{ totalCount nodes {{ ...Alert }} }} }} }} {ALERT}"
    );
    let listed = house
        .app
        .run(&house.owner, &document, json!({"id": house.client.id.as_str()}))
        .await;
    assert_eq!(*listed.at("/account/usageAlerts/totalCount"), json!(1));
    let listed = listed.at("/account/usageAlerts/nodes/0");
    assert_eq!(
        listed["crossings"]["nodes"],
        json!([{"id": told["id"], "quantity": "10"}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_counts_with_its_descendants_and_a_stream_resumes_behind_its_cursor() {
    let house = house().await;
    // What is recorded to find the present end must not count.
    let elsewhere = house.app.main_account(None, "Elsewhere", "pln_itellico").await;
    let other = house.app.member(&elsewhere, Role::Owner).await;
    let start = now(&house.app, &other, &elsewhere).await;
    let mut of_tree = alert(&house.main, json!({"quantity": "10"}));
    of_tree["includeDescendants"] = json!(true);
    of_tree["period"] = json!("DAY");
    house.app.create_alert(&house.owner, of_tree).await.success();
    house
        .app
        .create_alert(&house.owner, alert(&house.main, json!({"quantity": "10"})))
        .await
        .success();
    house
        .app
        .create_alert(&house.owner, alert(&house.client, json!({"quantity": "7"})))
        .await
        .success();
    house.use_up(&house.main, "a", "4").await;
    house.use_up(&house.client, "b", "6").await;
    house.use_up(&house.client, "c", "1").await;

    let mut own = house.follow(false, &start).await;
    let told = crossing(&mut own).await;
    assert_eq!(
        (&told["includeDescendants"], &told["quantity"]),
        (&json!(true), &json!("10"))
    );
    let mut all = house.follow(true, &start).await;
    let first = next(&mut all).await.unwrap();
    assert_eq!(first.at("/usageAlerts/crossing/id"), &told["id"]);
    let mut again = house.follow(true, &first.text("/usageAlerts/cursor")).await;
    for stream in [&mut all, &mut again] {
        assert_eq!(crossing(stream).await["thresholdQuantity"], "7");
    }
    // All go on as it comes.
    house.use_up(&house.main, "d", "6").await;
    for stream in [&mut own, &mut all, &mut again] {
        let told = crossing(stream).await;
        assert_eq!(
            (&told["includeDescendants"], &told["quantity"]),
            (&json!(false), &json!("10"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amount_is_reached_when_a_price_comes_later() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let owner = app.member(&main, Role::Owner).await;
    app.create_alert(&owner, alert(&client, json!({"amount": "5"})))
        .await
        .success();
    app.accepted(&app.record(&owner, &client, json!([minutes("a", "3")])).await);
    assert_eq!(app.crossings().await, 0);
    app.unit_price(&main, "2").await;
    app.domain.rate_pending(10).await.unwrap();
    let crossed = app
        .rows("SELECT amount, quantity FROM usage_alert_crossings")
        .await;
    assert_eq!(
        json!(crossed),
        json!([{"amount": 6_000_000, "quantity": 3_000_000}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_record_at_once_on_two_nodes_cross_a_threshold_once() {
    let house = house().await;
    let other = App::on(Arc::clone(&house.app.database)).await;
    house
        .app
        .create_alert(&house.owner, alert(&house.client, json!({"quantity": "25"})))
        .await
        .success();
    let (house, other) = (&house, &other);
    let recorded = join_all((0..50).map(|n| async move {
        let app = if n % 2 == 0 { &house.app } else { other };
        app.record(&house.owner, &house.client, json!([event(&format!("k{n}"))]))
            .await
    }));
    for answer in recorded.await {
        house.app.accepted(&answer);
    }
    assert_eq!(house.app.crossings().await, 1);
    let crossed = house.app.rows("SELECT quantity FROM usage_alert_crossings").await;
    assert!(
        crossed[0]["quantity"].as_i64().unwrap() >= 25_000_000,
        "{crossed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_that_are_made_while_usage_is_recorded_are_told_once() {
    let house = &house().await;
    let made = join_all((0..10).map(|n| async move {
        let input = alert(&house.client, json!({"quantity": n.max(1).to_string()}));
        let made = house.app.create_alert(&house.owner, input).await;
        made.success();
    }));
    let recorded = join_all((0..10).map(|n| async move {
        let events = json!([event(&format!("k{n}"))]);
        let send = || house.app.record(&house.owner, &house.client, events.clone());
        let mut recorded = send().await;
        // Where terms change faster than usage can be priced it is to be sent again.
        while recorded.0["errors"][0]["extensions"]["code"] == "RATE_LIMITED" {
            recorded = send().await;
        }
        house.app.accepted(&recorded);
    }));
    futures_util::join!(made, recorded);
    assert_eq!(house.app.crossings().await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crossing_is_neither_lost_nor_doubled_by_a_break() {
    let house = house().await;
    house
        .app
        .create_alert(&house.owner, alert(&house.client, json!({"quantity": "1"})))
        .await
        .success();
    house.app.webhook_endpoint(&house.client, "Told").await;
    for step in ["usage.summed", "usage.announced", "usage.committed"] {
        house.app.faults.break_at(step);
        let broken = house
            .app
            .record(&house.owner, &house.client, json!([event("a")]))
            .await;
        assert_eq!(broken.code(), "INTERNAL", "{step}");
        house.app.faults.mend();
        let expected = i64::from(step == "usage.committed");
        assert_eq!(house.app.crossings().await, expected, "{step}");
        assert_eq!(house.app.count("webhook_deliveries").await, expected, "{step}");
    }
    house
        .app
        .record(&house.owner, &house.client, json!([event("a")]))
        .await
        .success();
    assert_eq!(house.app.crossings().await, 1);
    assert_eq!(house.app.count("webhook_deliveries").await, 1);
}
