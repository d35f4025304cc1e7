//! Quote, hold, settle: credits are reserved at a price that stands, and charged once or not at all.

mod once;
mod terms;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::{CreditMode, Model as Account};
use serde_json::{Value, json};

use crate::app::served::house;
use crate::app::{Answer, App, Caller, until};
use crate::operations::EVENT;

/// A platform that sells to a reseller at ten cents a unit, which sells to a client at fifty. The reseller has prepaid; the
/// client has two dollars of its own, then those of its parent's allocation, then its parent.
struct Shop {
    app: App,
    platform: Account,
    main: Account,
    client: Account,
    owner: Caller,
}

async fn shop() -> Shop {
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let main = app.main_account(Some(&platform), "Main", "pln_connector").await;
    app.fund(&main, "10").await;
    let client = app
        .subaccount_in_mode(&main, "Client", Some(CreditMode::Reselling))
        .await;
    app.purchase(&client, "2").await;
    app.unit_price(&platform, "0.1").await;
    app.unit_price(&main, "0.5").await;
    let owner = app.member(&platform, Role::Owner).await;
    Shop {
        app,
        platform,
        main,
        client,
        owner,
    }
}

/// So much of `minutes` of an account.
fn minutes(account: &Account, quantity: &str) -> Value {
    json!({"accountId": account.id.as_str(), "meter": "minutes", "quantity": quantity})
}

const HOLD: &str = "fragment Hold on UsageHold {
  id accountId status idempotencyKey meter quantity attributes price { amount currency } ruleVersion ruleDigest
  createdAt expiresAt endedAt eventId
}";

impl App {
    /// Runs a mutation with `input`, which answers `selection`.
    async fn ask(&self, caller: &Caller, field: &str, selection: &str, input: Value) -> Answer {
        let name = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
        let fragments: String = [("...Hold", HOLD), ("...Event", EVENT)]
            .into_iter()
            .filter(|(spread, _)| selection.contains(spread))
            .map(|(_, fragment)| fragment)
            .collect();
        let document = format!(
            "mutation ($input: {name}!) {{ {field}(input: $input) {{ {selection} userErrors {{ field message code }} }} }}
             {fragments}"
        );
        self.run(caller, &document, json!({"input": input})).await
    }

    async fn quote(&self, caller: &Caller, usage: &Value) -> Answer {
        let selection =
            "quote { price { amount currency } ruleVersion ruleDigest quotedAt holdableUntil token }";
        self.ask(caller, "quoteUsage", selection, usage.clone()).await
    }

    pub(crate) async fn hold(&self, caller: &Caller, usage: &Value, key: &str) -> Answer {
        let mut input = usage.clone();
        input["idempotencyKey"] = json!(key);
        self.ask(caller, "holdUsage", "hold { ...Hold } replayed", input)
            .await
    }

    pub(crate) async fn settle(&self, caller: &Caller, hold: &str, quantity: &str) -> Answer {
        let input = json!({"holdId": hold, "quantity": quantity});
        let selection = "hold { ...Hold } event { ...Event } replayed";
        self.ask(caller, "settleHold", selection, input).await
    }

    async fn void(&self, caller: &Caller, hold: &str) -> Answer {
        let input = json!({"holdId": hold});
        self.ask(caller, "voidHold", "hold { ...Hold } replayed", input)
            .await
    }

    /// Purchased, pool, held and available credits of an account.
    async fn credits(&self, caller: &Caller, account: &Account) -> [String; 4] {
        let document = "query ($id: ID!) { account(id: $id) { credits {
          purchased { amount } pool { amount } held { amount } available { amount } } } }";
        let variables = json!({"id": account.id.as_str()});
        // The second time by a query plan.
        let first = self.run(caller, document, variables.clone()).await;
        let answer = self.run(caller, document, variables).await;
        assert_eq!(first, answer);
        ["purchased", "pool", "held", "available"]
            .map(|name| answer.text(&format!("/account/credits/{name}/amount")))
    }

    /// Moves the end of all holds into the past.
    async fn let_time_pass(&self) {
        self.tamper("UPDATE usage_holds SET expires_at = created_at")
            .await
            .unwrap();
    }
}

impl Shop {
    /// A hold of so many minutes of the client; answers its id.
    async fn held(&self, key: &str, quantity: &str) -> String {
        let answer = self
            .app
            .hold(&self.owner, &minutes(&self.client, quantity), key)
            .await;
        assert_eq!(answer.success()["hold"]["status"], "HELD");
        answer.text("/holdUsage/hold/id")
    }

    async fn credits(&self, account: &Account) -> [String; 4] {
        self.app.credits(&self.owner, account).await
    }

    /// All adds up, and each event was told once.
    async fn assert_right(&self) {
        self.app.assert_counted_once().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_quoted_is_held_along_the_chain_and_what_is_used_is_charged() {
    let shop = shop().await;
    let app = &shop.app;
    let before = [shop.credits(&shop.main).await, shop.credits(&shop.client).await];
    let pool: f64 = before[1][1].parse().unwrap();
    let mut usage = minutes(&shop.client, "10");
    usage["attributes"] = json!({"route": "DE"});
    let quote = app.quote(&shop.owner, &usage).await;
    let quote = quote.success()["quote"].clone();
    assert_eq!(quote["price"], json!({"amount": "5", "currency": "USD"}));
    assert!(quote["holdableUntil"].as_str().unwrap() > quote["quotedAt"].as_str().unwrap());
    assert_eq!(app.count("usage_holds").await, 0);

    usage["quote"] = quote["token"].clone();
    let held = app.hold(&shop.owner, &usage, "call-1").await;
    let hold = held.success()["hold"].clone();
    assert_eq!(hold["price"], quote["price"]);
    assert_eq!(
        [&hold["ruleVersion"], &hold["ruleDigest"]],
        [&quote["ruleVersion"], &quote["ruleDigest"]]
    );
    assert_eq!([&hold["quantity"], &hold["attributes"]["route"]], ["10", "DE"]);
    assert_eq!([&hold["endedAt"], &hold["eventId"]], [&Value::Null, &Value::Null]);
    // The reseller is charged a dollar by the platform, the client five by the reseller: its own two first.
    assert_eq!(shop.credits(&shop.main).await, ["0", "9", "1", "9"]);
    let left = format!("{}", pool - 3.0);
    assert_eq!(shop.credits(&shop.client).await, ["0", &left, "5", &left]);
    app.assert_balanced().await;

    let id = hold["id"].as_str().unwrap();
    let settled = app.settle(&shop.owner, id, "3").await;
    let payload = settled.success();
    assert_eq!(payload["hold"]["status"], "SETTLED");
    assert_eq!(payload["hold"]["eventId"], payload["event"]["id"]);
    let event = &payload["event"];
    assert_eq!(
        [
            &event["quantity"],
            &event["ratingStatus"],
            &event["attributes"]["route"]
        ],
        ["3", "RATED", "DE"]
    );
    assert_eq!(event["occurredAt"], hold["createdAt"]);
    let prices = event["ratings"].as_array().unwrap().iter();
    let prices: Vec<_> = prices.map(|rating| rating["price"]["amount"].clone()).collect();
    assert_eq!(prices, ["0.3", "1.5"]);
    assert_eq!(shop.credits(&shop.main).await, ["0", "9.7", "0", "9.7"]);
    let [purchased, in_pool, held, _] = shop.credits(&shop.client).await;
    assert_eq!([purchased, in_pool, held], ["0.5", before[1][1].as_str(), "0"]);
    shop.assert_right().await;

    // It is an event like any other: corrected, it gives back what it cost to those who paid.
    let void = json!({"accountId": shop.client.id.as_str(), "corrections": [
        {"idempotencyKey": "fix", "eventId": event["id"], "kind": "VOID", "reason": "Nobody called."}]});
    let corrected = app
        .ask(&shop.owner, "correctUsage", "results { status }", void)
        .await;
    assert_eq!(corrected.success()["results"][0]["status"], "ACCEPTED");
    assert_eq!(
        [shop.credits(&shop.main).await, shop.credits(&shop.client).await],
        before
    );
    shop.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_nobody_else_can_spend() {
    let shop = shop().await;
    let app = &shop.app;
    let usage = |quantity| minutes(&shop.main, quantity);
    let hold = app.hold(&shop.owner, &usage("80"), "most").await;
    let id = hold.text("/holdUsage/hold/id");
    assert_eq!(shop.credits(&shop.main).await, ["0", "2", "8", "2"]);
    let more = app.hold(&shop.owner, &usage("21"), "more").await;
    assert_eq!(more.user_error(), "LIMIT_EXCEEDED");
    let events = json!([{"idempotencyKey": "a", "meter": "minutes", "quantity": "21"}]);
    let recorded = app.record(&shop.owner, &shop.main, events.clone()).await;
    assert_eq!(
        recorded.success()["results"][0]["userErrors"][0]["code"],
        "LIMIT_EXCEEDED"
    );
    // The client below buys nothing either that its parent cannot pay.
    let below = app.hold(&shop.owner, &minutes(&shop.client, "21"), "below").await;
    assert_eq!(below.user_error(), "LIMIT_EXCEEDED");
    assert_eq!(app.count("usage_holds").await, 1);
    app.assert_balanced().await;

    let voided = app.void(&shop.owner, &id).await;
    assert_eq!(voided.success()["hold"]["status"], "VOIDED");
    assert_eq!(shop.credits(&shop.main).await, ["0", "10", "0", "10"]);
    app.accepted(&app.record(&shop.owner, &shop.main, events).await);
    shop.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_time_is_not_charged_and_goes_back() {
    let shop = shop().await;
    let app = &shop.app;
    let before = [shop.credits(&shop.main).await, shop.credits(&shop.client).await];
    let (first, second) = (shop.held("a", "2").await, shop.held("b", "4").await);
    assert_eq!(app.domain.expire_holds(10).await.unwrap(), 0);
    app.let_time_pass().await;
    // Nobody has come by yet, and it is over all the same.
    let late = app.settle(&shop.owner, &first, "1").await;
    assert_eq!(late.user_error(), "CONFLICT");
    let document = format!(
        "query ($id: ID!, $hold: ID!) {{
           account(id: $id) {{ usageHolds {{ totalCount nodes {{ ...Hold }} }} }} node(id: $hold) {{ ...Hold }} }} {HOLD}"
    );
    let variables = json!({"id": shop.client.id.as_str(), "hold": first});
    let answer = app.run(&shop.owner, &document, variables.clone()).await;
    assert_eq!(answer.at("/account/usageHolds/totalCount"), 2);
    assert_eq!(answer.at("/account/usageHolds/nodes/0"), answer.at("/node"));
    assert_eq!(
        [answer.at("/node/status"), answer.at("/node/endedAt")],
        [&json!("EXPIRED"), &Value::Null]
    );
    let voided = app.void(&shop.owner, &second).await;
    assert_eq!(voided.success()["hold"]["status"], "EXPIRED");
    assert_eq!(app.domain.expire_holds(10).await.unwrap(), 1);
    assert_eq!(app.domain.expire_holds(10).await.unwrap(), 0);
    let answer = app.run(&shop.owner, &document, variables).await;
    assert!(answer.at("/node/endedAt").is_string());
    assert_eq!(
        [shop.credits(&shop.main).await, shop.credits(&shop.client).await],
        before
    );
    assert_eq!(
        app.settle(&shop.owner, &first, "1").await.user_error(),
        "CONFLICT"
    );
    assert_eq!(app.void(&shop.owner, &first).await.success()["replayed"], true);
    assert_eq!(app.count("usage_events").await, 0);
    shop.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gives_back_what_is_past_its_time() {
    let house = house().await;
    let (app, owner) = (&house.app, &house.owner);
    let client = app.subaccount(&house.main, "Client").await;
    app.unit_price(&house.main, "1").await;
    app.fund(&client, "10").await;
    app.hold(owner, &minutes(&client, "4"), "a").await.success();
    assert_eq!(app.credits(owner, &client).await, ["0", "6", "4", "6"]);
    app.let_time_pass().await;
    until("the worker", async || {
        let open = app
            .number("SELECT count(*) FROM usage_holds WHERE status = 'HELD'")
            .await;
        (open == 0).then_some(())
    })
    .await;
    assert_eq!(app.credits(owner, &client).await, ["0", "10", "0", "10"]);
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_the_business_of_those_who_may_report_usage() {
    let shop = shop().await;
    let app = &shop.app;
    let id = shop.held("a", "2").await;
    let viewer = app.member(&shop.main, Role::Viewer).await;
    let stranger = app
        .member(
            &app.main_account(None, "Other", "pln_itellico").await,
            Role::Owner,
        )
        .await;
    let before = app.counts().await;
    for (caller, code) in [(&viewer, "FORBIDDEN"), (&stranger, "NOT_FOUND")] {
        let usage = minutes(&shop.client, "1");
        let refusals = [
            app.quote(caller, &usage).await,
            app.hold(caller, &usage, "k").await,
            app.settle(caller, &id, "1").await,
            app.void(caller, &id).await,
        ];
        for refused in refusals {
            assert_eq!(refused.code(), code, "{:#}", refused.0);
        }
    }
    assert_eq!(app.counts().await, before);
}
