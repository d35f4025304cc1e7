//! The real program, killed in the middle of its work: what is sent again counts once.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use serde_json::{Value, json};

use crate::app::process::{Process, canopy, post};
use crate::app::{App, Caller, within};
use crate::operations::event;

const RECORD: &str = "mutation ($input: RecordUsageInput!) {
  recordUsage(input: $input) { results { status idempotencyKey event { id } } userErrors { code message } }
}";

fn batch(account: &Account, n: usize) -> Value {
    let events: Vec<Value> = (0..20).map(|at| event(&format!("batch-{n}-{at}"))).collect();
    json!({"input": {"accountId": account.id.as_str(), "events": events}})
}

/// A number that differs from run to run, and is printed so that a failure can be repeated.
fn seed() -> u64 {
    match std::env::var("CANOPY_TEST_SEED") {
        Ok(seed) => seed.parse().expect("CANOPY_TEST_SEED is a number"),
        Err(_) => u64::from(std::process::id()) ^ u64::from(chrono::Utc::now().timestamp_subsec_nanos()),
    }
}

async fn send(url: &str, owner: &Caller, account: &Account, n: usize) -> Option<Value> {
    let answer = post(url, owner, RECORD, batch(account, n)).await.ok()?;
    Some(answer.success()["results"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_a_killed_process_are_retried_and_count_once() {
    let seed = seed();
    println!("CANOPY_TEST_SEED={seed}");
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let main = app.main_account(Some(&platform), "Main", "pln_connector").await;
    let client = app.subaccount(&main, "Client").await;
    app.unit_price(&platform, "0.01").await;
    app.unit_price(&main, "0.02").await;
    app.fund(&main, "1000").await;
    let owner = app.member(&main, Role::Owner).await;

    let mut random = seed;
    for round in 0..3 {
        let process = Process::serve(&app.database).await;
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let patience = std::time::Duration::from_micros(random >> 33 & 0x3_ffff);
        let url = process.url.clone();
        let work = async {
            let batches = (0..8).map(|n| send(&url, &owner, &client, round * 8 + n));
            futures_util::future::join_all(batches).await
        };
        // Some batches are done, some are not, some are in the middle: the clock decides, as in a crash.
        let answered = tokio::time::timeout(patience, work).await;
        println!(
            "round {round}: killed after {patience:?}, all answered: {}",
            answered.is_ok()
        );
        process.kill().await;
        app.assert_counted_once().await;
        app.assert_balanced().await;
    }

    let process = Process::serve(&app.database).await;
    for n in 0..24 {
        let results = within("a batch", send(&process.url, &owner, &client, n))
            .await
            .expect("it is answered");
        for result in results.as_array().unwrap() {
            let status = result["status"].as_str().unwrap();
            assert!(["ACCEPTED", "REPLAYED"].contains(&status), "{result}");
        }
    }
    let (code, log) = process.terminate().await;
    assert_eq!(code, Some(0), "{}", log.join("\n"));
    assert_eq!(app.count("usage_events").await, 24 * 20);
    app.assert_counted_once().await;
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_of_the_configuration_is_named() {
    let output = canopy(&["serve", "--port", "0"])
        .env("CANOPY__HTTP__PROT", "1")
        .output();
    let output = within("the program to end", output).await.expect("it can be run");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(
        message.contains("http.prot") && message.contains("CANOPY__HTTP__PROT"),
        "{message}"
    );
    assert!(
        message.contains("http.port"),
        "the key that was meant is suggested: {message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_not_migrated_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("old.db").display());
    let output = canopy(&["serve", "--port", "0", "--database-url", &url]).output();
    let output = within("the program to end", output).await.expect("it can be run");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{message}");
    assert!(message.contains("canopy migrate"), "{message}");

    let migrated = canopy(&["migrate", "--database-url", &url]).output();
    let migrated = within("the program to end", migrated)
        .await
        .expect("it can be run");
    assert!(
        migrated.status.success(),
        "{}",
        String::from_utf8_lossy(&migrated.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_committed_schema_is_the_one_of_the_program() {
    let output = within("the program to end", canopy(&["schema"]).output())
        .await
        .expect("it can be run");
    let committed = include_str!("../../schema/schema.graphql");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        committed,
        "run `cargo xtask schema`"
    );
    assert_eq!(canopy_schema::sdl().trim_end(), committed.trim_end());
}
