//! What the database refuses whoever asks: changes of what is append-only, and wallets below zero.

use canopy_domain::entity::Role;
use serde_json::json;

use crate::app::App;
use crate::operations::event;

/// A house in which something was rated and paid from a pool.
async fn house_with_books() -> App {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_connector").await;
    let client = app.subaccount(&main, "Client").await;
    app.unit_price(&main, "1").await;
    let owner = app.member(&main, Role::Owner).await;
    app.accepted(&app.record(&owner, &client, json!([event("a")])).await);
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_postings_and_the_audit_log_cannot_be_changed() {
    let app = house_with_books().await;
    for (table, change) in [
        ("usage_events", "quantity = quantity + 1"),
        ("postings", "amount = amount + 1"),
        ("audit_log", "actor = 'somebody else'"),
        ("rule_changes", "changed_by = 'somebody else'"),
    ] {
        let before = app.count(table).await;
        assert!(before > 0, "{table} has rows");
        for sql in [
            format!("UPDATE {table} SET {change}"),
            format!("DELETE FROM {table}"),
        ] {
            let refusal = app.tamper(&sql).await.expect_err(&sql).to_string();
            assert!(refusal.contains("append-only"), "{sql}: {refusal}");
        }
        assert_eq!(app.count(table).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posting_that_would_overdraw_a_wallet_is_refused() {
    let app = house_with_books().await;
    let before = app.count("postings").await;
    let overdraw = "INSERT INTO postings (id, kind, debit_id, credit_id, amount, currency, created_at)
        SELECT 'pst_overdraw', 'GRANT', w.id, o.id, w.credits - w.debits + 1, w.currency, w.created_at
        FROM ledger_accounts w JOIN ledger_accounts o ON o.id <> w.id AND o.currency = w.currency
        WHERE w.kind = 'POOL' LIMIT 1";
    assert!(app.tamper(overdraw).await.is_err());
    assert_eq!(app.count("postings").await, before);
    // The whole of it may go.
    app.tamper(&overdraw.replace(" + 1", "")).await.unwrap();
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posting_has_two_sides_one_currency_and_an_amount() {
    let app = house_with_books().await;
    let posting = |debit: &str, credit: &str, amount: &str, currency: &str| {
        format!(
            "INSERT INTO postings (id, kind, debit_id, credit_id, amount, currency, created_at)
             SELECT 'pst_wrong', 'GRANT', {debit}, {credit}, {amount}, {currency}, f.created_at
             FROM ledger_accounts f JOIN ledger_accounts p ON p.kind = 'POOL'
             WHERE f.kind = 'FUNDING' LIMIT 1"
        )
    };
    for (debit, credit, amount, currency) in [
        ("f.id", "f.id", "1", "f.currency"),
        ("f.id", "p.id", "0", "f.currency"),
        ("f.id", "p.id", "-1", "f.currency"),
        ("f.id", "p.id", "1", "'EUR'"),
        ("f.id", "'lac_unknown'", "1", "f.currency"),
    ] {
        let sql = posting(debit, credit, amount, currency);
        assert!(app.tamper(&sql).await.is_err(), "{sql}");
    }
    app.tamper(&posting("f.id", "p.id", "1", "f.currency"))
        .await
        .unwrap();
    app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_has_each_key_once_and_keeps_its_prices() {
    let app = house_with_books().await;
    let columns = "account_id, path, batch_id, place, idempotency_key, payload_digest, meter, quantity, occurred_at, recorded_at,
        attributes, rating_status, ratings";
    let copy = format!(
        "INSERT INTO usage_events (id, {columns}) SELECT 'evt_01jd0000000000000000000000', {columns} FROM usage_events LIMIT 1"
    );
    for (sql, why) in [
        (copy.as_str(), "unique"),
        ("UPDATE usage_events SET ratings = '{}'", "append-only"),
        (
            "UPDATE usage_events SET rating_status = 'PENDING', ratings = NULL",
            "append-only",
        ),
        ("UPDATE usage_events SET quantity = quantity + 1", "append-only"),
        ("DELETE FROM usage_events", "append-only"),
    ] {
        let refusal = app.tamper(sql).await.expect_err(sql).to_string().to_lowercase();
        assert!(refusal.contains(why), "{sql}: {refusal}");
    }
}
