//! An owner whose rules have used up its fuel is told to come back, which is no failure of a rule; and who asks for
//! receipts to be run again uses up fuel of its own.

use std::time::Duration;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use serde_json::{Value, json};

use crate::app::rules::{doubling, frugal_host};
use crate::app::{App, Caller};
use crate::operations::base64;

/// About four million steps, of which an owner of the frugal host has ten times as many in a minute.
const BUSY: &str = "(i32.store (i32.const 8) (i32.const 500000))
    (loop $busy
      (i32.store (i32.const 8) (i32.sub (i32.load (i32.const 8)) (i32.const 1)))
      (br_if $busy (i32.load (i32.const 8))))";

/// More calls than anybody has fuel for.
const MANY: usize = 60;

struct House {
    app: App,
    seller: Account,
    client: Account,
    owner: Caller,
}

/// A platform that sells at 1 a unit to a seller whose own rule is busy with 5000 units.
async fn house() -> House {
    let app = App::with_sandbox(frugal_host(40_000_000, Duration::from_millis(50))).await;
    let platform = app.platform("Platform").await;
    let seller = app.main_account(Some(&platform), "Seller", "pln_itellico").await;
    let client = app.subaccount(&seller, "Client").await;
    app.fund(&seller, "10000000").await;
    app.unit_price(&platform, "1").await;
    let owner = app.member(&seller, Role::Owner).await;
    House {
        app,
        seller,
        client,
        owner,
    }
}

impl House {
    async fn busy(&self, policy: &str) {
        let input = json!({
            "accountId": self.seller.id.as_str(), "kind": "PRICING", "name": "busy", "failurePolicy": policy,
            "source": {"wasm": base64(&doubling(BUSY))},
        });
        self.app.upload_and_activate(&self.owner, input).await;
    }

    /// What became of an event of 5000 units: its status and codes, and its rating's status.
    async fn record(&self, key: &str) -> (Value, Value, Value) {
        let event = json!({"idempotencyKey": key, "meter": "minutes", "quantity": "5000"});
        let answer = self.app.record(&self.owner, &self.client, json!([event])).await;
        let result = answer.success()["results"][0].clone();
        let code = result["userErrors"][0]["code"].clone();
        (
            result["status"].clone(),
            code,
            result["event"]["ratingStatus"].clone(),
        )
    }

    /// Replay and note of each receipt that `caller` sees.
    async fn replays(&self, caller: &Caller) -> Vec<(Value, Value)> {
        let document = "query ($id: ID!) { account(id: $id) { usageEvents(first: 1) { nodes { ratings {
            explain { steps { replay note rule { name } } } } } } } }";
        let answer = self
            .app
            .run(caller, document, json!({"id": self.client.id.as_str()}))
            .await;
        let ratings = answer.at("/account/usageEvents/nodes/0/ratings").clone();
        let steps = ratings[0]["explain"]["steps"].as_array().unwrap().clone();
        let own = steps.into_iter().filter(|step| step["rule"]["name"] == "busy");
        own.map(|step| (step["replay"].clone(), step["note"].clone()))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_without_fuel_is_told_apart_from_one_that_failed() {
    let house = house().await;
    house.busy("DENY").await;
    let mut last = Value::Null;
    for number in 0..MANY {
        let (status, code, _) = house.record(&format!("deny.{number}")).await;
        if status != "ACCEPTED" {
            last = json!([status, code, number]);
            break;
        }
    }
    assert_eq!((&last[0], &last[1]), (&json!("REJECTED"), &json!("RATE_LIMITED")));
    assert!(last[2].as_u64() > Some(1), "it had some fuel: {last}");
    // What waits is not priced by another's rule: a price must not go by how busy a rule is.
    for policy in ["KEEP_PENDING", "PARENT_RULE", "LAST_GOOD"] {
        house.busy(policy).await;
        let (status, _, rating) = house.record(policy).await;
        // Some fuel may have come back meanwhile; what is used up then lasts for the next one.
        let (status, rating) = match rating == "PENDING" {
            true => (status, rating),
            false => {
                let again = house.record(&format!("{policy}.again")).await;
                (again.0, again.2)
            }
        };
        assert_eq!(
            (status, rating),
            (json!("ACCEPTED"), json!("PENDING")),
            "{policy}"
        );
    }
    assert_eq!(house.app.count("rule_failures").await, 0, "nothing failed");
    house.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn running_receipts_again_uses_up_the_fuel_of_who_asks() {
    let house = house().await;
    house.busy("DENY").await;
    let (status, ..) = house.record("first").await;
    assert_eq!(status, "ACCEPTED");
    let mut asked = 0;
    let note = loop {
        let steps = house.replays(&house.owner).await;
        let (replay, note) = &steps[0];
        if replay == "UNAVAILABLE" {
            break note.clone();
        }
        assert_eq!(replay, "EQUAL");
        asked += 1;
        assert!(asked < MANY, "there is no end to it");
    };
    assert!(asked > 1, "there was some fuel");
    assert!(
        note.as_str().unwrap().starts_with("You have used up your fuel"),
        "{note}"
    );
    // The rule still sells, and another still reads.
    let (status, _, rating) = house.record("second").await;
    assert_eq!((status, rating), (json!("ACCEPTED"), json!("RATED")));
    let other = house.app.member(&house.seller, Role::Owner).await;
    assert_eq!(house.replays(&other).await[0].0, "EQUAL");
}
