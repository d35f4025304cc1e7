//! Beginning, following and ending dry runs.

use canopy_domain::entity::Role;
use serde_json::json;

use super::{house, period};
use crate::app::process::Served;
use crate::app::{Caller, next};

#[tokio::test(flavor = "multi_thread")]
async fn one_dry_run_at_a_time_which_can_be_cancelled() {
    let house = house().await;
    let rule = house.app.unit_price(&house.main, "0.1").await.to_string();
    house.use_up(&house.client, "one", &["10"]).await;
    let once = json!({"idempotencyKey": "once", "period": period()});
    let begun = house.simulate(&rule, once.clone()).await;
    let id = begun.success()["simulation"]["id"].clone();
    let again = house.simulate(&rule, once).await;
    assert_eq!(again.success()["replayed"], true);
    assert_eq!(again.success()["simulation"]["id"], id);
    assert_eq!(house.simulate(&rule, json!({})).await.user_error(), "CONFLICT");

    let cancel = "mutation ($input: CancelSimulationInput!) {
      cancelSimulation(input: $input) { simulation { id status finishedAt } replayed userErrors { code } }
    }";
    let cancelled = house
        .app
        .run(&house.owner, cancel, json!({"input": {"id": id}}))
        .await;
    assert_eq!(cancelled.success()["simulation"]["status"], "CANCELLED");
    house.app.run_simulations().await;
    assert_eq!(house.simulation(&id).await["status"], "CANCELLED");
    house.done(&rule, json!({})).await;
    let again = house
        .app
        .run(&house.owner, cancel, json!({"input": {"id": id}}))
        .await;
    assert_eq!(again.success()["simulation"]["status"], "CANCELLED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_simulated_is_refused_with_a_reason() {
    let house = house().await;
    let rule = house.upload(json!({"meters": {}})).await;
    let (main, client) = (house.main.id.as_str(), house.client.id.as_str());
    for wrong in [
        json!({"period": {"from": "2026-02-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}}),
        json!({"period": {"from": "2024-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}}),
        json!({"configuration": [1]}),
        json!({"configuration": {"long": "x".repeat(70_000)}}),
        json!({"accountIds": [main]}),
        json!({"accountIds": vec![client; 101]}),
    ] {
        assert_eq!(
            house.simulate(&rule, wrong.clone()).await.user_error(),
            "BAD_USER_INPUT",
            "{wrong}"
        );
    }
    let builtin = house
        .app
        .rows("SELECT id FROM rule_versions WHERE owner_account_id IS NULL")
        .await;
    let refused = house
        .simulate(builtin[0]["id"].as_str().unwrap(), json!({}))
        .await;
    assert_eq!(refused.user_error(), "BAD_USER_INPUT");
    let viewer = house.app.member(&house.main, Role::Viewer).await;
    let simulations = "query ($id: ID!) { account(id: $id) { simulations { totalCount } } }";
    let refused = house.app.run(&viewer, simulations, json!({"id": main})).await;
    assert_eq!(refused.code(), "FORBIDDEN");
    assert_eq!(house.app.count("simulations").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_left_behind_fails_and_one_that_was_given_back_is_run_again() {
    let house = house().await;
    let rule = house.app.unit_price(&house.main, "0.1").await.to_string();
    house.use_up(&house.client, "one", &["10"]).await;
    let begun = house.simulate(&rule, json!({})).await.success()["simulation"]["id"].clone();
    let held = |until: &str| {
        format!(
            "UPDATE simulations SET lease_holder = 'gone', lease_until = '{until}', started_at = created_at"
        )
    };
    house
        .app
        .tamper(&held("2099-01-01T00:00:00+00:00"))
        .await
        .unwrap();
    house.app.run_simulations().await;
    assert_eq!(
        house.simulation(&begun).await["status"],
        "RUNNING",
        "its worker may still be there"
    );
    house.app.domain.let_go_simulations("gone").await.unwrap();
    house.app.run_simulations().await;
    assert_eq!(house.simulation(&begun).await["status"], "DONE");

    let begun = house.simulate(&rule, json!({})).await.success()["simulation"]["id"].clone();
    let held = held("2020-01-01T00:00:00+00:00") + " WHERE status = 'RUNNING'";
    house.app.tamper(&held).await.unwrap();
    house.app.run_simulations().await;
    let ended = house.simulation(&begun).await;
    assert_eq!(ended["status"], "FAILED");
    assert_eq!(
        ended["error"],
        "The process that ran it ended before it was complete."
    );
    assert_eq!(ended["accounts"]["totalCount"], 0, "nothing half written");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_up_to_the_end() {
    let house = house().await;
    let rule = house.app.unit_price(&house.main, "0.1").await.to_string();
    house.use_up(&house.client, "one", &["10", "20"]).await;
    house.use_up(&house.other, "two", &["5"]).await;
    let candidate = json!({"configuration": {"meters": {"*": {"unit_price": "0.2"}}}});
    let begun = house.simulate(&rule, candidate).await.success()["simulation"]["id"].clone();
    let progress = "subscription ($id: ID!) { simulationProgress(id: $id) { id status eventsDone } }";
    let mut stream = house
        .app
        .subscribe(&house.owner, progress, json!({"id": begun}))
        .await;
    let first = next(&mut stream).await.unwrap();
    assert_eq!(
        first.at("/simulationProgress"),
        &json!({"id": begun, "status": "RUNNING", "eventsDone": 0})
    );
    house.app.run_simulations().await;
    let mut last = first;
    while let Some(told) = next(&mut stream).await {
        last = told;
    }
    assert_eq!(
        last.at("/simulationProgress"),
        &json!({"id": begun, "status": "DONE", "eventsDone": 3})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_downloaded_once_there_are_any_by_those_who_may_see_them() {
    let house = house().await;
    let rule = house.app.unit_price(&house.main, "0.1").await.to_string();
    house.use_up(&house.client, "one", &["10", "20"]).await;
    house.use_up(&house.other, "two", &["5"]).await;
    let candidate = json!({"configuration": {"meters": {"*": {"unit_price": "0.2"}}}});
    let begun = house.simulate(&rule, candidate).await.success()["simulation"]["id"].clone();
    house.app.run_simulations().await;
    let more = house.simulate(&rule, json!({})).await;
    let cancelled = more.success()["simulation"]["id"].clone();
    let id = cancelled.as_str().unwrap().parse().unwrap();
    let system = house.app.system(&house.main);
    house
        .app
        .domain
        .cancel_simulation(&system, &id, None)
        .await
        .unwrap();
    let (server, client) = (
        Served::start(&house.app).await,
        canopy::tls::client_builder().build().unwrap(),
    );
    let url = server.url(&format!("/simulations/{}.csv", begun.as_str().unwrap()));
    let get = |caller: &Caller| {
        client
            .get(&url)
            .header("authorization", caller.authorization.clone().unwrap())
            .send()
    };
    let file = get(&house.owner).await.unwrap();
    assert_eq!(
        file.headers()["content-type"],
        "text/csv; charset=utf-8; header=present"
    );
    let expected = [
        "account,events (count),failures (count),pending (count),before (USD),after (USD),difference (USD),\
         variance (percent),p50 change per event (USD),p95 change per event (USD)"
            .to_owned(),
        format!("{},2,0,0,3,6,3,100,1,2", house.client.id),
        format!("{},1,0,0,0.5,1,0.5,100,0.5,0.5", house.other.id),
        String::new(),
    ];
    let text = file.text().await.unwrap();
    let rough = |line: &str| line.rsplitn(3, ',').nth(2).map(str::to_owned).unwrap_or_default();
    assert_eq!(
        text.split("\r\n").map(rough).collect::<Vec<_>>(),
        expected.iter().map(|line| rough(line)).collect::<Vec<_>>(),
        "{text}"
    );
    let stranger = house.app.member(&house.client, Role::Owner).await;
    assert_eq!(get(&stranger).await.unwrap().status(), 404);
    assert_eq!(client.get(&url).send().await.unwrap().status(), 401);
    let url = server.url(&format!("/simulations/{}.csv", cancelled.as_str().unwrap()));
    let early = client
        .get(&url)
        .header("authorization", house.owner.authorization.clone().unwrap())
        .send();
    assert_eq!(early.await.unwrap().status(), 409);
}
