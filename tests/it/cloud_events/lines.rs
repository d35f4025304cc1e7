//! A stream of lines: answered in order as it comes, and at its own pace.

use std::time::Duration;

use canopy_domain::entity::{Level, PermissionKey};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{NDJSON, answers, changed, event, gzip, lines, statuses, text};
use crate::app::served::{House, house, house_of};
use crate::app::{App, Caller, until, within};

/// A request whose body is still being sent, and whose answer is still being read.
struct Open {
    body: OwnedWriteHalf,
    answer: BufReader<OwnedReadHalf>,
}

impl Open {
    async fn start(house: &House, caller: &Caller) -> Self {
        let address = house.server.base.trim_start_matches("http://");
        let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        let (answer, mut body) = stream.into_split();
        let head = format!(
            "POST /usage HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\ncontent-type: {NDJSON}\r\n\
             transfer-encoding: chunked\r\n\r\n",
            caller.authorization.as_deref().unwrap()
        );
        body.write_all(head.as_bytes()).await.unwrap();
        let answer = BufReader::new(answer);
        Self { body, answer }
    }

    async fn send(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        within("room", self.body.write_all(chunk.as_bytes()))
            .await
            .unwrap();
    }

    async fn end(&mut self) {
        within("room", self.body.write_all(b"0\r\n\r\n")).await.unwrap();
    }

    /// The next line of JSON; none if the connection ended.
    async fn line(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if within("a line", self.answer.read_line(&mut line)).await.unwrap() == 0 {
                return None;
            }
            if line.starts_with('{') {
                return serde_json::from_str(&line).ok();
            }
            if line == "0\r\n" {
                return None;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_has_its_answer_and_a_bad_one_stops_nothing() {
    let house = house().await;
    let long = format!("{{\"id\": \"{}\"}}", "x".repeat(64 << 10));
    let body = format!(
        "{}\n\n{{\"id\": \"half\n{long}\n  \r\n{}\n{}",
        event("a"),
        changed("b", "specversion", json!("0.1")),
        event("c"),
    );
    for body in [body.clone().into_bytes(), gzip(body.as_bytes()).await] {
        let request = house.usage(&house.owner, NDJSON);
        let request = match body.starts_with(b"{") {
            true => request,
            false => request.header("content-encoding", "gzip"),
        };
        let results = answers(request.body(body)).await;
        let told: Vec<_> = results
            .iter()
            .map(|result| {
                (
                    result["index"].as_u64().unwrap(),
                    result["line"].as_u64().unwrap(),
                )
            })
            .collect();
        assert_eq!(told, [(0, 1), (1, 3), (2, 4), (3, 6), (4, 7)]);
        let told = statuses(&results);
        let first = if told[0] == "accepted" {
            "accepted"
        } else {
            "replayed"
        };
        assert_eq!(told, [first, "rejected", "rejected", "rejected", first]);
        assert_eq!(results[2]["message"], "A line has at most 65536 bytes.");
        assert_eq!(results[3]["field"], json!(["specversion"]));
    }
    assert_eq!(house.app.count("usage_events").await, 2);
    let nothing = answers(house.usage(&house.owner, NDJSON).body("\n\n")).await;
    assert!(nothing.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_stream_counts_each_event_once_however_often_it_is_sent() {
    let house = house().await;
    house.app.unit_price(&house.main, "0.5").await;
    let events: Vec<Value> = (0..2_500).map(|n| event(&n.to_string())).collect();
    let halves = [
        gzip(lines(&events[..1_300]).as_bytes()).await,
        gzip(lines(&events[1_300..]).as_bytes()).await,
    ];
    let members = halves.concat();
    for expected in ["accepted", "replayed"] {
        let request = house
            .usage(&house.owner, NDJSON)
            .header("content-encoding", "gzip");
        let results = answers(request.body(members.clone())).await;
        assert_eq!(results.len(), 2_500);
        for (n, result) in results.iter().enumerate() {
            assert_eq!(
                (&result["id"], &result["status"], &result["line"]),
                (&json!(n.to_string()), &json!(expected), &json!(n + 1))
            );
        }
    }
    assert_eq!(house.app.count("usage_events").await, 2_500);
    house.app.assert_counted_once().await;
    house.app.assert_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_answered_while_the_body_is_still_open() {
    let house = house().await;
    let mut open = Open::start(&house, &house.owner).await;
    for n in 0_i64..3 {
        open.send(&lines(&[event(&n.to_string())])).await;
        let result = open.line().await.expect("an answer");
        assert_eq!(
            (&result["status"], &result["index"]),
            (&json!("accepted"), &json!(n))
        );
        assert_eq!(house.app.count("usage_events").await, n + 1, "it is durable");
    }
    open.send("{\"half").await;
    open.end().await;
    let last = open.line().await.expect("an answer");
    assert_eq!((&last["status"], &last["line"]), (&json!("rejected"), &json!(4)));
    assert_eq!(open.line().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_dies_has_lost_nothing_that_was_answered() {
    let house = house().await;
    let mut open = Open::start(&house, &house.owner).await;
    let events: Vec<Value> = (0..1_500).map(|n| event(&n.to_string())).collect();
    open.send(&lines(&events[..1_200])).await;
    let first = open.line().await.expect("an answer");
    assert_eq!(first["status"], "accepted");
    drop(open);
    let recorded = house.app.count("usage_events").await;
    assert!((1..=1_200).contains(&recorded), "{recorded}");

    let results = answers(house.usage(&house.owner, NDJSON).body(lines(&events))).await;
    assert_eq!(statuses(&results)[0], "replayed");
    assert!(
        statuses(&results)
            .iter()
            .all(|own| ["accepted", "replayed"].contains(own))
    );
    until("all of it", || async {
        (house.app.count("usage_events").await == 1_500).then_some(())
    })
    .await;
    house.app.assert_counted_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_the_right_to_send_is_gone() {
    let house = house().await;
    let key = house
        .app
        .api_key(&house.main, &[(PermissionKey::Usage, Level::Full)])
        .await;
    let mut open = Open::start(&house, &key).await;
    open.send(&lines(&[event("a")])).await;
    assert_eq!(open.line().await.expect("an answer")["status"], "accepted");

    let id = house.app.rows("SELECT id FROM api_keys").await[0]["id"].clone();
    let document =
        "mutation ($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { userErrors { code } } }";
    let revoked = house
        .app
        .run(&house.owner, document, json!({"input": {"id": id}}))
        .await;
    revoked.success();
    open.send(&lines(&[event("b")])).await;
    let last = open.line().await.expect("why it ends");
    assert_eq!(last["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    assert_eq!(last["line"], 2);
    assert_eq!(open.line().await, None);
    assert_eq!(house.app.count("usage_events").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_a_request_is_told_to_come_back_and_a_stream_waits() {
    // Ten points an event: three events, and another one each second.
    let app = App::configured(|settings| {
        settings.budget.capacity = 30;
        settings.budget.restored = 10;
        settings.budget.child_share = 100;
        settings.budget.least = 0;
    })
    .await;
    let house = house_of(app, |_| ()).await;
    let mut open = Open::start(&house, &house.owner).await;
    open.send(&lines(&[event("a"), event("b"), event("c")])).await;
    for _ in 0..3 {
        assert_eq!(open.line().await.expect("an answer")["status"], "accepted");
    }
    open.send(&lines(&[event("d")])).await;
    assert_eq!(open.line().await.expect("an answer")["status"], "accepted");

    let all: Vec<Value> = ["e", "f", "g"].map(event).to_vec();
    let request = house.usage(&house.owner, NDJSON).body(lines(&all));
    let response = within("an answer", request.send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(response.headers().contains_key("retry-after"));
    let (_, body) = text(house.usage(&house.owner, NDJSON).body(lines(&all))).await;
    assert!(body.contains("RATE_LIMITED"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_says_nothing_or_whose_server_ends_is_told_so() {
    let house = crate::app::served::house_with(|config| {
        config.http.request_timeout = canopy::config::Span(Duration::from_millis(300));
    })
    .await;
    let mut open = Open::start(&house, &house.owner).await;
    open.send(&lines(&[event("a")])).await;
    assert_eq!(open.line().await.expect("an answer")["status"], "accepted");
    let last = open.line().await.expect("why it ends");
    assert_eq!(
        (&last["errors"][0]["message"], &last["line"]),
        (&json!("The body did not arrive in time."), &json!(2))
    );

    let mut house = super::house().await;
    let mut open = Open::start(&house, &house.owner).await;
    open.send(&lines(&[event("a")])).await;
    assert_eq!(open.line().await.expect("an answer")["status"], "accepted");
    house.server.stop();
    let last = open.line().await.expect("why it ends");
    assert_eq!(
        (&last["errors"][0]["extensions"]["code"], &last["line"]),
        (&json!("RATE_LIMITED"), &json!(2))
    );
}
