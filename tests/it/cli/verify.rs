//! `canopy verify usage`: what differs is found, whatever it is, and nothing else is.

use serde_json::Value;

use crate::app::process::canopy;
use crate::app::{App, within};
use crate::operations::event;
use canopy_domain::entity::Role;
use chrono::{Duration, Utc};

/// So that there are values beside the sums.
const METERS: &str = r#"{"declared": {"minutes": {"aggregation": "MAX"}}}"#;

/// A main account that sells to a client and its client, a few events of now and before, and a hold.
async fn shop() -> App {
    let app = App::start().await;
    let declare = format!("UPDATE plans SET meters = '{METERS}' WHERE id = 'pln_itellico'");
    app.tamper(&declare).await.unwrap();
    let main = app.main_account(None, "Shop", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let branch = app.subaccount(&client, "Branch").await;
    app.unit_price(&main, "0.5").await;
    let owner = app.member(&main, Role::Owner).await;
    let now = Utc::now();
    for (account, key, hours_ago) in [(&client, "a", 0), (&branch, "b", 0), (&branch, "c", 2)] {
        let mut used = event(key);
        used["occurredAt"] = (now - Duration::hours(hours_ago)).to_rfc3339().into();
        app.accepted(&app.record(&owner, account, serde_json::json!([used])).await);
    }
    app.fund(&client, "10").await;
    let usage = serde_json::json!({"accountId": client.id.as_str(), "meter": "minutes", "quantity": "4"});
    app.hold(&owner, &usage, "held").await.success();
    app
}

/// The exit code, and the checks that found differences.
async fn verify(app: &App) -> (Option<i32>, Vec<Value>) {
    let mut command = canopy(&["verify", "usage", "--database-url", app.database.url()]);
    let ran = within("the command", command.output()).await.unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}"));
    let failed = told["checks"].as_array().unwrap().iter();
    let failed = failed.filter(|check| check["ok"] == false).cloned();
    (ran.status.code(), failed.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn books_that_are_in_order_are_found_so() {
    let app = shop().await;
    assert_eq!(verify(&app).await, (Some(0), vec![]));
}

/// What somebody might break, and the check that finds it.
const BREAKS: [(&str, &str); 18] = [
    (
        "UPDATE usage_aggregates SET quantity = quantity + 1, tree_quantity = tree_quantity + 1
         WHERE granularity = 'DAY' AND events > 0",
        "Sums of accounts are the sums of their events",
    ),
    (
        "UPDATE usage_open_quarters SET quantity = quantity + 1, tree_quantity = tree_quantity + 1 WHERE events > 0",
        "Sums of accounts are the sums of their events",
    ),
    (
        "UPDATE usage_aggregates SET tree_amount = tree_amount - 1 WHERE granularity = 'QUARTER' AND events = 0",
        "Sums of trees are the sums of the events that were used in them",
    ),
    (
        "UPDATE usage_values SET tree = tree + 1 WHERE granularity = 'MONTH'",
        "Values of meters are those of the events that put them in",
    ),
    (
        "UPDATE usage_values SET quantity = 7000000 WHERE granularity = 'QUARTER'",
        "Values of meters are those of the events that put them in",
    ),
    (
        "UPDATE valued_events SET value = '7000000', quantity = 7000000",
        "An event that put a value in has it, and counts",
    ),
    (
        r#"UPDATE usage_events SET ratings = '{"currency":"USD","edges":[]}' WHERE idempotency_key = 'b'"#,
        "A rated event has a rating for each seller above it, a pending one has none",
    ),
    (
        "DELETE FROM rated_batches",
        "Sellers and rules find what was rated",
    ),
    (
        "UPDATE ledger_accounts SET credits = credits + 1 WHERE kind = 'REVENUE'",
        "Totals of the ledger are the sums of its postings",
    ),
    (
        "UPDATE usage_holds SET status = 'VOIDED', ended_at = created_at",
        "Held credits are those of open holds",
    ),
    (
        "UPDATE usage_holds SET status = 'EXPIRED', ended_at = created_at",
        "Each hold takes what it holds, and gives it back when it ends",
    ),
    (
        "UPDATE usage_holds SET status = 'SETTLED', ended_at = created_at, event_id = 'evt_none'",
        "A settled hold has its event, and that costs no more than was held",
    ),
    (
        "UPDATE usage_events SET account_id = 'acc_nobody' WHERE idempotency_key = 'c'",
        "Events and ratings name what is there",
    ),
    (
        "UPDATE accounts SET member_count = member_count + 1 WHERE kind = 'MAIN'",
        "Accounts have as many members and subaccounts as they say",
    ),
    (
        "UPDATE accounts SET subaccount_count = subaccount_count + 1 WHERE kind = 'SUBACCOUNT'",
        "Accounts have as many members and subaccounts as they say",
    ),
    (
        "UPDATE accounts SET depth = depth + 1 WHERE kind = 'SUBACCOUNT'",
        "Accounts stand below their parents",
    ),
    (
        "UPDATE usage_events SET path = 'acc_elsewhere/' || path WHERE idempotency_key = 'c'",
        "Usage was sold along a path on which its account stood",
    ),
    (
        "DELETE FROM outbox WHERE position = 2",
        "News has its places without gap",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_difference_is_found_and_named() {
    for (sql, what) in BREAKS {
        let app = shop().await;
        app.relay().await;
        app.allow_forging().await;
        app.tamper(sql).await.unwrap();
        let (code, failed) = verify(&app).await;
        assert_eq!(code, Some(1), "{what}");
        let found = failed.iter().find(|check| check["check"] == what);
        let found = found.unwrap_or_else(|| panic!("{what}: {failed:#?}"));
        assert!(!found["differences"].as_array().unwrap().is_empty(), "{what}");
    }
}
