//! Connections to the database that are gone, or that know a table as it was: who reads does not notice.

use canopy_domain::entity::Role;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;

use crate::app::database::on_postgres;
use crate::app::{App, within};
use crate::operations::event;

const DOCUMENT: &str = "query ($id: ID!) { account(id: $id) {
    name members(first: 5) { nodes { user { name } } } subaccounts(first: 5) { totalCount }
} }";

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_after_the_server_ended_their_connections_or_a_table_was_changed() {
    // SQLite is in the process: there is nothing to lose.
    if !on_postgres() {
        return;
    }
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let variables = || json!({"id": main.id.as_str()});
    // The executor answers at first, and a query plan from then on.
    app.run(&owner, DOCUMENT, variables()).await.data();
    let before = app.run(&owner, DOCUMENT, variables()).await;
    assert_eq!(before.data()["account"]["name"], "Main");
    for fault in [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
        "ALTER TABLE users ALTER COLUMN name TYPE varchar(500)",
    ] {
        app.tamper(fault).await.unwrap();
        let after = app.run(&owner, DOCUMENT, variables()).await;
        assert_eq!(after.data(), before.data(), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_a_paused_process_left_open_holds_nobody_up_for_ever() {
    if !on_postgres() {
        return;
    }
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    app.unit_price(&main, "1").await;
    app.fund(&client, "5").await;
    let owner = app.member(&main, Role::Owner).await;
    // Another process, opened as the product opens it, which stops with the wallets in its hands.
    let paused = app.database.connect().await;
    let left = paused.begin().await.unwrap();
    left.execute_unprepared("SELECT id FROM ledger_accounts FOR UPDATE")
        .await
        .unwrap();
    let recording = app.record(&owner, &client, json!([event("a")]));
    app.accepted(&within("the other process to be ended", recording).await);
    let late = left
        .execute_unprepared("UPDATE ledger_accounts SET credits = credits")
        .await;
    assert!(late.is_err(), "it learns that its transaction is over");
    app.assert_balanced().await;
}
