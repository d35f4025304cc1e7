//! What a dry run comes to.

use canopy_domain::entity::Role;
use serde_json::json;

use super::{House, accounts, house, tiers};
use crate::operations::event;

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_not_changed_answers_as_it_did_to_the_byte() {
    let house = house().await;
    let rule = house
        .app
        .tiered_pricing(&house.main, tiers("0.1", "0.05"))
        .await
        .to_string();
    // The tiers of the buyer count the usage of its branch too, so the order matters.
    house.use_up(&house.client, "one", &["10", "7.5"]).await;
    house.use_up(&house.branch, "two", &["20.000001"]).await;
    house.use_up(&house.client, "three", &["3"]).await;
    house.use_up(&house.other, "four", &["40"]).await;
    let before = house.app.counts().await;

    let run = house.done(&rule, json!({"verify": true})).await;
    assert_eq!((&run["eventsDone"], &run["eventsTotal"]), (&json!(5), &json!(5)));
    assert_eq!(
        (&run["differing"], &run["failures"], &run["pending"]),
        (&json!(0), &json!(0), &json!(0))
    );
    assert_eq!(run["before"]["amount"], run["after"]["amount"]);
    assert_eq!(
        (&run["variance"], &run["p50Change"]["amount"]),
        (&json!("0"), &json!("0"))
    );
    assert_eq!(run["accounts"]["totalCount"], 3);

    // As if the receipts had been forged: the comparison is a real one.
    let changed = house
        .done(
            &rule,
            json!({"verify": true, "configuration": tiers("0.1", "0.04")}),
        )
        .await;
    assert_eq!(changed["differing"], 3);
    assert_eq!(changed["configuration"], tiers("0.1", "0.04"));

    let after = house.app.counts().await;
    let unchanged = ["simulations", "audit_log"];
    for (before, after) in before
        .iter()
        .zip(&after)
        .filter(|(table, _)| !unchanged.contains(&table.0))
    {
        assert_eq!(before, after, "a dry run writes nothing else");
    }
    house.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn simulation_is_fetched_again_by_its_id_as_any_other_node() {
    let house = house().await;
    let rule = house.upload(tiers("0.1", "0.05")).await;
    let begun = house.simulate(&rule, json!({})).await.success()["simulation"].clone();
    let document = "query ($id: ID!) { node(id: $id) { __typename id ... on Simulation { status } } }";
    let read = |id: serde_json::Value| house.app.run(&house.owner, document, json!({"id": id}));
    let answer = read(begun["id"].clone()).await;
    let expected = json!({"__typename": "Simulation", "id": begun["id"], "status": "RUNNING"});
    assert_eq!(answer.data()["node"], expected);
    assert_eq!(read(json!("sim_0")).await.data()["node"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_account_is_told_before_after_and_how_its_events_change() {
    let house = house().await;
    house.app.unit_price(&house.main, "0.1").await;
    house.use_up(&house.client, "one", &["10", "20", "30"]).await;
    house.use_up(&house.other, "two", &["1"]).await;
    let candidate = house
        .upload(json!({"meters": {"*": {"unit_price": "0.2"}}}))
        .await;
    let run = house.done(&candidate, json!({})).await;
    let expected = [(&house.client, 3, "6", "12"), (&house.other, 1, "0.1", "0.2")];
    let expected = expected.map(|(account, events, before, after)| {
        (
            account.id.to_string(),
            events,
            before.to_owned(),
            after.to_owned(),
        )
    });
    assert_eq!(accounts(&run), expected);
    assert_eq!(run["before"], json!({"amount": "6.1", "currency": "USD"}));
    assert_eq!(
        (&run["difference"]["amount"], &run["variance"]),
        (&json!("6.1"), &json!("100"))
    );
    let of_client = &run["accounts"]["nodes"][0];
    assert_eq!(of_client["difference"]["amount"], "6");
    for (name, exact) in [("p50Change", 2.0), ("p95Change", 3.0)] {
        let read: f64 = of_client[name]["amount"].as_str().unwrap().parse().unwrap();
        assert!((read - exact).abs() <= exact * 0.01, "{name}: {read}");
    }
    assert_eq!(
        run["csvUrl"],
        format!("/simulations/{}.csv", run["id"].as_str().unwrap())
    );

    // Only some accounts, with all below them.
    house.use_up(&house.branch, "three", &["5"]).await;
    let run = house
        .done(&candidate, json!({"accountIds": [house.client.id.as_str()]}))
        .await;
    assert_eq!(
        accounts(&run).iter().map(|account| account.1).collect::<Vec<_>>(),
        [3, 1]
    );
    let run = house
        .done(&candidate, json!({"accountIds": [house.branch.id.as_str()]}))
        .await;
    assert_eq!(
        accounts(&run),
        [(house.branch.id.to_string(), 1, "0.5".to_owned(), "1".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_rule_is_tried_on_usage_that_passed_through() {
    let House {
        app, main, client, ..
    } = &house().await;
    // The client sells to two branches and has no rule: its cost is what they pay.
    let (one, two) = (
        app.subaccount(client, "One").await,
        app.subaccount(client, "Two").await,
    );
    app.unit_price(main, "0.1").await;
    let owner = app.member(client, Role::Owner).await;
    for (number, account) in [&one, &two, &one, &two].into_iter().enumerate() {
        let mut event = event(&format!("event.{number}"));
        event["quantity"] = json!("10");
        app.accepted(&app.record(&owner, account, json!([event])).await);
    }
    let tiers = json!([{"up_to": "15", "unit_price": "1"}, {"unit_price": "0.5"}]);
    let rule = json!({
        "accountId": client.id.as_str(), "kind": "PRICING", "name": "prices",
        "source": {"builtin": "tiered-pricing"}, "configuration": {"meters": {"*": {"tiers": tiers}}},
    });
    let uploaded = app.upload_rule(&owner, rule).await;
    let rule = uploaded.success()["ruleVersion"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let run = app.dry_run(client, &rule).await.row;
    assert_eq!((run.events_done, run.failures), (4, 0), "{run:?}");
    // Each branch is a buyer of its own: 10 at 1, then 5 at 1 and 5 at 0.5.
    assert_eq!((run.before_amount, run.after_amount), (4_000_000, 35_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_that_may_not_be_charged_are_failures_and_waiting_usage_is_counted_apart() {
    let house = house().await;
    let owner = house.app.member(&house.client, Role::Owner).await;
    // Nobody has a price for this one.
    house.use_up(&house.branch, "pending", &["9"]).await;
    house.app.unit_price(&house.main, "0.1").await;
    house.use_up(&house.branch, "one", &["10", "20"]).await;
    // A check would refuse it, as it is below what the account really pays.
    let rule = json!({
        "accountId": house.client.id.as_str(), "kind": "PRICING", "name": "cheap", "check": false,
        "source": {"builtin": "tiered-pricing"}, "configuration": {"meters": {"*": {"unit_price": "0.06"}}},
    });
    let uploaded = house.app.upload_rule(&owner, rule).await;
    let rule = uploaded.success()["ruleVersion"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let run = house.app.dry_run(&house.client, &rule).await.row;
    assert_eq!((run.events_done, run.failures, run.pending), (2, 2, 1), "{run:?}");
    assert_eq!(
        (run.before_amount, run.after_amount, run.p50_change),
        (0, 0, None)
    );
    let message = run.failure_message.unwrap();
    assert!(message.contains("below the cost"), "{message}");
}
