//! The real program told to end while it is under load: what was accepted is there, what was not can be sent again, and
//! who listened goes on without a gap.

use canopy_domain::entity::Role;
use serde_json::{Value, json};

use super::init;
use crate::app::process::{Process, post};
use crate::app::served::house;
use crate::app::socket::Socket;
use crate::app::{App, Caller, within};
use crate::operations::{USAGE_UPDATES, event};

const RECORD: &str = "mutation ($input: RecordUsageInput!) {
  recordUsage(input: $input) { results { status } userErrors { code message } }
}";
const WRITERS: usize = 6;

fn batch(account: &str, key: &str) -> Value {
    json!({"input": {"accountId": account, "events": [event(key)]}})
}

/// Records events one after another until the server is gone: how many were answered, and which one was not.
async fn write(url: &str, owner: &Caller, account: &str, writer: usize) -> usize {
    for n in 0.. {
        let key = format!("w{writer}-{n}");
        match post(url, owner, RECORD, batch(account, &key)).await {
            Ok(answer) => assert_eq!(answer.success()["results"][0]["status"], "ACCEPTED", "{key}"),
            Err(_) => return n,
        }
    }
    unreachable!("keys do not end")
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_under_load_loses_no_accepted_mutation_and_streams_go_on_elsewhere() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let account = main.id.as_str();
    let process = Process::serve(&app.database).await;
    let (url, base) = (process.url.clone(), process.url.replace("/graphql", ""));

    let updates = |after: Option<&str>| json!({"query": USAGE_UPDATES, "variables": {"account": account, "below": true, "after": after}});
    let mut socket = Socket::open(&base, init(&owner)).await;
    socket.acknowledged().await;
    socket.subscribe("1", updates(None)).await;
    // The answer to a question behind it says that the subscription was begun.
    socket
        .subscribe("2", json!({"query": "{ me { user { id } } }"}))
        .await;
    assert_eq!(socket.receive().await.unwrap()["id"], "2");

    let writers = (0..WRITERS).map(|writer| write(&url, &owner, account, writer));
    let listening = async {
        let (mut heard, mut cursor, mut process) = (Vec::new(), None, Some(process));
        let mut ending = None;
        loop {
            match socket.receive().await {
                Ok(message) if message["type"] == "next" && message["id"] == "1" => {
                    let told = &message["payload"]["data"]["usageUpdates"];
                    heard.push(told["event"]["idempotencyKey"].as_str().unwrap().to_owned());
                    cursor = told["cursor"].as_str().map(str::to_owned);
                }
                Ok(_) => {}
                Err((code, reason)) => {
                    assert_eq!(
                        (code, reason.as_str()),
                        (1001, "The server is going away: connect again")
                    );
                    return (heard, cursor, ending);
                }
            }
            // In the middle of it all.
            if heard.len() >= 50
                && let Some(process) = process.take()
            {
                ending = Some(tokio::spawn(process.terminate()));
            }
        }
    };
    let (answered, (mut heard, cursor, ending)) = within(
        "the end",
        futures_util::future::join(futures_util::future::join_all(writers), listening),
    )
    .await;
    let (code, log) = ending.expect("the program was told to end").await.unwrap();
    assert_eq!(code, Some(0), "{}", log.join("\n"));
    let total: usize = answered.iter().sum();
    println!("answered: {answered:?}, heard before the end: {}", heard.len());
    assert!(
        app.count("usage_events").await >= total as i64,
        "what was accepted is there"
    );

    // The same server again, at another port. What was not answered is sent again, and counts once.
    let process = Process::serve(&app.database).await;
    for (writer, n) in answered.iter().enumerate() {
        let answer = post(
            &process.url,
            &owner,
            RECORD,
            batch(account, &format!("w{writer}-{n}")),
        )
        .await;
        let status = answer.unwrap().success()["results"][0]["status"].clone();
        assert!(
            ["ACCEPTED", "REPLAYED"].contains(&status.as_str().unwrap()),
            "{status}"
        );
    }
    let expected = total + WRITERS;
    assert_eq!(app.count("usage_events").await, expected as i64);
    app.assert_counted_once().await;

    let base = process.url.replace("/graphql", "");
    let mut socket = Socket::open(&base, init(&owner)).await;
    socket.acknowledged().await;
    socket.subscribe("1", updates(cursor.as_deref())).await;
    while heard.len() < expected {
        let told = socket.receive().await.unwrap();
        let key = &told["payload"]["data"]["usageUpdates"]["event"]["idempotencyKey"];
        heard.push(key.as_str().unwrap().to_owned());
    }
    let distinct: std::collections::HashSet<&String> = heard.iter().collect();
    assert_eq!(distinct.len(), expected, "nothing twice, nothing missed");
    assert_eq!(process.terminate().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_ends_without_complete_when_the_server_does() {
    let mut house = house().await;
    let request = house
        .client
        .post(house.server.url("/graphql/stream"))
        .header("accept", "text/event-stream")
        .header("authorization", house.owner.authorization.as_deref().unwrap())
        .json(&house.updates());
    let response = within("the head of the stream", request.send()).await.unwrap();
    house.server.stop();
    let text = within("the end of the stream", response.text()).await.unwrap();
    assert!(!text.contains("complete"), "{text}");
    house.server.ended().await;
}
