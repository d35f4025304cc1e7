//! A rating keeps enough to ask its rule the same question again, gets the same answer, and says so to those who may
//! see it.

mod explained;
mod forged;
mod history;
mod limits;
mod rebuilt;
mod runs;

use canopy_domain::entity::account::Model as Account;
use serde_json::{Value, json};

pub(super) use crate::app::chain::{Chain, chain};
use crate::app::{Answer, App, Caller};
use crate::operations::event;

pub(super) fn used(key: impl ToString, quantity: &str, attributes: Value) -> Value {
    let mut event = event(&key.to_string());
    event["quantity"] = json!(quantity);
    event["attributes"] = attributes;
    event
}

pub(super) fn tiers() -> Value {
    let tiers = json!([{"up_to": "100", "unit_price": "0.1"}, {"unit_price": "0.050001"}]);
    json!({"meters": {"*": {"tiers": tiers}, "a/é": {"unit_price": "1"}}})
}

pub(super) fn markup() -> Value {
    json!({"meters": {"*": {"markup_ppm": 333_333}}})
}

/// All that an explanation tells of a step.
pub(super) const STEPS: &str = "steps {
  rating { id seller buyer price { amount } cost { amount } ruleVersion ruleName ruleDigest inputDigest outputDigest
           engine fuel lineItems { description } }
  rule { id name version }
  input output reason logs replay note
}";

impl App {
    /// The steps of the chain behind each rating of each event of `account`, as `caller` sees them.
    async fn explanations(&self, caller: &Caller, account: &Account) -> Vec<Value> {
        let document = format!(
            "query ($id: ID!) {{ account(id: $id) {{ usageEvents(first: 100) {{ nodes {{
               ratings {{ explain {{ {STEPS} }} }} }} }} }} }}"
        );
        let answer = self
            .run(caller, &document, json!({"id": account.id.as_str()}))
            .await;
        let events = answer
            .at("/account/usageEvents/nodes")
            .as_array()
            .unwrap()
            .clone();
        let ratings = events
            .iter()
            .flat_map(|event| event["ratings"].as_array().unwrap());
        ratings.map(|rating| rating["explain"]["steps"].clone()).collect()
    }

    /// What becomes of each receipt that `caller` sees of `account`'s own usage, by rating.
    async fn replays(&self, caller: &Caller, account: &Account) -> Vec<Value> {
        let document = "query ($id: ID!, $after: String) { account(id: $id) { usageEvents(first: 50, after: $after) {
            nodes { ratings { explain { steps { rating { id } replay note } } } } pageInfo { endCursor hasNextPage }
        } } }";
        let (mut after, mut steps) = (Value::Null, Vec::new());
        loop {
            let variables = json!({"id": account.id.as_str(), "after": after});
            let answer: Answer = self.run(caller, document, variables).await;
            let page = answer.at("/account/usageEvents").clone();
            for event in page["nodes"].as_array().unwrap() {
                // Each rating of an event has the same chain.
                if let Some(first) = event["ratings"].get(0) {
                    steps.extend(first["explain"]["steps"].as_array().unwrap().clone());
                }
            }
            if page["pageInfo"]["hasNextPage"] != true {
                return steps;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }
}
