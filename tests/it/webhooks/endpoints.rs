//! Endpoints are made and changed by whoever may, within bounds; secrets are shown once and rotated.

use canopy_domain::entity::{Level, PermissionKey};
use canopy_domain::webhooks::Outcome;
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{endpoint, house};

#[tokio::test(flavor = "multi_thread")]
async fn two_secrets_sign_while_one_takes_the_place_of_the_other() {
    let (house, receiver) = (house().await, Receiver::start().await);
    let (id, first) = house.endpoint(&receiver.url()).await;
    let test = async || {
        let input = json!({"id": id});
        let field = "testWebhookEndpoint";
        house
            .app
            .change_webhook(&house.owner, field, "delivery { id eventType }", input)
            .await
            .success();
        assert_eq!(house.send().await, [Outcome::Delivered]);
        receiver.received().remove(0)
    };
    let rotated = house
        .app
        .rotate_secret(&house.owner, json!({"id": id, "idempotencyKey": "once"}))
        .await;
    let second = rotated.success()["secret"]
        .as_str()
        .expect("it is shown")
        .to_owned();
    assert!(rotated.payload()["webhookEndpoint"]["previousSecretUntil"].is_string());
    let again = house
        .app
        .rotate_secret(&house.owner, json!({"id": id, "idempotencyKey": "once"}))
        .await;
    assert_eq!(again.success()["secret"], Value::Null, "it is shown once");
    let message = test().await;
    assert_eq!(message.json()["type"], "webhook.test");
    assert_eq!(
        (message.signed_with(&first), message.signed_with(&second)),
        (1, 1)
    );

    // A day later.
    let day = "UPDATE webhook_secrets SET expires_at = created_at WHERE expires_at IS NOT NULL";
    house.app.tamper(day).await.unwrap();
    let message = test().await;
    assert_eq!(
        (message.signed_with(&first), message.signed_with(&second)),
        (0, 1)
    );

    let rotated = house
        .app
        .rotate_secret(&house.owner, json!({"id": id, "overlap": "0s"}))
        .await;
    let third = rotated.success()["secret"]
        .as_str()
        .expect("it is shown")
        .to_owned();
    assert_eq!(
        rotated.payload()["webhookEndpoint"]["previousSecretUntil"],
        Value::Null
    );
    let message = test().await;
    assert_eq!(
        (message.signed_with(&second), message.signed_with(&third)),
        (0, 1)
    );
    for wrong in ["8d", "soon"] {
        let refused = house
            .app
            .rotate_secret(&house.owner, json!({"id": id, "overlap": wrong}))
            .await;
        assert_eq!(refused.user_error(), "BAD_USER_INPUT");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_hear_of_their_account_and_of_those_below_if_they_want_to() {
    let (house, receiver) = (house().await, Receiver::start().await);
    let sibling = house.app.subaccount(&house.main, "Sibling").await;
    let mut above = endpoint(&house.main, &format!("http://{}/above", receiver.address));
    above["includeDescendants"] = json!(true);
    house.app.create_endpoint(&house.owner, above).await.success();
    let not_below = endpoint(&house.main, &format!("http://{}/not-below", receiver.address));
    house.app.create_endpoint(&house.owner, not_below).await.success();
    let beside = endpoint(&sibling, &format!("http://{}/beside", receiver.address));
    house.app.create_endpoint(&house.owner, beside).await.success();
    let (own, _) = house.endpoint(&receiver.url()).await;
    house.cross().await;
    assert_eq!(house.send().await.len(), 2);

    // One that is switched off hears nothing, and gets what waits when it is on again.
    house.cross().await;
    house
        .app
        .update_endpoint(&house.owner, json!({"id": own, "enabled": false}))
        .await
        .success();
    house.cross().await;
    assert_eq!(house.send().await.len(), 2, "both of those above");
    house
        .app
        .update_endpoint(&house.owner, json!({"id": own, "enabled": true}))
        .await
        .success();
    assert_eq!(house.send().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_usage_has_it_sent_nowhere() {
    let house = house().await;
    let keeper = house
        .app
        .api_key(&house.main, &[(PermissionKey::Webhooks, Level::Full)])
        .await;
    let reader = house
        .app
        .api_key(
            &house.main,
            &[
                (PermissionKey::Webhooks, Level::Read),
                (PermissionKey::Usage, Level::Full),
            ],
        )
        .await;
    let new = endpoint(&house.client, "https://example.com/hook");
    for caller in [&keeper, &reader] {
        assert_eq!(
            house.app.create_endpoint(caller, new.clone()).await.code(),
            "FORBIDDEN"
        );
    }
    let (id, _) = house.endpoint("https://example.com/hook").await;
    let moved = json!({"id": id, "url": "https://example.org/hook"});
    for caller in [&keeper, &reader] {
        assert_eq!(
            house.app.update_endpoint(caller, moved.clone()).await.code(),
            "FORBIDDEN"
        );
    }
    assert_eq!(
        house.app.rotate_secret(&reader, json!({"id": id})).await.code(),
        "FORBIDDEN"
    );
    house.app.update_endpoint(&house.owner, moved).await.success();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_made_once_shows_its_secret_once_and_has_its_bounds() {
    let house = house().await;
    let mut new = endpoint(&house.client, "https://example.com/hook");
    new["idempotencyKey"] = json!("once");
    let made = house.app.create_endpoint(&house.owner, new.clone()).await;
    assert!(made.success()["secret"].as_str().unwrap().starts_with("whsec_"));
    let again = house.app.create_endpoint(&house.owner, new).await;
    assert_eq!(again.success()["secret"], Value::Null);
    assert_eq!(
        again.payload()["webhookEndpoint"],
        made.payload()["webhookEndpoint"]
    );
    let secrets = house.app.rows("SELECT secret FROM webhook_secrets").await;
    for table in ["audit_log", "idempotency_records"] {
        let rows = json!(house.app.rows(&format!("SELECT * FROM {table}")).await).to_string();
        assert!(!rows.contains(secrets[0]["secret"].as_str().unwrap()), "{table}");
    }
    for (field, wrong) in [
        ("url", json!("example.com")),
        ("eventTypes", json!([])),
        ("description", json!("x".repeat(501))),
    ] {
        let mut input = endpoint(&house.client, "https://example.com/hook");
        input[field] = wrong;
        let refused = house.app.create_endpoint(&house.owner, input).await;
        assert_eq!(refused.user_error(), "BAD_USER_INPUT", "{field}");
    }
    for _ in 1..20 {
        house.endpoint("https://example.com/hook").await;
    }
    let one_more = endpoint(&house.client, "https://example.com/hook");
    let refused = house.app.create_endpoint(&house.owner, one_more).await;
    assert_eq!(refused.user_error(), "LIMIT_EXCEEDED");

    let id = made.text("/createWebhookEndpoint/webhookEndpoint/id");
    let gone = json!({"id": id, "idempotencyKey": "once"});
    for replayed in [false, true] {
        let selection = "webhookEndpoint { ...Endpoint }";
        let field = "deleteWebhookEndpoint";
        let gone = house
            .app
            .change_webhook(&house.owner, field, selection, gone.clone())
            .await;
        assert_eq!(gone.success()["replayed"], replayed);
    }
    assert_eq!(house.app.count("webhook_secrets").await, 19);
}
