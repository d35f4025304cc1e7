//! What a version did and would have done, by commands: logs, receipts, dry runs.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::{Ran, Shop, id, shop};
use crate::app::process::{Served, canopy};
use crate::app::rules::{doubling, logging};
use crate::app::{until, within};
use crate::operations::event;

fn of(key: &str, quantity: &str) -> Value {
    let mut event = event(key);
    event["quantity"] = json!(quantity);
    event
}

impl Shop {
    /// Usage of these quantities, each in a batch of its own; answers the events.
    async fn used(&self, quantities: &[&str]) -> Vec<Value> {
        let mut events = Vec::new();
        for quantity in quantities {
            let batch = json!([of(quantity, quantity)]);
            let recorded = self
                .house
                .app
                .record(&self.house.owner, &self.client, batch)
                .await;
            events.extend(self.house.app.accepted(&recorded));
        }
        events
    }

    async fn simulated(&self, rule: &Value, more: &str) -> Ran {
        self.simulated_with(rule, more, &[]).await
    }

    /// The same with arguments at the end that have spaces in them.
    async fn simulated_with(&self, rule: &Value, more: &str, with: &[&str]) -> Ran {
        let now = canopy_domain::entity::time::now();
        let day = |days: i64| (now + chrono::Duration::days(days)).format("%Y-%m-%d");
        let period = format!("--from {} --to {}", day(-20), day(1));
        let simulate = format!("simulate {} {period} {more}", id(rule));
        self.rules_with(&simulate, with).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_calls_are_shown_with_prices_failures_and_logs() {
    let shop = shop().await;
    let rule = shop.uploaded("logs", &logging("five thousand")).await;
    let logs = format!("logs {}", id(&rule));
    assert_eq!(shop.rules(&logs).await.json(), json!([]));
    assert_eq!(
        shop.rules(&format!("{logs} --text")).await.words(),
        "It was not called yet."
    );

    shop.rules(&format!("activate {}", id(&rule))).await.json();
    let events = shop.used(&["1", "5000"]).await;
    let rating = |event: &Value| event["ratings"][0]["id"].clone();
    let calls = shop.rules(&logs).await.json();
    assert_eq!(calls[0]["rating"]["id"], rating(&events[1]));
    assert_eq!(
        calls[0]["rating"]["price"],
        json!({"amount": "10000", "currency": "USD"})
    );
    assert_eq!(
        (&calls[0]["logs"], &calls[0]["replay"]),
        (&json!(["five thousand"]), &json!("EQUAL"))
    );
    assert_eq!(
        (&calls[1]["rating"]["id"], &calls[1]["logs"]),
        (&rating(&events[0]), &json!([]))
    );

    let one = shop.rules(&format!("{logs} --first 1 --text")).await;
    let lines: Vec<&str> = one.words().lines().collect();
    let told = format!(
        "{} charged 10000 USD, run again: EQUAL",
        rating(&events[1]).as_str().unwrap()
    );
    assert!(lines[0].ends_with(&told), "{lines:?}");
    assert_eq!(lines[1..], ["    five thousand"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_says_how_it_failed() {
    let shop = shop().await;
    let rule = shop.uploaded("trap", &doubling("(unreachable)")).await;
    shop.rules(&format!("activate {}", id(&rule))).await.json();
    let events = shop.used(&["5000"]).await;
    assert_eq!(events[0]["ratingStatus"], "PENDING");
    let logs = format!("logs {}", id(&rule));
    let calls = shop.rules(&logs).await.json();
    assert_eq!(
        (&calls[0]["rating"], &calls[0]["replay"]),
        (&Value::Null, &Value::Null)
    );
    let told = shop.rules(&format!("{logs} --text")).await;
    let kind = calls[0]["failure"]["kind"].as_str().unwrap();
    assert!(told.words().contains(&format!("failed ({kind}): ")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_run_again_here_and_a_forged_one_is_found_out() {
    let shop = shop().await;
    let rule = shop.uploaded("logs", &logging("five thousand")).await;
    shop.rules(&format!("activate {}", id(&rule))).await.json();
    let events = shop.used(&["5000", "1"]).await;
    let rating = events[0]["ratings"][0]["id"].as_str().unwrap();
    let replay = format!("replay {rating}");
    let told = shop.rules(&replay).await.json();
    assert_eq!(told["equal"], true);
    let step = &told["steps"][0];
    let expected = json!({
        "rating": rating, "rule": "logs", "price": "10000 USD", "replay": "EQUAL", "fuel": step["fuel"],
        "logs": ["five thousand"], "differences": [],
    });
    assert_eq!((&told["steps"].as_array().unwrap().len(), step), (&1, &expected));
    let words = shop.rules(&format!("{replay} --text")).await;
    assert_eq!(
        words.words(),
        format!("{rating}  logs  10000 USD  EQUAL\n    log: five thousand")
    );

    shop.house.app.allow_forging().await;
    let more = |edge: &mut Value| edge[1] = json!(edge[1].as_i64().unwrap() + 1);
    shop.house.app.forge(rating, more).await;
    let forged = shop.rules(&replay).await;
    assert_eq!(forged.code, Some(1), "{forged:?}");
    let told: Value = serde_json::from_str(&forged.out).unwrap();
    assert_eq!(
        (&told["equal"], &told["steps"][0]["replay"]),
        (&json!(false), &json!("DIFFERENT"))
    );
    let differences = told["steps"][0]["differences"].as_array().unwrap();
    let price = differences
        .iter()
        .find(|difference| difference.as_str().unwrap().starts_with("price:"));
    assert!(price.is_some(), "{differences:#?}");
    assert!(forged.err.contains("1 of 1 steps differ"), "{forged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_have_been_charged() {
    let shop = shop().await;
    shop.priced("2", "--activate").await;
    let candidate = shop.priced("3", "").await;
    let nothing = shop.simulated(&candidate, "--text").await;
    assert!(nothing.words().starts_with("No usage was priced"), "{nothing:?}");

    shop.used(&["1", "10", "100"]).await;
    let ran = shop.simulated(&candidate, "").await;
    let told = ran.json();
    assert_eq!(
        (&told["status"], &told["failures"], &told["eventsDone"]),
        (&json!("DONE"), &json!(0), &json!(3))
    );
    let amounts = ["before", "after", "difference"].map(|name| told[name]["amount"].as_str().unwrap());
    assert_eq!(amounts, ["222", "333", "111"]);
    assert_eq!(told["variance"], "50");
    assert!(
        ran.err.lines().any(|line| line == "3 of 3 events"),
        "progress is told: {ran:?}"
    );

    let words = shop.simulated(&candidate, "--text").await;
    let words = words.words();
    assert!(
        words.contains("Before 222 USD, after 333 USD: 111 USD more (50 %)."),
        "{words}"
    );
    let configuration = ["--configuration", r#"{"meters":{"*":{"unit_price":"1"}}}"#];
    let cheaper = shop.simulated_with(&candidate, "--text", &configuration).await;
    assert!(
        cheaper.words().contains("after 111 USD: 111 USD less (50 %)."),
        "{cheaper:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_results_of_a_dry_run_come_as_csv_into_a_file_or_a_pipe() {
    let shop = shop().await;
    shop.priced("2", "--activate").await;
    let other = shop.house.app.subaccount(&shop.house.main, "Other").await;
    let candidate = shop.priced("3", "").await;
    shop.used(&["1", "10"]).await;
    let told = shop.simulated(&candidate, "--csv results.csv").await;
    assert_eq!(told.json()["status"], "DONE");
    let csv = std::fs::read_to_string(shop.home.path().join("results.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("account"), "{csv}");
    assert!(lines[1].starts_with(shop.client.id.as_str()), "{csv}");
    assert_eq!(lines.len(), 2, "{csv}");

    let piped = shop.simulated(&candidate, "--csv -").await;
    assert_eq!(piped.words(), csv.trim_end());
    let none = shop
        .simulated(&candidate, &format!("--account {} --csv -", other.id))
        .await;
    assert_eq!(none.words().lines().count(), 1, "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_with_failures_says_so() {
    let shop = shop().await;
    shop.priced("2", "--activate").await;
    shop.used(&["1", "5000"]).await;
    let trap = shop.uploaded("trap", &doubling("(unreachable)")).await;
    let told = shop.simulated(&trap, "--text").await;
    let told = told.words();
    assert!(
        told.contains("1 of 2 events have no price that may be charged"),
        "{told}"
    );
    assert!(told.contains("The first: "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_that_is_interrupted_is_cancelled_on_the_server() {
    let mut shop = shop().await;
    // Nobody takes it up here, so that it never ends by itself.
    let idle = Served::start_with(&shop.house.app, |config| config.workers.simulations = 0).await;
    shop.house.server.stop();
    std::mem::replace(&mut shop.house.server, idle).ended().await;
    let candidate = shop.priced("3", "").await;
    let simulate = [
        "rules",
        "simulate",
        id(&candidate),
        "--from",
        "2026-01-01",
        "--to",
        "2026-02-01",
    ];
    let mut simulating = canopy(&simulate)
        .env("CANOPY_URL", shop.house.server.url("/graphql"))
        .env("CANOPY_TOKEN", shop.house.owner.secret())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(simulating.stderr.take().unwrap()).lines();
    let mut told = async || {
        within("a line", lines.next_line())
            .await
            .unwrap()
            .unwrap_or_default()
    };
    assert_eq!(told().await, "0 of 0 events");
    let process = simulating.id().unwrap().to_string();
    let interrupt = Command::new("kill").args(["-INT", &process]).status();
    assert!(interrupt.await.unwrap().success());
    let last = told().await;
    assert!(
        last.starts_with("canopy: the simulation sim_") && last.ends_with(" is cancelled"),
        "{last}"
    );
    let ended = within("the program to end", simulating.wait()).await.unwrap();
    assert_eq!(ended.code(), Some(1));
    let rows = shop.house.app.rows("SELECT status FROM simulations").await;
    assert_eq!(json!(rows), json!([{"status": "CANCELLED"}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_follows_what_is_used_and_its_simulation_is_shown() {
    let shop = shop().await;
    shop.priced("2", "--activate").await;
    let candidate = shop.priced("3", "").await;
    let why = ["--reason", "on trial"];
    let shadow = format!("shadow {}", id(&candidate));
    shop.rules_with(&shadow, &why).await.json();
    let show = format!("show {}", id(&candidate));
    let shown = async |events: i64| {
        let told = shop.rules(&show).await.json();
        (told["shadow"]["eventsDone"] == events).then_some(told)
    };
    // It begins when the worker has seen it.
    until("the shadow to begin", || shown(0)).await;
    shop.used(&["10"]).await;
    let followed = until("the shadow to follow", || shown(1)).await;
    assert_eq!(followed["shadow"]["difference"]["amount"], "10");
    assert_eq!(followed["history"][0]["reason"], "on trial");
    let words = shop.rules(&format!("{show} --text")).await;
    let words = words.words();
    assert!(words.contains("prices version 2 (rul_"), "{words}");
    assert!(words.contains("Configuration {\"meters\""), "{words}");
    assert!(words.contains("SHADOW by usr_"), "{words}");
    assert!(words.contains(": on trial\n"), "{words}");
    assert!(
        words.contains("In shadow: 1 events.\nBefore 20 USD, after 30 USD: 10 USD more"),
        "{words}"
    );
}
