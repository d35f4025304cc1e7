//! Streams of usage that tell of some meters only, or of many events in one update.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use futures_util::stream::BoxStream;
use serde_json::{Value, json};

use crate::app::{Answer, App, Caller, next};
use crate::subscriptions::now;

const DOCUMENT: &str = "
  subscription ($account: ID!, $meters: [String!], $every: String, $after: String) {
    usageUpdates(accountId: $account, includeDescendants: true, meters: $meters, every: $every, after: $after) {
      cursor kind event { idempotencyKey }
      sums { accountId meter quantity events amount { amount currency } }
    }
  }";

struct House {
    app: App,
    main: Account,
    client: Account,
    owner: Caller,
    /// Behind everything that was recorded before the test began.
    start: String,
}

async fn house_in(app: App) -> House {
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    app.unit_price(&main, "2").await;
    let owner = app.member(&main, Role::Owner).await;
    let start = now(&app, &owner, &client).await;
    House {
        app,
        main,
        client,
        owner,
        start,
    }
}

async fn house() -> House {
    house_in(App::start().await).await
}

impl House {
    async fn watch(&self, meters: Value, every: Value, after: &str) -> BoxStream<'static, Answer> {
        let variables =
            json!({"account": self.main.id.as_str(), "meters": meters, "every": every, "after": after});
        self.app.subscribe(&self.owner, DOCUMENT, variables).await
    }

    /// Records an event of `quantity` for each meter, and publishes.
    async fn record(&self, account: &Account, key: &str, meters: &[&str], quantity: &str) {
        let events = meters.iter().map(
            |meter| json!({"idempotencyKey": format!("{key}-{meter}"), "meter": meter, "quantity": quantity}),
        );
        let events: Vec<Value> = events.collect();
        let recorded = self.app.record(&self.owner, account, json!(events)).await;
        self.app.accepted(&recorded);
        self.app.relay().await;
    }
}

async fn next_key(stream: &mut BoxStream<'static, Answer>) -> String {
    let update = next(stream).await.expect("the stream goes on");
    update.text("/usageUpdates/event/idempotencyKey")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_meters_that_were_asked_for_are_told() {
    let house = house().await;
    house
        .record(&house.client, "a", &["calls", "minutes", "texts"], "1")
        .await;
    // From the database first, then as it comes.
    let mut stream = house
        .watch(json!(["calls", "texts"]), Value::Null, &house.start)
        .await;
    assert_eq!(next_key(&mut stream).await, "a-calls");
    assert_eq!(next_key(&mut stream).await, "a-texts");
    for key in ["b", "c"] {
        house.record(&house.client, key, &["minutes", "texts"], "1").await;
        assert_eq!(next_key(&mut stream).await, format!("{key}-texts"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_not_behind_because_of_other_meters() {
    let app = App::configured(|settings| settings.streams.max_lag = 10).await;
    let house = house_in(app).await;
    let mut stream = house.watch(json!(["calls"]), Value::Null, &house.start).await;
    let mut all = house.watch(Value::Null, Value::Null, &house.start).await;
    house.record(&house.client, "first", &["calls"], "1").await;
    assert_eq!(next_key(&mut stream).await, "first-calls");
    assert_eq!(next_key(&mut all).await, "first-calls");
    // More than fit into the ring that all streams of a process share.
    for batch in 0..5 {
        let keys: Vec<String> = (0..1_000).map(|n| format!("m{batch}.{n}")).collect();
        let events: Vec<Value> = keys
            .iter()
            .map(|key| json!({"idempotencyKey": key, "meter": "minutes", "quantity": "1"}))
            .collect();
        let recorded = house.app.record(&house.owner, &house.client, json!(events)).await;
        house.app.accepted(&recorded);
    }
    house.record(&house.client, "last", &["calls"], "1").await;
    assert_eq!(next_key(&mut stream).await, "last-calls");
    let end = next(&mut all).await.expect("the end is told");
    assert_eq!(end.code(), "RATE_LIMITED");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_update_says_what_it_adds_to_the_usage() {
    let house = house().await;
    let mut stream = house.watch(Value::Null, Value::Null, &house.start).await;
    house.record(&house.client, "a", &["calls"], "1.5").await;
    house.record(&house.main, "b", &["calls"], "3").await;
    let update = next(&mut stream).await.unwrap();
    let expected = json!([{
        "accountId": house.client.id.as_str(), "meter": "calls", "quantity": "1.5", "events": 1,
        "amount": {"amount": "3", "currency": "USD"},
    }]);
    assert_eq!(*update.at("/usageUpdates/sums"), expected);
    // Nobody has a price for the main account.
    let update = next(&mut stream).await.unwrap();
    assert_eq!(*update.at("/usageUpdates/sums/0/quantity"), json!("3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_stands_for_all_its_events_and_resumes_behind_them() {
    let house = house().await;
    for n in 0..20 {
        let account = if n % 2 == 0 { &house.client } else { &house.main };
        house.record(account, &format!("k{n}"), &["calls"], "1").await;
    }
    let mut stream = house.watch(Value::Null, json!("1s"), &house.start).await;
    let (mut updates, mut told) = (0, 0);
    let mut cursor = String::new();
    while told < 20 {
        let update = next(&mut stream).await.expect("the stream goes on");
        let sums = update.at("/usageUpdates/sums").as_array().unwrap().clone();
        assert!(sums.len() <= 2, "{sums:?}");
        told += sums
            .iter()
            .map(|sum| sum["events"].as_i64().unwrap())
            .sum::<i64>();
        cursor = update.text("/usageUpdates/cursor");
        updates += 1;
    }
    assert_eq!(told, 20);
    assert!(updates < 20, "{updates} updates");

    let mut again = house.watch(Value::Null, json!("100ms"), &cursor).await;
    house.record(&house.client, "behind", &["calls"], "1").await;
    for stream in [&mut stream, &mut again] {
        let update = next(stream).await.expect("the stream goes on");
        assert_eq!(update.text("/usageUpdates/event/idempotencyKey"), "behind-calls");
        assert_eq!(*update.at("/usageUpdates/sums/0/events"), json!(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_filter_may_not_be_is_refused() {
    let house = house().await;
    let refused = async |meters: Value, every: Value| {
        let mut stream = house.watch(meters, every, &house.start).await;
        let refusal = next(&mut stream).await.expect("a refusal is told");
        assert_eq!(refusal.code(), "BAD_USER_INPUT", "{:#}", refusal.0);
    };
    for every in ["99ms", "61m", "1", "soon", ""] {
        refused(Value::Null, json!(every)).await;
    }
    let many: Vec<String> = (0..51).map(|n| format!("m{n}")).collect();
    refused(json!(many), Value::Null).await;
}
