//! Each message and each close code of graphql-transport-ws.

use std::time::Duration;

use canopy::config::Span;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::init;
use crate::app::served::{House, house, house_with};
use crate::app::socket::Socket;
use crate::operations::event;

const PROTOCOL: Option<&str> = Some("graphql-transport-ws");

async fn ready(house: &House) -> Socket {
    let mut socket = Socket::open(&house.server.base, init(&house.owner)).await;
    socket.acknowledged().await;
    socket
}

fn closed(code: u16, reason: &str) -> Result<serde_json::Value, (u16, String)> {
    Err((code, reason.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_of_the_protocol_closes_with_4400() {
    let house = house().await;
    for (text, reason) in [
        ("", "A message must be a JSON object"),
        ("[]", "A message must be a JSON object"),
        ("{\"type\":\"start\",\"id\":\"1\"}", "Unknown message type"),
        ("{\"type\":\"connection_ack\"}", "Unknown message type"),
        (
            "{\"type\":\"subscribe\",\"id\":\"1\"}",
            "A subscribe message must have an id and a payload",
        ),
        (
            "{\"type\":\"subscribe\",\"id\":\"\",\"payload\":{}}",
            "An id must be a string of 1 to 256 bytes",
        ),
        (
            "{\"type\":\"ping\",\"payload\":1}",
            "A payload must be a JSON object",
        ),
    ] {
        let mut socket = ready(&house).await;
        socket.send_text(text).await;
        assert_eq!(socket.receive().await, closed(4400, reason), "{text}");
    }
    let mut socket = ready(&house).await;
    socket.send_raw(Message::binary("{\"type\":\"ping\"}")).await;
    assert_eq!(
        socket.receive().await,
        closed(4400, "Messages must be text, not binary")
    );
    let mut socket = ready(&house).await;
    socket.subscribe("1", json!({"query": 7})).await;
    assert_eq!(socket.closed().await.0, 4400);
    let mut socket = Socket::open(&house.server.base, json!({"authorization": 7})).await;
    assert_eq!(socket.closed().await.0, 4400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_refused_before_it_is_read() {
    let house = house_with(|config| config.http.max_body = "1KiB".parse().unwrap()).await;
    let mut socket = ready(&house).await;
    socket.send_text(&"x".repeat(2_000)).await;
    assert_eq!(socket.closed().await.0, 1002);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_out_of_order_has_its_code() {
    let house =
        house_with(|config| config.subscriptions.init_timeout = Span(Duration::from_millis(300))).await;
    let base = &house.server.base;

    let mut early = Socket::connect(base, PROTOCOL, &[]).await;
    early.subscribe("1", house.body()).await;
    assert_eq!(early.receive().await, closed(4401, "Unauthorized"));

    let mut other = Socket::connect(base, None, &[]).await;
    assert_eq!(other.receive().await, closed(4406, "Subprotocol not acceptable"));

    let mut late = Socket::connect(base, PROTOCOL, &[]).await;
    assert_eq!(
        late.receive().await,
        closed(4408, "Connection initialisation timeout")
    );

    let mut twice = ready(&house).await;
    twice.subscribe("same", house.updates()).await;
    twice.subscribe("same", house.updates()).await;
    assert_eq!(
        twice.receive().await,
        closed(4409, "Subscriber for same already exists")
    );

    let mut eager = ready(&house).await;
    eager.send(json!({"type": "connection_init"})).await;
    assert_eq!(
        eager.receive().await,
        closed(4429, "Too many initialisation requests")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_are_answered_before_and_after_the_init() {
    let house = house().await;
    let mut socket = Socket::connect(&house.server.base, PROTOCOL, &[]).await;
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.receive().await.unwrap(), json!({"type": "pong"}));
    socket
        .send(json!({"type": "connection_init", "payload": init(&house.owner)}))
        .await;
    socket.acknowledged().await;
    socket.send(json!({"type": "ping", "payload": {"at": 7}})).await;
    assert_eq!(
        socket.receive().await.unwrap(),
        json!({"type": "pong", "payload": {"at": 7}})
    );
    // A pong that nobody asked for is a sign of life.
    socket.send(json!({"type": "pong"})).await;
    socket.subscribe("1", house.body()).await;
    assert_eq!(socket.receive().await.unwrap()["type"], "next");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_runs_and_a_document_that_cannot_run_is_an_error_of_its_id() {
    let house = house().await;
    let mut socket = ready(&house).await;
    let record = "mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { results { status } } }";
    let input = json!({"accountId": house.main.id.as_str(), "events": [event("by-socket")]});
    socket
        .subscribe("1", json!({"query": record, "variables": {"input": input}}))
        .await;
    let told = socket.receive().await.unwrap();
    assert_eq!(
        told["payload"]["data"]["recordUsage"]["results"][0]["status"], "ACCEPTED",
        "{told}"
    );
    assert_eq!(
        socket.receive().await.unwrap(),
        json!({"type": "complete", "id": "1"})
    );
    assert_eq!(house.app.count("usage_events").await, 1);

    for document in ["{ nothing }", "{ account("] {
        // The id is free again after its end.
        socket.subscribe("1", json!({"query": document})).await;
        let told = socket.receive().await.unwrap();
        assert_eq!(
            (&told["type"], &told["id"]),
            (&json!("error"), &json!("1")),
            "{told}"
        );
        assert!(told["payload"].is_array(), "{told}");
    }

    // Stopped by the client: nothing more of that id, and the id is free.
    socket.subscribe("2", house.updates()).await;
    socket.send(json!({"type": "complete", "id": "2"})).await;
    socket.send(json!({"type": "complete", "id": "unknown"})).await;
    socket.subscribe("2", house.body()).await;
    assert_eq!(
        socket.receive().await.unwrap()["payload"]["data"]["account"]["name"],
        "Main"
    );
    assert_eq!(
        socket.receive().await.unwrap(),
        json!({"type": "complete", "id": "2"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_init_payload_narrows_to_an_account_and_headers_fill_what_it_leaves_out() {
    let house = house().await;
    let client = house.app.subaccount(&house.main, "Client").await;
    let acting = json!({"query": "{ me { actingAs { name } } }"});
    let authorization = house.owner.authorization.as_deref().unwrap();

    let headers = [("authorization", authorization)];
    let mut socket = Socket::connect(&house.server.base, PROTOCOL, &headers).await;
    let payload = json!({"X-Sub-Account-Id": client.id.as_str()});
    socket
        .send(json!({"type": "connection_init", "payload": payload}))
        .await;
    socket.acknowledged().await;
    socket.subscribe("1", acting.clone()).await;
    assert_eq!(
        socket.receive().await.unwrap()["payload"]["data"]["me"]["actingAs"]["name"],
        "Client"
    );

    // An account that is not below is as good as no credential.
    let payload =
        json!({"authorization": authorization, "x-sub-account-id": "acc_01jd0000000000000000000000"});
    let mut socket = Socket::open(&house.server.base, payload).await;
    assert_eq!(socket.receive().await, closed(4403, "Forbidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_on_one_socket_are_bounded() {
    let house = house_with(|config| config.subscriptions.max_per_socket = 2).await;
    let mut socket = ready(&house).await;
    for id in ["1", "2", "3"] {
        socket.subscribe(id, house.updates()).await;
    }
    let told = socket.receive().await.unwrap();
    assert_eq!(
        (&told["type"], &told["id"]),
        (&json!("error"), &json!("3")),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_sign_of_life_is_disconnected() {
    let house = house_with(|config| config.subscriptions.heartbeat = Span(Duration::from_millis(50))).await;
    // Reading answers the pings; who only waits is silent.
    let mut silent = ready(&house).await;
    let mut lively = ready(&house).await;
    let ended = std::time::Instant::now() + Duration::from_millis(1_000);
    while std::time::Instant::now() < ended {
        lively.subscribe("1", house.body()).await;
        assert_eq!(lively.receive().await.unwrap()["type"], "next");
        assert_eq!(lively.receive().await.unwrap()["type"], "complete");
    }
    assert_eq!(silent.closed().await, (1002, "No sign of life".to_owned()));
}
