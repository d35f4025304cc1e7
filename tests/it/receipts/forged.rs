//! A rating that was changed behind the database's back is found out.

use serde_json::{Value, json};

use super::{Chain, chain, markup, tiers, used};

/// A change of what an event keeps of its price at one edge: cost, price, receipt and line items.
type Forgery = fn(&mut Value);

/// What somebody might change in the rating of the second seller. A receipt has the rule, its digest, those of question and
/// answer, the engine, the plan, and what was used in the month.
const FORGERIES: [(&str, Forgery); 11] = [
    ("price more", |edge| add(&mut edge[1], 1)),
    ("price less", |edge| add(&mut edge[1], -1)),
    ("cost", |edge| add(&mut edge[0], 1)),
    ("items", |edge| edge[3] = json!([])),
    ("rule", |edge| copy(&mut edge[2], 2, 1)),
    ("input", |edge| copy(&mut edge[2], 3, 2)),
    ("output", |edge| copy(&mut edge[2], 2, 3)),
    ("plan", |edge| edge[2][5] = json!("pln_bolna")),
    ("month", |edge| add(&mut edge[2][6][0], 1)),
    ("used", |edge| add(&mut edge[2][6][1], 1)),
    ("events", |edge| add(&mut edge[2][6][2], 1)),
];

fn add(number: &mut Value, more: i64) {
    *number = json!(number.as_i64().unwrap() + more);
}

fn copy(receipt: &mut Value, from: usize, to: usize) {
    receipt[to] = receipt[from].clone();
}

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
    for ((_, forgery), chain) in FORGERIES.iter().zip(steps.chunks(3)) {
        app.forge(chain[1]["rating"]["id"].as_str().unwrap(), forgery)
            .await;
    }
    let forged = app.replays(&owners[0], &branch).await;
    for (n, chain) in forged.chunks(3).enumerate() {
        let Some((forgery, _)) = FORGERIES.get(n) else {
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
