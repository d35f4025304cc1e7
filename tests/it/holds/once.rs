//! A hold is made once and ends once, whatever is repeated, races or breaks off.

use canopy_domain::usage::HOLD_FAULT_POINTS;
use futures_util::future::join_all;
use serde_json::json;

use super::{minutes, shop};
use crate::app::Answer;

fn refused(answers: &[Answer]) -> Vec<&str> {
    let refused = answers
        .iter()
        .filter(|answer| answer.payload()["userErrors"] != json!([]));
    refused.map(Answer::user_error).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_answered_as_before_and_another_is_a_conflict() {
    let shop = shop().await;
    let app = &shop.app;
    let usage = minutes(&shop.client, "4");
    let first = app.hold(&shop.owner, &usage, "a").await;
    let before = app.counts().await;
    let again = app.hold(&shop.owner, &usage, "a").await;
    assert_eq!(again.success()["replayed"], true);
    assert_eq!(again.success()["hold"], first.success()["hold"]);
    let mut longer = usage.clone();
    longer["expiresIn"] = json!(60);
    for other in [minutes(&shop.client, "5"), longer] {
        let other = app.hold(&shop.owner, &other, "a").await;
        assert_eq!(other.user_error(), "CONFLICT");
    }
    assert_eq!(app.counts().await, before);

    let id = first.text("/holdUsage/hold/id");
    let settled = app.settle(&shop.owner, &id, "3").await;
    let again = app.settle(&shop.owner, &id, "3").await;
    assert_eq!(
        [&settled.success()["replayed"], &again.success()["replayed"]],
        [false, true]
    );
    assert_eq!(again.success()["event"], settled.success()["event"]);
    assert_eq!(app.settle(&shop.owner, &id, "2").await.user_error(), "CONFLICT");
    assert_eq!(app.void(&shop.owner, &id).await.user_error(), "CONFLICT");
    let held = app.hold(&shop.owner, &usage, "a").await;
    assert_eq!(held.success()["hold"]["status"], "SETTLED");

    let other = shop.held("b", "4").await;
    let voided = app.void(&shop.owner, &other).await;
    let again = app.void(&shop.owner, &other).await;
    assert_eq!(
        [&voided.success()["replayed"], &again.success()["replayed"]],
        [false, true]
    );
    assert_eq!(again.success()["hold"], voided.success()["hold"]);
    assert_eq!(
        app.settle(&shop.owner, &other, "3").await.user_error(),
        "CONFLICT"
    );
    assert_eq!(app.count("usage_events").await, 1);
    shop.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_hold_the_last_credit_one_does() {
    let shop = shop().await;
    let app = &shop.app;
    // Ten dollars: one of these is nine.
    let usage = minutes(&shop.main, "90");
    let keys: Vec<String> = (0..8).map(|n| format!("k{n}")).collect();
    let holds = join_all(keys.iter().map(|key| app.hold(&shop.owner, &usage, key))).await;
    assert_eq!(refused(&holds), ["LIMIT_EXCEEDED"; 7]);
    assert_eq!(shop.credits(&shop.main).await, ["0", "1", "9", "1"]);
    // The same key at once is one hold.
    let usage = minutes(&shop.main, "1");
    let same = join_all((0..6).map(|_| app.hold(&shop.owner, &usage, "same"))).await;
    let ids: std::collections::BTreeSet<String> = same
        .iter()
        .map(|answer| answer.text("/holdUsage/hold/id"))
        .collect();
    assert_eq!(ids.len(), 1);
    let replayed = same.iter().filter(|answer| answer.success()["replayed"] == true);
    assert_eq!(replayed.count(), 5);
    // Usage that comes in meanwhile sees only what is not held.
    let recorded = (0..4).map(|n| {
        let events = json!([{"idempotencyKey": format!("r{n}"), "meter": "minutes", "quantity": "4"}]);
        app.record(&shop.owner, &shop.main, events)
    });
    let recorded = join_all(recorded).await;
    let recorded = recorded
        .iter()
        .map(|answer| &answer.success()["results"][0]["status"]);
    assert_eq!(recorded.filter(|status| **status == "ACCEPTED").count(), 2);
    shop.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_end_a_hold_at_once_one_does() {
    let shop = shop().await;
    let app = &shop.app;
    for round in 0..6 {
        let id = shop.held(&format!("same-{round}"), "4").await;
        let settled = join_all((0..4).map(|_| app.settle(&shop.owner, &id, "4"))).await;
        let events: std::collections::BTreeSet<String> = settled
            .iter()
            .map(|answer| answer.text("/settleHold/event/id"))
            .collect();
        assert_eq!(events.len(), 1);

        let id = shop.held(&format!("other-{round}"), "4").await;
        let settled = join_all(["1", "2", "3"].map(|quantity| app.settle(&shop.owner, &id, quantity))).await;
        assert_eq!(refused(&settled), ["CONFLICT"; 2]);

        let id = shop.held(&format!("void-{round}"), "4").await;
        let (settled, voided) =
            futures_util::join!(app.settle(&shop.owner, &id, "4"), app.void(&shop.owner, &id));
        assert_eq!(refused(&[settled, voided]), ["CONFLICT"]);
        shop.assert_right().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_settled_before_its_time_or_expires_and_never_both() {
    let shop = shop().await;
    let app = &shop.app;
    let mut settled = 0;
    let rounds = 10;
    for round in 0..rounds {
        let id = shop.held(&format!("k{round}"), "2").await;
        // It ends somewhere in the middle of what follows.
        let soon = chrono::Utc::now() + chrono::Duration::milliseconds(5 * round);
        let soon = soon.to_rfc3339_opts(chrono::SecondsFormat::Micros, false);
        let end = format!("UPDATE usage_holds SET expires_at = '{soon}' WHERE id = '{id}'");
        app.tamper(&end).await.unwrap();
        let expire = async {
            loop {
                let expired = app.domain.expire_holds(10).await.unwrap();
                let open = app
                    .number("SELECT count(*) FROM usage_holds WHERE status = 'HELD'")
                    .await;
                if open == 0 {
                    return expired;
                }
                tokio::task::yield_now().await;
            }
        };
        let (answer, expired) = futures_util::join!(app.settle(&shop.owner, &id, "2"), expire);
        let is_settled = refused(std::slice::from_ref(&answer)).is_empty();
        settled += i64::from(is_settled);
        assert!(is_settled || expired == 1, "{:#}", answer.0);
        shop.assert_right().await;
    }
    assert_eq!(app.count("usage_events").await, settled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_breaks_off_at_any_step_and_is_retried_loses_nothing() {
    let mut passed = std::collections::BTreeSet::new();
    for step in HOLD_FAULT_POINTS {
        let shop = shop().await;
        let app = &shop.app;
        let usage = minutes(&shop.client, "4");
        let before = [shop.credits(&shop.main).await, shop.credits(&shop.client).await];
        app.faults.break_at(step);
        let broken = app.hold(&shop.owner, &usage, "a").await;
        app.assert_balanced().await;
        let is_held = app.count("usage_holds").await == 1;
        if broken.codes() == ["INTERNAL"] {
            assert_eq!(is_held, *step == "hold.committed", "at {step}");
        }
        app.faults.mend();
        let held = app.hold(&shop.owner, &usage, "a").await;
        assert_eq!(held.success()["replayed"], is_held, "at {step}");
        let id = held.text("/holdUsage/hold/id");

        app.faults.break_at(step);
        let broken = app.settle(&shop.owner, &id, "3").await;
        app.assert_balanced().await;
        let is_settled = app.count("usage_events").await == 1;
        if broken.codes() == ["INTERNAL"] {
            assert_eq!(is_settled, *step == "hold.settle.committed", "at {step}");
        }
        app.faults.mend();
        let settled = app.settle(&shop.owner, &id, "3").await;
        assert_eq!(settled.success()["replayed"], is_settled, "at {step}");

        let voided = shop.held("b", "4").await;
        app.faults.break_at(step);
        let broken = app.void(&shop.owner, &voided).await;
        let _ = app.domain.expire_holds(10).await;
        app.assert_balanced().await;
        app.faults.mend();
        let is_voided = broken.codes() != ["INTERNAL"] || *step == "hold.end.committed";
        let again = app.void(&shop.owner, &voided).await;
        assert_eq!(again.success()["replayed"], is_voided, "at {step}");

        let id = settled.text("/settleHold/event/id");
        let fix = json!({"accountId": shop.client.id.as_str(), "corrections": [
            {"idempotencyKey": "fix", "eventId": id, "kind": "VOID", "reason": "A test."}]});
        app.ask(&shop.owner, "correctUsage", "results { status }", fix)
            .await
            .success();
        assert_eq!(
            [shop.credits(&shop.main).await, shop.credits(&shop.client).await],
            before,
            "at {step}"
        );
        shop.assert_right().await;
        passed.extend(app.faults.passed());
    }
    let untried: Vec<_> = HOLD_FAULT_POINTS
        .iter()
        .filter(|step| !passed.contains(*step))
        .collect();
    assert!(untried.is_empty(), "{untried:?}");
}
