//! A correction is made once, whatever is repeated, races or breaks off.

use canopy_domain::entity::Role;
use canopy_domain::usage::CORRECTION_FAULT_POINTS;
use serde_json::{Value, json};

use super::{Shop, amend, result, shop, units, void};

#[tokio::test(flavor = "multi_thread")]
async fn same_key_and_payload_is_a_replay_and_another_payload_a_conflict() {
    let shop = shop().await;
    let app = &shop.app;
    let events = shop.record(json!([units("a", "4"), units("b", "6")])).await;
    for correction in [void("v", "a"), amend("m", "b", "5")] {
        let first = app.corrected(&shop.owner, &shop.client, correction.clone()).await;
        let before = app.counts().await;
        let second = app.correct(&shop.owner, &shop.client, json!([correction])).await;
        assert_eq!(second.success()["replayed"], true);
        for part in ["reversal", "replacement"] {
            assert_eq!(second.success()["results"][0][part], first[part]);
        }
        assert_eq!(app.counts().await, before);
    }
    // The same event by its other name is the same payload.
    let mut by_id = void("v", "a");
    let members = by_id.as_object_mut().unwrap();
    members.remove("eventIdempotencyKey");
    members.insert("eventId".to_owned(), events[0]["id"].clone());
    let replayed = app.correct(&shop.owner, &shop.main, json!([by_id])).await;
    assert_eq!(result(&replayed).0, "REPLAYED");

    let before = app.counts().await;
    let mut reason = void("v", "a");
    reason["reason"] = json!("Another.");
    for other in [
        reason,
        amend("v", "a", "1"),
        void("v", "b"),
        void("a", "b"),
        amend("m", "b", "4"),
    ] {
        let refused = app.correct(&shop.owner, &shop.client, json!([other])).await;
        assert_eq!(
            result(&refused),
            ("CONFLICT".to_owned(), json!("CONFLICT")),
            "{other}"
        );
    }
    // A correction's key is an event's key too.
    let taken = app
        .record(&shop.owner, &shop.client, json!([units("v", "4")]))
        .await;
    assert_eq!(taken.success()["results"][0]["status"], "CONFLICT");
    assert_eq!(app.counts().await, before);
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_corrected_is_refused_by_itself() {
    let shop = shop().await;
    let app = &shop.app;
    shop.record(json!([units("a", "4")])).await;
    app.corrected(&shop.owner, &shop.client, void("done", "a")).await;
    shop.record(json!([units("b", "4")])).await;
    let mut of_nothing = void("k1", "b");
    of_nothing.as_object_mut().unwrap().remove("eventIdempotencyKey");
    let mut with_quantity = void("k2", "b");
    with_quantity["quantity"] = json!("1");
    let mut blank = void("k3", "b");
    blank["reason"] = json!(" ");
    let batch = json!([
        void("k4", "unknown"),
        of_nothing,
        with_quantity,
        blank,
        amend("k5", "b", "-1"),
        void("k6", "done"),
        void("good", "b"),
    ]);
    let answer = app.correct(&shop.owner, &shop.client, batch).await;
    let results = answer.success()["results"].as_array().unwrap();
    let codes: Vec<_> = results
        .iter()
        .map(|result| result["userErrors"][0]["code"].clone())
        .collect();
    let wrong = json!("BAD_USER_INPUT");
    assert_eq!(
        codes,
        [
            json!("NOT_FOUND"),
            wrong.clone(),
            wrong.clone(),
            wrong.clone(),
            wrong,
            json!("CONFLICT"),
            Value::Null
        ]
    );
    assert_eq!(
        results[3]["userErrors"][0]["field"],
        json!(["corrections", "3", "reason"])
    );
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_corrections_of_an_event_each_acts_on_what_stands() {
    let shop = shop().await;
    let app = &shop.app;
    shop.record(json!([units("a", "4"), units("b", "4")])).await;
    let voids = (0..6).map(|n| {
        let correction = json!([void(&format!("void-{n}"), "a")]);
        app.correct(&shop.owner, &shop.client, correction)
    });
    let voids = futures_util::future::join_all(voids).await;
    let made = voids
        .iter()
        .filter(|answer| result(answer).0 == "ACCEPTED")
        .count();
    assert_eq!(made, 1);
    for lost in voids.iter().filter(|answer| result(answer).0 != "ACCEPTED") {
        assert_eq!(result(lost), ("CONFLICT".to_owned(), json!("CONFLICT")));
    }
    // The same key at once is one correction.
    let same = (0..4).map(|_| app.correct(&shop.owner, &shop.client, json!([amend("same", "b", "8")])));
    let same = futures_util::future::join_all(same).await;
    let made = same
        .iter()
        .filter(|answer| result(answer).0 == "ACCEPTED")
        .count();
    let replayed = same
        .iter()
        .filter(|answer| result(answer).0 == "REPLAYED")
        .count();
    assert_eq!((made, replayed), (1, 3));
    let amends = (1..=3).map(|n| {
        let correction = json!([amend(&format!("amend-{n}"), "b", &n.to_string())]);
        app.correct(&shop.owner, &shop.client, correction)
    });
    let amends = futures_util::future::join_all(amends).await;
    let made = amends
        .iter()
        .filter(|answer| result(answer).0 == "ACCEPTED")
        .count();
    assert_eq!(made, 3, "{amends:#?}");
    let [own, tree] = shop.used().await;
    assert_eq!(own, tree);
    assert_eq!(own[1], 1);
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_that_breaks_off_at_any_step_and_is_retried_is_made_once() {
    let correction = || amend("fix", "a", "7");
    for step in CORRECTION_FAULT_POINTS {
        let shop: Shop = shop().await;
        let app = &shop.app;
        shop.record(json!([units("a", "4")])).await;
        let before = app.counts().await;
        app.faults.break_at(step);
        let broken = app
            .correct(&shop.owner, &shop.client, json!([correction()]))
            .await;
        assert_eq!(broken.codes(), ["INTERNAL"], "at {step}: {:#}", broken.0);
        let is_made = app.counts().await != before;
        assert_eq!(is_made, *step == "usage.correct.committed", "at {step}");
        app.faults.mend();
        let retried = app
            .correct(&shop.owner, &shop.client, json!([correction()]))
            .await;
        let expected = if is_made { "REPLAYED" } else { "ACCEPTED" };
        assert_eq!(result(&retried).0, expected, "at {step}");
        assert_eq!(shop.used().await[1], json!(["7", 1, "3.5"]));
        app.assert_right().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_corrects_nothing() {
    let shop = shop().await;
    shop.record(json!([units("a", "4")])).await;
    let viewer = shop.app.member(&shop.main, Role::Viewer).await;
    let before = shop.app.counts().await;
    let refused = shop
        .app
        .correct(&viewer, &shop.client, json!([void("fix", "a")]))
        .await;
    assert_eq!(refused.code(), "FORBIDDEN");
    assert_eq!(shop.app.counts().await, before);
}
