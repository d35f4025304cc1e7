//! The real program told to end while it is under load: what was accepted is there, what was not can be sent again, and
//! who listened goes on without a gap.

use canopy_domain::entity::Role;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

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
/// The cursor behind which everything is.
const BEGINNING: &str = "djE6MA";

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

/// What a subscription has told, the cursor of the last of it, and the end of the process.
type Listened = (Vec<String>, String, JoinHandle<(Option<i32>, Vec<String>)>);

/// Listens until the server closes, which it is told to in the middle of it all.
async fn listen(socket: &mut Socket, process: Process) -> Listened {
    let (mut heard, mut cursor) = (Vec::new(), BEGINNING.to_owned());
    let (mut process, mut ending) = (Some(process), None);
    loop {
        match socket.receive().await {
            Ok(message) => {
                let told = &message["payload"]["data"]["usageUpdates"];
                heard.push(told["event"]["idempotencyKey"].as_str().unwrap().to_owned());
                told["cursor"].as_str().unwrap().clone_into(&mut cursor);
            }
            Err((code, reason)) => {
                assert_eq!(code, 1001);
                assert_eq!(reason, "The server is going away: connect again");
                return (heard, cursor, ending.expect("the program was told to end"));
            }
        }
        if heard.len() >= 50
            && let Some(process) = process.take()
        {
            ending = Some(tokio::spawn(process.terminate()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_under_load_loses_no_accepted_mutation_and_streams_go_on_elsewhere() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let account = main.id.as_str();
    let process = Process::serve(&app.database).await;
    let (url, base) = (process.url.clone(), process.url.replace("/graphql", ""));

    let updates = |after: &str| {
        let variables = json!({"account": account, "below": true, "after": after});
        json!({"query": USAGE_UPDATES, "variables": variables})
    };
    let mut socket = Socket::open(&base, init(&owner)).await;
    socket.acknowledged().await;
    socket.subscribe("1", updates(BEGINNING)).await;

    let writers = (0..WRITERS).map(|writer| write(&url, &owner, account, writer));
    let listening = listen(&mut socket, process);
    let (answered, (mut heard, cursor, ending)) = within(
        "the end",
        futures_util::future::join(futures_util::future::join_all(writers), listening),
    )
    .await;
    let (code, log) = ending.await.unwrap();
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
        let again = batch(account, &format!("w{writer}-{n}"));
        let answer = post(&process.url, &owner, RECORD, again).await.unwrap();
        let status = answer.success()["results"][0]["status"].clone();
        assert!(status == "ACCEPTED" || status == "REPLAYED", "{status}");
    }
    let expected = total + WRITERS;
    assert_eq!(app.count("usage_events").await, expected as i64);
    app.assert_counted_once().await;

    let base = process.url.replace("/graphql", "");
    let mut socket = Socket::open(&base, init(&owner)).await;
    socket.acknowledged().await;
    socket.subscribe("1", updates(&cursor)).await;
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
