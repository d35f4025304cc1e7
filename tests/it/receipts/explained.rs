//! Who is told what of a chain, and at what price.

use canopy_domain::rules_host::Digest;
use serde_json::{Value, json};

use super::{Chain, STEPS, chain, markup, tiers, used};

fn sha256(text: &Value) -> String {
    Digest::of(text.as_str().unwrap().as_bytes()).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sees_the_receipts_of_its_own_sales_and_below_and_no_cost_of_its_sellers() {
    let Chain {
        app,
        accounts: [platform, main, _, branch],
        owners,
    } = chain().await;
    let sold = app.tiered_pricing(&platform, tiers()).await;
    let resold = app.tiered_pricing(&main, markup()).await;
    app.accepted(
        &app.record(&owners[0], &branch, json!([used("a", "3", json!({}))]))
            .await,
    );
    let rules = [json!(sold.as_str()), json!(resold.as_str()), Value::Null];

    for (depth, owner) in owners.iter().enumerate() {
        let seen = app.explanations(owner, &branch).await;
        let first = depth.saturating_sub(1);
        assert_eq!(seen.len(), 3 - first, "an explanation for each rating in sight");
        for steps in &seen {
            assert_eq!(steps, &seen[0], "of the same chain");
        }
        let steps = seen[0].as_array().unwrap();
        assert_eq!(steps.len(), 3 - first);
        for (step, edge) in steps.iter().zip(first..) {
            let rating = &step["rating"];
            let (sees_seller, has_rule) = (depth <= edge, !rules[edge].is_null());
            let context = format!("edge {edge} at {depth}: {step:#}");
            for hidden in ["seller", "cost", "lineItems", "outputDigest"] {
                let shown = sees_seller && (has_rule || hidden != "outputDigest");
                assert_eq!(rating[hidden].is_null(), !shown, "{hidden} of {context}");
            }
            // What is evidence stays for the buyer.
            for kept in ["ruleDigest", "inputDigest", "engine", "fuel"] {
                assert_eq!(rating[kept].is_null(), !has_rule, "{kept} of {context}");
            }
            let rule = if sees_seller { &rules[edge] } else { &Value::Null };
            assert_eq!(&rating["ruleVersion"], rule, "{context}");
            assert_eq!(&step["rule"]["id"], rule, "{context}");
            assert_eq!(rating["ruleName"].is_null(), rule.is_null(), "{context}");
            let replay = if sees_seller { json!("EQUAL") } else { Value::Null };
            assert_eq!(step["replay"], replay, "{context}");
            assert_eq!(step["logs"].is_null(), !sees_seller, "{context}");
            assert_eq!(step["note"], Value::Null, "{context}");
            if sees_seller && has_rule {
                assert_eq!(sha256(&step["input"]), rating["inputDigest"], "{context}");
                assert_eq!(sha256(&step["output"]), rating["outputDigest"], "{context}");
            } else {
                assert_eq!(step["input"], Value::Null, "{context}");
                assert_eq!(step["output"], Value::Null, "{context}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rating_is_found_by_its_id_by_those_who_see_its_buyer() {
    let Chain {
        app,
        accounts: [_, main, client, branch],
        owners,
    } = chain().await;
    app.tiered_pricing(&main, tiers()).await;
    let events = app.accepted(
        &app.record(&owners[0], &branch, json!([used("a", "3", json!({}))]))
            .await,
    );
    let id = events[0]["ratings"][1]["id"].clone();
    let document = format!("query ($id: ID!) {{ rating(id: $id) {{ id buyer explain {{ {STEPS} }} }} }}");
    for (depth, owner) in owners.iter().enumerate() {
        let answer = app.run(owner, &document, json!({"id": id})).await;
        let rating = answer.at("/rating");
        if depth <= 2 {
            assert_eq!(rating["buyer"], client.id.as_str());
        } else {
            assert_eq!(rating, &Value::Null);
        }
    }
    for unknown in [
        "rat_01jd0000000000000000000000_0",
        "rat_01jd0000000000000000000000",
        "rat_",
        "acc_1",
        "",
    ] {
        let answer = app.run(&owners[0], &document, json!({"id": unknown})).await;
        assert_eq!(answer.at("/rating"), &Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explaining_takes_as_many_statements_for_50_ratings_as_for_one() {
    let Chain {
        app,
        accounts: [platform, main, client, branch],
        owners,
    } = chain().await;
    app.tiered_pricing(&platform, tiers()).await;
    app.tiered_pricing(&main, markup()).await;
    let one = json!([used("a", "3", json!({}))]);
    let many: Vec<Value> = (0..50).map(|n| used(n, "3", json!({}))).collect();
    app.accepted(&app.record(&owners[0], &client, one).await);
    app.accepted(&app.record(&owners[0], &branch, json!(many)).await);
    let mut counts = Vec::new();
    for (account, explained) in [(&client, 2), (&branch, 150)] {
        // The first request may fill what is cached for all.
        app.explanations(&owners[0], account).await;
        app.statements.take();
        assert_eq!(app.explanations(&owners[0], account).await.len(), explained);
        counts.push(app.statements.take().len());
    }
    println!("statements of explaining 1 event and 50: {counts:?}");
    assert_eq!(counts[0], counts[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_have_so_many_receipts_run_again_and_no_more() {
    let Chain {
        app,
        accounts: [platform, main, _, branch],
        owners,
    } = chain().await;
    app.tiered_pricing(&platform, tiers()).await;
    app.tiered_pricing(&main, markup()).await;
    let many: Vec<Value> = (0..80).map(|n| used(n, "3", json!({}))).collect();
    app.accepted(&app.record(&owners[0], &branch, json!(many)).await);
    let document = format!(
        "query ($id: ID!) {{ account(id: $id) {{ {} }} }}",
        ["a", "b"].map(|alias| format!(
            "{alias}: usageEvents(first: 100) {{ nodes {{ ratings {{ explain {{ steps {{ replay note }} }} }} }} }}"
        ))
        .join(" ")
    );
    let count = |answer: &crate::app::Answer, verdict: &str| answer.0.to_string().matches(verdict).count();
    let answer = app
        .run(&owners[0], &document, json!({"id": branch.id.as_str()}))
        .await;
    // Both aliases share what is read in one round: 160 receipts by a rule, and 80 prices that were passed on.
    assert_eq!(count(&answer, "\"EQUAL\""), 2 * 3 * 240);
    assert_eq!(count(&answer, "\"UNAVAILABLE\""), 0);

    let many: Vec<Value> = (100..180).map(|n| used(n, "3", json!({}))).collect();
    app.accepted(&app.record(&owners[0], &branch, json!(many)).await);
    let document = document.replacen("first: 100", "last: 100", 1);
    let answer = app
        .run(&owners[0], &document, json!({"id": branch.id.as_str()}))
        .await;
    assert!(
        count(&answer, "\"UNAVAILABLE\"") > 0,
        "400 receipts are more than 300"
    );
    assert!(count(&answer, "\"EQUAL\"") >= 300);
    assert_eq!(count(&answer, "\"DIFFERENT\""), 0);
}
