//! A rating that was changed behind the database's back is found out.

use serde_json::{Value, json};

use super::{Chain, chain, markup, tiers, used};

/// What somebody might change in the rating of the second seller.
const FORGERIES: [&str; 11] = [
    "price = price + 1",
    "price = price - 1",
    "cost = cost + 1",
    "line_items = '[]'",
    "currency = 'EUR'",
    "rule_digest = input_digest",
    "input_digest = output_digest",
    "output_digest = input_digest",
    "buyer_plan = 'pln_bolna'",
    "period_quantity = period_quantity + 1",
    "period_lines = period_lines + 1",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_rating_is_different_and_its_neighbours_are_equal() {
    let Chain {
        app,
        accounts: [platform, main, _, branch],
        owners,
    } = chain().await;
    app.tiered_pricing(&platform, tiers()).await;
    app.tiered_pricing(&main, markup()).await;
    let batch: Vec<Value> = (0..=FORGERIES.len()).map(|n| used(n, "3", json!({}))).collect();
    app.accepted(&app.record(&owners[0], &branch, json!(batch)).await);
    let steps = app.replays(&owners[0], &branch).await;
    assert_eq!(steps.len(), 3 * batch.len());
    assert!(steps.iter().all(|step| step["replay"] == "EQUAL"), "{steps:#?}");

    app.allow_forging().await;
    for (forgery, chain) in FORGERIES.iter().zip(steps.chunks(3)) {
        let id = chain[1]["rating"]["id"].as_str().unwrap();
        let sql = format!("UPDATE ratings SET {forgery} WHERE id = '{id}'");
        app.tamper(&sql).await.unwrap();
    }
    let forged = app.replays(&owners[0], &branch).await;
    for (n, chain) in forged.chunks(3).enumerate() {
        let Some(forgery) = FORGERIES.get(n) else {
            assert!(chain.iter().all(|step| step["replay"] == "EQUAL"));
            continue;
        };
        assert_eq!(chain[0]["replay"], "EQUAL", "{forgery}");
        assert_eq!(chain[1]["replay"], "DIFFERENT", "{forgery}");
        assert!(chain[1]["note"].is_string(), "{forgery}");
        // Below a changed price the costs do not fit any more.
        let fits = if forgery.starts_with("price") {
            "DIFFERENT"
        } else {
            "EQUAL"
        };
        assert_eq!(chain[2]["replay"], fits, "{forgery}");
    }
}
