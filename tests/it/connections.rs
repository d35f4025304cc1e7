//! Connections that are slow, idle, many, or gone: none of them may hurt another client.

use std::time::{Duration, Instant};

use canopy::config::Span;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::served::{House, house_with};
use crate::app::{until, within};

impl House {
    async fn tcp(&self) -> TcpStream {
        let address = self.server.base.trim_start_matches("http://");
        within("a connection", TcpStream::connect(address))
            .await
            .expect("it is taken")
    }

    /// A request on a connection of its own is answered with this status.
    async fn health(&self) -> u16 {
        let client = canopy::tls::client_builder()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let request = client.get(self.server.url("/healthz"));
        within("an answer", request.send())
            .await
            .expect("an answer")
            .status()
            .as_u16()
    }
}

/// What comes until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    // A connection that is cut off may end in a reset.
    let _ = within("the end of a connection", stream.read_to_end(&mut rest)).await;
    String::from_utf8_lossy(&rest).into_owned()
}

fn span(millis: u64) -> Span {
    Span(Duration::from_millis(millis))
}

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn ask(stream: &mut TcpStream) {
    stream.write_all(REQUEST).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("a head", stream.read_u8()).await.expect("an answer"));
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    stream.read_exact(&mut vec![0; length]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_comes_too_slowly_is_cut_off_however_it_dribbles() {
    let house = house_with(|config| {
        config.http.header_timeout = span(400);
        config.http.idle_timeout = span(60_000);
    })
    .await;
    // Nothing at all; a part of the first head; a part of the second one.
    let mut mute = house.tcp().await;
    let mut first = house.tcp().await;
    let mut second = house.tcp().await;
    ask(&mut second).await;
    let begun = Instant::now();
    for stream in [&mut first, &mut second] {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for byte in b"GET /healthz HTTP/1.1\r\nhost: "
            .iter()
            .chain([b'x'].iter().cycle())
        {
            ticks.tick().await;
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        assert_eq!(house.health().await, 200);
    }
    assert_eq!(rest(&mut mute).await, "");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_rests_for_a_while_and_is_then_closed() {
    let house = house_with(|config| {
        config.http.header_timeout = span(300);
        config.http.idle_timeout = span(1_500);
    })
    .await;
    let mut stream = house.tcp().await;
    ask(&mut stream).await;
    // Longer than a head may take, and shorter than it may rest.
    tokio::time::interval_at(
        tokio::time::Instant::now() + Duration::from_millis(700),
        Duration::from_secs(1),
    )
    .tick()
    .await;
    ask(&mut stream).await;
    let rested = Instant::now();
    assert_eq!(rest(&mut stream).await, "");
    assert!(
        rested.elapsed() >= Duration::from_millis(1_400),
        "{:?}",
        rested.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_idle_connections_displaces_itself() {
    let house = house_with(|config| config.http.max_connections = 20).await;
    let mut known = house.tcp().await;
    let mut flood = Vec::new();
    for round in 0..10 {
        for _ in 0..30 {
            flood.push(house.tcp().await);
        }
        // A newcomer is served, and so is who was there and has sent something.
        assert_eq!(house.health().await, 200, "round {round}");
        if round == 0 {
            known = house.tcp().await;
        }
        ask(&mut known).await;
    }
    // The first ones were told to go.
    assert_eq!(rest(&mut flood[0]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_being_served_is_not_displaced_and_a_newcomer_is_told_so() {
    let house = house_with(|config| config.http.max_connections = 2).await;
    let updates = serde_json::json!({"query": crate::operations::USAGE_UPDATES, "variables": {
        "account": house.main.id.as_str(), "below": true,
    }});
    let mut streams = Vec::new();
    for _ in 0..2 {
        let request = house
            .client
            .post(house.server.url("/graphql/stream"))
            .header("accept", "text/event-stream")
            .header("authorization", house.owner.authorization.as_deref().unwrap())
            .json(&updates);
        streams.push(within("a stream", request.send()).await.unwrap());
    }
    let mut refused = house.tcp().await;
    refused.write_all(REQUEST).await.unwrap();
    let answer = rest(&mut refused).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.contains("retry-after: 1") && answer.contains("RATE_LIMITED"),
        "{answer}"
    );

    drop(streams.pop());
    until("a place to be free", || async {
        (house.health().await == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_takes_nothing_gives_its_place_up() {
    let house = house_with(|config| {
        config.http.max_connections = 1;
        config.http.peer_timeout = span(3_000);
    })
    .await;
    // Asks and asks and never reads: the answers fill what the system keeps, and then neither side gets on.
    let mut stuck = house.tcp().await;
    let metrics = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(50);
    let stalled = Duration::from_millis(500);
    while let Ok(pushed) = tokio::time::timeout(stalled, stuck.write_all(&metrics)).await {
        pushed.expect("the connection holds");
    }
    assert_eq!(house.health().await, 503);
    until("the place to be free", || async {
        (house.health().await == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_a_bound_in_bytes_and_in_fields() {
    let house = house_with(|config| config.http.max_header = "8KiB".parse().unwrap()).await;
    for fields in [format!("x: {}\r\n", "y".repeat(20_000)), "x: y\r\n".repeat(200)] {
        let mut stream = house.tcp().await;
        let request = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}
