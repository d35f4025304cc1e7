//! GraphQL over HTTP and SSE, the probes, and what is refused.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::served::{NAME, house};
use crate::app::within;
use crate::operations::{USAGE_UPDATES, event};

async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, String, Value) {
    let response = within("a response", request.send())
        .await
        .expect("the server answers");
    let content_type = response
        .headers()
        .get("content-type")
        .map(|value| value.to_str().unwrap().to_owned());
    let status = response.status();
    let text = within("a body", response.text()).await.expect("a body");
    (
        status,
        content_type.unwrap_or_default(),
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_answered_in_the_media_type_that_was_asked_for() {
    let house = house().await;
    for (accept, expected) in [
        ("application/json", "application/json"),
        (
            "application/graphql-response+json",
            "application/graphql-response+json",
        ),
        ("*/*", "application/json"),
    ] {
        let (status, content_type, body) =
            answer(house.post().header("accept", accept).json(&house.body())).await;
        assert_eq!(status, StatusCode::OK);
        assert!(content_type.starts_with(expected), "{accept}: {content_type}");
        assert_eq!(body["data"]["account"]["name"], "Main");
    }
    let (status, ..) = answer(house.post().header("accept", "text/html").json(&house.body())).await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
    let text = house
        .post()
        .header("content-type", "text/plain")
        .body(house.body().to_string());
    assert_eq!(answer(text).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_reads_and_never_changes() {
    let house = house().await;
    let get = |document: &str| {
        let variables = json!({"id": house.main.id.as_str()}).to_string();
        let url = format!(
            "{}?query={}&variables={}",
            house.server.url("/graphql"),
            encoded(document),
            encoded(&variables)
        );
        house
            .client
            .get(url)
            .header("authorization", house.owner.authorization.as_deref().unwrap())
    };
    let (status, _, body) = answer(get(NAME)).await;
    assert_eq!(
        (status, &body["data"]["account"]["name"]),
        (StatusCode::OK, &json!("Main"))
    );

    let before = house.app.counts().await;
    let mutation = "mutation { signIn(input: {email: \"a@b.c\", password: \"x\"}) { userErrors { code } } }";
    let (status, ..) = answer(get(mutation)).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(house.app.counts().await, before);
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let request = house.client.request(method, house.server.url("/graphql"));
        assert_eq!(answer(request).await.0, StatusCode::METHOD_NOT_ALLOWED);
    }
}

/// A text as part of a query string.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_credential_is_401_with_one_body_whatever_is_wrong() {
    let house = house().await;
    let mut bodies = Vec::new();
    for authorization in [
        "Bearer nonsense",
        "Basic YTpi",
        "Bearer ck_live_unknown",
        "Bearer a.b.c",
    ] {
        let request = house
            .client
            .post(house.server.url("/graphql"))
            .header("authorization", authorization);
        let (status, _, body) = answer(request.json(&house.body())).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{authorization}");
        bodies.push(body);
    }
    let expected = json!({"errors": [{
        "message": "The credential is not valid.", "extensions": {"code": "UNAUTHENTICATED"},
    }]});
    assert!(bodies.iter().all(|body| *body == expected), "{bodies:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_graphql_request_is_a_4xx() {
    let house = house().await;
    let large = "x".repeat((2 << 20) + 1);
    for (body, expected) in [
        ("{", StatusCode::BAD_REQUEST),
        ("[]", StatusCode::BAD_REQUEST),
        ("{\"query\": 7}", StatusCode::BAD_REQUEST),
        ("{\"variables\": {}}", StatusCode::BAD_REQUEST),
        (large.as_str(), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let request = house
            .post()
            .header("content-type", "application/json")
            .body(body.to_owned());
        let (status, ..) = answer(request).await;
        assert_eq!(status, expected, "{}", &body[..body.len().min(40)]);
    }
    for (document, expected) in [
        ("{ nothing }", StatusCode::BAD_REQUEST),
        ("{ account(", StatusCode::BAD_REQUEST),
    ] {
        let request = house.post().header("accept", "application/graphql-response+json");
        let (status, _, body) = answer(request.json(&json!({"query": document}))).await;
        assert_eq!(status, expected, "{document}: {body}");
    }
    let deep = format!(
        "{{ account {}id{} }}",
        "{ parent ".repeat(40) + "{ ",
        " }".repeat(41)
    );
    let (_, _, body) = answer(house.post().json(&json!({"query": deep}))).await;
    assert!(
        !body["errors"].as_array().unwrap().is_empty(),
        "a document has a bound on its depth"
    );
}

/// A client that reads nothing before it has sent all is not cut off: it would not learn why.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_heard_out() {
    let house = house().await;
    let body = vec![b'x'; 20 << 20];
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        house.owner.authorization.as_deref().unwrap(),
        body.len()
    );
    let conversation = async {
        let mut socket = TcpStream::connect(house.server.base.trim_start_matches("http://")).await?;
        socket.write_all(head.as_bytes()).await?;
        socket.write_all(&body).await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = within("an answer", conversation)
        .await
        .expect("the connection holds");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probes_and_the_metrics_answer() {
    let house = house().await;
    answer(house.post().json(&house.body())).await;
    for path in ["/healthz", "/readyz"] {
        let (status, ..) = answer(house.client.get(house.server.url(path))).await;
        assert_eq!(status, StatusCode::OK, "{path}");
    }
    let (status, _, body) = answer(house.client.get(house.server.url("/metrics"))).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        body.as_str().unwrap().contains("canopy_graphql_operations_total"),
        "{body}"
    );
    let (status, ..) = answer(house.client.get(house.server.url("/nowhere"))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_arrive_as_server_sent_events() {
    let house = house().await;
    let variables = json!({"account": house.main.id.as_str(), "below": true});
    let request = house
        .client
        .post(house.server.url("/graphql/stream"))
        .header("accept", "text/event-stream")
        .header("authorization", house.owner.authorization.as_deref().unwrap())
        .json(&json!({"query": USAGE_UPDATES, "variables": variables}));
    let mut response = within("the head of the stream", request.send())
        .await
        .expect("the server answers");
    assert_eq!(response.status(), StatusCode::OK);
    let mut text = String::new();
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    let mut sent = 0;
    while !text.contains("\"RECORDED\"") {
        tokio::select! {
            biased;
            chunk = within("a part of the stream", response.chunk()) => {
                let chunk = chunk.expect("the stream is whole").expect("the stream goes on");
                text += std::str::from_utf8(&chunk).expect("text");
            }
            _ = ticks.tick() => {
                sent += 1;
                let batch = json!([event(&format!("live-{sent}"))]);
                house.app.accepted(&house.app.record(&house.owner, &house.main, batch).await);
            }
        }
    }
    assert!(text.contains("event: next\ndata: {"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_have_an_id_and_a_refusal_tells_nothing_of_the_inside() {
    let house = house().await;
    let response = house.post().json(&house.body()).send().await.unwrap();
    let id = response
        .headers()
        .get("x-request-id")
        .expect("an id")
        .to_str()
        .unwrap()
        .to_owned();
    assert!(!id.is_empty());
    for broken in ["DROP VIEW usage_sums", "DROP TABLE usage_aggregates"] {
        house.app.tamper(broken).await.unwrap();
    }
    let query = json!({
        "query": "query ($id: ID!) { account(id: $id) { usage { totals { meter } } } }",
        "variables": {"id": house.main.id.as_str()},
    });
    let (_, _, body) = answer(house.post().json(&query)).await;
    let error = &body["errors"][0];
    assert_eq!(error["message"], "Something went wrong on our side.");
    assert_eq!(error["extensions"]["code"], "INTERNAL");
    assert!(error["extensions"]["requestId"].is_string(), "{error}");
    assert!(!body.to_string().contains("usage_"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_a_lone_reader_are_read_to_the_end() {
    // A stream of a query has one answer and an end.
    let house = house().await;
    let request = house
        .client
        .post(house.server.url("/graphql/stream"))
        .header("accept", "text/event-stream")
        .header("authorization", house.owner.authorization.as_deref().unwrap())
        .json(&house.body());
    let (status, content_type, body) = answer(request).await;
    assert_eq!(status, StatusCode::OK);
    assert!(content_type.starts_with("text/event-stream"));
    let text = body.as_str().unwrap();
    assert!(
        text.contains("event: next") && text.contains("event: complete"),
        "{text}"
    );
}
