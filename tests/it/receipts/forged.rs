//! A rating that was changed behind the database's back is found out.

use serde_json::{Value, json};

use super::{Chain, chain, markup, tiers, used};

/// A change of what an event keeps of its prices, at one edge.
type Forgery = fn(&mut Value, usize);

/// What somebody might change in the rating of the second seller.
const FORGERIES: [(&str, Forgery); 11] = [
    ("price more", |stored, edge| {
        add(&mut stored["edges"][edge]["price"], 1)
    }),
    ("price less", |stored, edge| {
        add(&mut stored["edges"][edge]["price"], -1)
    }),
    ("cost", |stored, edge| add(&mut stored["edges"][edge]["cost"], 1)),
    ("items", |stored, edge| stored["edges"][edge]["items"] = json!([])),
    ("rule", |stored, edge| {
        copy(&mut stored["edges"][edge]["receipt"], "input", "digest")
    }),
    ("input", |stored, edge| {
        copy(&mut stored["edges"][edge]["receipt"], "output", "input")
    }),
    ("output", |stored, edge| {
        copy(&mut stored["edges"][edge]["receipt"], "input", "output")
    }),
    ("plan", |stored, edge| {
        stored["edges"][edge]["receipt"]["plan"] = json!("pln_bolna")
    }),
    ("month", |stored, edge| {
        add(&mut stored["edges"][edge]["receipt"]["period"][0], 1)
    }),
    ("used", |stored, edge| {
        add(&mut stored["edges"][edge]["receipt"]["period"][1], 1)
    }),
    ("events", |stored, edge| {
        add(&mut stored["edges"][edge]["receipt"]["period"][2], 1)
    }),
];

fn add(number: &mut Value, more: i64) {
    *number = json!(number.as_i64().unwrap() + more);
}

fn copy(receipt: &mut Value, from: &str, to: &str) {
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
