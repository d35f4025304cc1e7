//! Dry runs of pricing rules on usage that was rated: equal to the byte where nothing is changed, and nobody's price
//! changes whatever is tried.

mod dry_run;
mod jobs;
mod pages;
mod shadow;

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use serde_json::{Value, json};

use crate::app::{Answer, App, Caller};
use crate::operations::event;

const SIMULATION: &str = "fragment S on Simulation {
  id kind status account ruleVersion { id } configuration eventsTotal eventsDone failures failureMessage pending
  differing before { amount currency } after { amount } difference { amount } variance
  p50Change { amount } p95Change { amount } csvUrl error
  accounts(first: 100) {
    totalCount
    nodes {
      account events failures pending before { amount } after { amount } difference { amount }
      variance p50Change { amount } p95Change { amount }
    }
  }
}";

/// A main account that sells to two clients, one of which has a branch, and usage of all three.
struct House {
    app: App,
    main: Account,
    client: Account,
    branch: Account,
    other: Account,
    owner: Caller,
}

async fn house() -> House {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let branch = app.subaccount(&client, "Branch").await;
    let other = app.subaccount(&main, "Other").await;
    let owner = app.member(&main, Role::Owner).await;
    app.fund(&main, "100000").await;
    House {
        app,
        main,
        client,
        branch,
        other,
        owner,
    }
}

fn tiers(first: &str, then: &str) -> Value {
    let tiers = json!([{"up_to": "25", "unit_price": first}, {"unit_price": then}]);
    json!({"meters": {"*": {"tiers": tiers}}})
}

impl House {
    /// Usage of these quantities, each in a batch of its own.
    async fn use_up(&self, account: &Account, key: &str, quantities: &[&str]) {
        for (number, quantity) in quantities.iter().enumerate() {
            let mut event = event(&format!("{key}.{number}"));
            event["quantity"] = json!(quantity);
            event["attributes"] = json!({"zone": key, "a": {"b": number}});
            let recorded = self.app.record(&self.owner, account, json!([event])).await;
            self.app.accepted(&recorded);
        }
    }

    async fn upload(&self, configuration: Value) -> String {
        let rule = json!({
            "accountId": self.main.id.as_str(), "kind": "PRICING", "name": "prices",
            "source": {"builtin": "tiered-pricing"}, "configuration": configuration,
        });
        let uploaded = self.app.upload_rule(&self.owner, rule).await;
        uploaded.success()["ruleVersion"]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn simulate(&self, rule: &str, more: Value) -> Answer {
        let mut input = json!({"ruleVersionId": rule, "period": period()});
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let document = format!(
            "mutation ($input: SimulateRuleInput!) {{
               simulateRule(input: $input) {{ simulation {{ ...S }} replayed userErrors {{ field message code }} }}
             }} {SIMULATION}"
        );
        self.app
            .run(&self.owner, &document, json!({"input": input}))
            .await
    }

    async fn simulation(&self, id: &Value) -> Value {
        let document = format!("query ($id: ID!) {{ simulation(id: $id) {{ ...S }} }} {SIMULATION}");
        let answer = self.app.run(&self.owner, &document, json!({"id": id})).await;
        answer.data()["simulation"].clone()
    }

    /// A dry run, run to its end.
    async fn done(&self, rule: &str, more: Value) -> Value {
        let begun = self.simulate(rule, more).await.success()["simulation"].clone();
        assert_eq!(begun["status"], "RUNNING");
        self.app.run_simulations().await;
        let ended = self.simulation(&begun["id"]).await;
        assert_eq!(ended["status"], "DONE", "{ended:#}");
        ended
    }
}

fn period() -> Value {
    let now = canopy_domain::entity::time::now();
    let (from, to) = (now - chrono::Duration::days(20), now + chrono::Duration::hours(1));
    json!({"from": from.to_rfc3339(), "to": to.to_rfc3339()})
}

/// Accounts and what they came to: id, events, before and after.
fn accounts(simulation: &Value) -> Vec<(String, i64, String, String)> {
    let nodes = simulation["accounts"]["nodes"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    nodes
        .iter()
        .map(|node| {
            let amount = |name: &str| text(&node[name]["amount"]);
            (
                text(&node["account"]),
                node["events"].as_i64().unwrap(),
                amount("before"),
                amount("after"),
            )
        })
        .collect()
}
