//! Usage is corrected by adding to it: what was recorded, charged and paid stays as it is, and is taken back to the last
//! micro-unit, once.

mod money;
mod once;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::{CreditMode, Model as Account};
use serde_json::{Value, json};

use crate::app::{Answer, App, Caller};
use crate::operations::{EVENT, USAGE_UPDATES, event};

/// A seller without anybody above it, at fifty cents a unit, and a client.
struct Shop {
    app: App,
    main: Account,
    client: Account,
    owner: Caller,
}

async fn shop() -> Shop {
    let app = App::start().await;
    let main = app.main_account(None, "Shop", "pln_connector").await;
    let client = app
        .subaccount_in_mode(&main, "Client", Some(CreditMode::Reselling))
        .await;
    app.unit_price(&main, "0.5").await;
    let owner = app.member(&main, Role::Owner).await;
    Shop {
        app,
        main,
        client,
        owner,
    }
}

fn units(key: &str, quantity: &str) -> Value {
    let mut event = event(key);
    event["quantity"] = json!(quantity);
    event
}

fn void(key: &str, event: &str) -> Value {
    json!({"idempotencyKey": key, "eventIdempotencyKey": event, "kind": "VOID", "reason": "A mistake."})
}

fn amend(key: &str, event: &str, quantity: &str) -> Value {
    let mut correction = void(key, event);
    correction["kind"] = json!("AMEND");
    correction["quantity"] = json!(quantity);
    correction
}

/// The first result of an answer: its status, and the code of why it was refused.
fn result(answer: &Answer) -> (String, Value) {
    let result = &answer.success()["results"][0];
    let status = result["status"].as_str().unwrap().to_owned();
    (status, result["userErrors"][0]["code"].clone())
}

impl App {
    async fn correct(&self, caller: &Caller, account: &Account, corrections: Value) -> Answer {
        let document = format!(
            "mutation ($input: CorrectUsageInput!) {{
               correctUsage(input: $input) {{
                 results {{
                   index idempotencyKey status userErrors {{ field message code }}
                   reversal {{ ...Event correction {{ part corrects reason correctedBy }} ratings {{ reverses }} }}
                   replacement {{ ...Event correction {{ part corrects reason }} ratings {{ reverses }} }}
                 }}
                 replayed userErrors {{ field message code }}
               }}
             }} {EVENT}"
        );
        let input = json!({"accountId": account.id.as_str(), "corrections": corrections});
        self.run(caller, &document, json!({"input": input})).await
    }

    /// Makes a correction that must be accepted, and answers its result.
    async fn corrected(&self, caller: &Caller, account: &Account, correction: Value) -> Value {
        let answer = self.correct(caller, account, json!([correction])).await;
        let result = answer.success()["results"][0].clone();
        assert_eq!(result["status"], "ACCEPTED", "{result:#}");
        result
    }

    /// The books balance, and each event is counted, told and taken back once.
    async fn assert_right(&self) {
        self.assert_balanced().await;
        self.assert_counted_once().await;
    }
}

impl Shop {
    async fn record(&self, events: Value) -> Vec<Value> {
        let recorded = self.app.record(&self.owner, &self.client, events).await;
        self.app.accepted(&recorded)
    }

    /// Quantity, events and amount of the last days: of the client, and of the whole tree.
    async fn used(&self) -> [Value; 2] {
        let document = "query ($client: ID!, $main: ID!) {
          client: account(id: $client) { usage { totals { quantity events amount { amount } } } }
          main: account(id: $main) { usage(includeDescendants: true) { totals { quantity events amount { amount } } } }
        }";
        let variables = json!({"client": self.client.id.as_str(), "main": self.main.id.as_str()});
        let answer = self.app.run(&self.owner, document, variables).await;
        ["client", "main"].map(|name| {
            let total = answer.data()[name]["usage"]["totals"][0].clone();
            match total.is_null() {
                true => Value::Null,
                false => json!([total["quantity"], total["events"], total["amount"]["amount"]]),
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voided_event_is_out_of_all_sums_and_stays_as_it_was() {
    let shop = shop().await;
    let events = shop.record(json!([units("a", "4"), units("b", "6")])).await;
    let made = shop
        .app
        .corrected(&shop.owner, &shop.main, {
            let mut correction = void("fix", "a");
            correction["accountId"] = json!(shop.client.id.as_str());
            correction
        })
        .await;
    let reversal = &made["reversal"];
    assert_eq!(made["replacement"], Value::Null);
    assert_eq!(reversal["quantity"], "-4");
    assert_eq!(reversal["occurredAt"], events[0]["occurredAt"]);
    assert_eq!(reversal["idempotencyKey"], "fix");
    assert_eq!(reversal["correction"]["part"], "REVERSAL");
    assert_eq!(reversal["correction"]["corrects"], events[0]["id"]);
    assert_eq!(reversal["correction"]["reason"], "A mistake.");
    assert!(
        reversal["correction"]["correctedBy"]
            .as_str()
            .unwrap()
            .starts_with("usr_")
    );
    let rating = &reversal["ratings"][0];
    assert_eq!(rating["price"]["amount"], "-2");
    assert_eq!(rating["reverses"], events[0]["ratings"][0]["id"]);
    assert_eq!(shop.used().await, [json!(["6", 1, "3"]), json!(["6", 1, "3"])]);

    let document = format!(
        "query ($id: ID!) {{ account(id: $id) {{ usageEvents(first: 10) {{ nodes {{ ...Event }} }} }} }} {EVENT}"
    );
    let id = json!({"id": shop.client.id.as_str()});
    let answer = shop.app.run(&shop.owner, &document, id).await;
    let listed = answer.at("/account/usageEvents/nodes").as_array().unwrap();
    assert_eq!(listed[..2], events[..]);
    assert_eq!(listed.len(), 3);
    shop.app.assert_right().await;

    // Nothing is left of it once both are out.
    shop.app
        .corrected(&shop.owner, &shop.client, void("rest", "b"))
        .await;
    assert_eq!(shop.used().await, [Value::Null, Value::Null]);
    shop.app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amended_event_stands_with_its_new_quantity_at_the_prices_of_now() {
    let shop = shop().await;
    let events = shop.record(json!([units("a", "4"), units("b", "6")])).await;
    shop.app.unit_price(&shop.main, "2").await;
    let made = shop
        .app
        .corrected(&shop.owner, &shop.client, amend("fix", "a", "10"))
        .await;
    assert_eq!(made["reversal"]["ratings"][0]["price"]["amount"], "-2");
    let replacement = &made["replacement"];
    assert_eq!(replacement["quantity"], "10");
    assert_eq!(replacement["occurredAt"], events[0]["occurredAt"]);
    assert_eq!(replacement["idempotencyKey"], "fix");
    assert_eq!(replacement["ratings"][0]["price"]["amount"], "20");
    assert_eq!(replacement["ratings"][0]["reverses"], Value::Null);
    assert_eq!(replacement["correction"]["part"], "REPLACEMENT");
    assert_eq!(
        shop.used().await,
        [json!(["16", 2, "23"]), json!(["16", 2, "23"])]
    );
    shop.app.assert_right().await;

    // The event is what stands for it now, by whichever name.
    let again = shop
        .app
        .corrected(&shop.owner, &shop.client, amend("again", "a", "1"))
        .await;
    assert_eq!(again["reversal"]["quantity"], "-10");
    assert_eq!(again["reversal"]["correction"]["corrects"], replacement["id"]);
    let by_id = json!({
        "idempotencyKey": "last", "eventId": replacement["id"], "kind": "VOID", "reason": "It never was.",
    });
    shop.app.corrected(&shop.owner, &shop.main, by_id).await;
    assert_eq!(shop.used().await, [json!(["6", 1, "3"]), json!(["6", 1, "3"])]);
    let refused = shop
        .app
        .correct(&shop.owner, &shop.client, json!([amend("more", "a", "2")]))
        .await;
    assert_eq!(result(&refused), ("CONFLICT".to_owned(), json!("CONFLICT")));
    shop.app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tiers_go_by_what_counts_without_the_event_that_is_amended() {
    let shop = shop().await;
    let tiers = json!([{"up_to": "10", "unit_price": "1"}, {"unit_price": "0.1"}]);
    shop.app
        .tiered_pricing(&shop.main, json!({"meters": {"*": {"tiers": tiers}}}))
        .await;
    shop.record(json!([units("a", "10")])).await;
    shop.record(json!([units("b", "10")])).await;
    // As if only the other ten had been used before: all of it lies in the second tier.
    let made = shop
        .app
        .corrected(&shop.owner, &shop.client, amend("fix", "a", "5"))
        .await;
    assert_eq!(made["replacement"]["ratings"][0]["price"]["amount"], "0.5");
    shop.app
        .corrected(&shop.owner, &shop.client, void("gone", "b"))
        .await;
    let made = shop
        .app
        .corrected(&shop.owner, &shop.client, amend("whole", "a", "12"))
        .await;
    assert_eq!(made["replacement"]["ratings"][0]["price"]["amount"], "10.2");
    shop.app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sold_may_correct_and_who_bought_may_not() {
    let chain = crate::app::chain::chain().await;
    let (app, [platform, main, client, branch]) = (&chain.app, &chain.accounts);
    let [over, agency, buyer, inside] = &chain.owners;
    app.unit_price(main, "0.5").await;
    app.accepted(
        &app.record(
            inside,
            branch,
            json!([units("a", "1"), units("b", "1"), units("c", "1")]),
        )
        .await,
    );
    // The platform charges nothing yet, so the topmost whose income it lowers is the agency.
    for (caller, account) in [(inside, branch), (buyer, branch), (buyer, client)] {
        let mut correction = void("own", "a");
        correction["accountId"] = json!(branch.id.as_str());
        let refused = app.correct(caller, account, json!([correction])).await;
        assert_eq!(result(&refused), ("REJECTED".to_owned(), json!("FORBIDDEN")));
    }
    app.corrected(agency, branch, void("sold", "a")).await;

    app.unit_price(platform, "0.1").await;
    app.accepted(&app.record(inside, branch, json!([units("d", "1")])).await);
    let refused = app.correct(agency, branch, json!([void("mine", "d")])).await;
    assert_eq!(result(&refused), ("REJECTED".to_owned(), json!("FORBIDDEN")));
    app.corrected(agency, branch, void("before", "b")).await;
    app.corrected(over, branch, void("theirs", "d")).await;
    // The usage of a root is sold by nobody.
    app.accepted(&app.record(over, platform, json!([units("e", "1")])).await);
    app.corrected(over, platform, void("root", "e")).await;
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_waits_for_its_price_gets_none_once_it_is_voided() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_connector").await;
    let client = app.subaccount(&main, "Client").await;
    let owner = app.member(&main, Role::Owner).await;
    app.accepted(
        &app.record(
            &owner,
            &client,
            json!([units("a", "1"), units("b", "2"), units("c", "4")]),
        )
        .await,
    );
    let made = app.corrected(&owner, &client, void("fix", "a")).await;
    assert_eq!(made["reversal"]["ratingStatus"], "VOIDED");
    let made = app.corrected(&owner, &client, amend("more", "b", "3")).await;
    assert_eq!(made["replacement"]["ratingStatus"], "PENDING");
    app.unit_price(&main, "1").await;
    assert_eq!(app.domain.rate_pending(10).await.unwrap(), 2);
    let statuses = app
        .rows("SELECT idempotency_key AS key, rating_status AS status FROM usage_events ORDER BY id")
        .await;
    let statuses: Vec<_> = statuses.iter().map(|row| row["status"].clone()).collect();
    assert_eq!(
        statuses,
        ["VOIDED", "VOIDED", "RATED", "VOIDED", "VOIDED", "RATED"]
    );
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_is_told_and_its_receipts_hold() {
    let shop = shop().await;
    shop.record(json!([units("a", "4"), units("b", "1")])).await;
    shop.app
        .corrected(&shop.owner, &shop.client, amend("fix", "a", "7"))
        .await;
    shop.app.relay().await;
    // From the beginning: "v1:0".
    let variables = json!({"account": shop.main.id.as_str(), "below": true, "after": "djE6MA"});
    let mut stream = shop.app.subscribe(&shop.owner, USAGE_UPDATES, variables).await;
    let mut told = Vec::new();
    for _ in 0..4 {
        let update = crate::app::next(&mut stream).await.expect("the stream goes on");
        told.push((
            update.text("/usageUpdates/kind"),
            update.text("/usageUpdates/cursor"),
        ));
    }
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["RECORDED", "RECORDED", "CORRECTED", "CORRECTED"]);
    let variables = json!({"account": shop.main.id.as_str(), "below": true, "after": told[2].1});
    let mut stream = shop.app.subscribe(&shop.owner, USAGE_UPDATES, variables).await;
    let update = crate::app::next(&mut stream).await.expect("the stream goes on");
    assert_eq!(update.text("/usageUpdates/event/idempotencyKey"), "fix");

    let document = "query ($id: ID!) { account(id: $id) { usageEvents(first: 10) { nodes {
      quantity ratings { explain { steps { replay note } } } } } } }";
    let id = json!({"id": shop.client.id.as_str()});
    let answer = shop.app.run(&shop.owner, document, id).await;
    let events = answer.at("/account/usageEvents/nodes").as_array().unwrap();
    assert_eq!(events.len(), 4);
    for event in events {
        let step = &event["ratings"][0]["explain"]["steps"][0];
        assert_eq!(step["replay"], "EQUAL", "{event:#}");
    }
    let rule = shop.app.unit_price(&shop.main, "1").await;
    let dry_run = shop.app.dry_run(&shop.main, rule.as_str()).await;
    assert_eq!(
        (dry_run.row.events_done, dry_run.row.before_amount),
        (2, 4_000_000)
    );
}
