//! Bodies and readers that mean harm: what they may cost is bounded.

use std::time::Duration;

use canopy_domain::entity::Role;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{NDJSON, event, gzip, lines};
use crate::app::process::Process;
use crate::app::{App, Caller, within};

/// What a stream may take above what the server has at rest, in bytes.
const PEAK: u64 = 48 << 20;

struct Attacked {
    _app: App,
    owner: Caller,
    process: Process,
    rest: u64,
}

async fn attacked() -> Attacked {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let process = Process::serve(&app.database).await;
    let attacked = Attacked {
        rest: process.memory().0,
        _app: app,
        owner,
        process,
    };
    // What a first request leaves behind does not count.
    let (head, _) = attacked.send(&lines(&[event("first")]).into_bytes(), "").await;
    assert!(head.contains(" 200 "), "{head}");
    Attacked {
        rest: attacked.process.memory().0,
        ..attacked
    }
}

impl Attacked {
    fn address(&self) -> &str {
        let address = self.process.url.trim_start_matches("http://");
        address.trim_end_matches("/graphql")
    }

    /// A connection on which a stream was sent, and nothing was read.
    async fn sent(&self, body: &[u8], more: &str) -> TcpStream {
        let mut stream = within("a connection", TcpStream::connect(self.address()))
            .await
            .unwrap();
        let head = format!(
            "POST /usage HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\ncontent-type: {NDJSON}\r\n\
             connection: close\r\ncontent-length: {}\r\n{more}\r\n",
            self.owner.authorization.as_deref().unwrap(),
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        within("room", stream.write_all(body)).await.unwrap();
        stream
    }

    async fn send(&self, body: &[u8], more: &str) -> (String, Vec<Value>) {
        whole(self.sent(body, more).await).await
    }

    fn assert_small(&self) {
        let (_, most) = self.process.memory();
        println!("{} MiB at rest, {} MiB at most", self.rest >> 20, most >> 20);
        assert!(most <= self.rest + PEAK, "it took {} bytes", most - self.rest);
    }

    /// How many events were rejected so far.
    async fn rejected(&self) -> u64 {
        let mut stream = within("a connection", TcpStream::connect(self.address()))
            .await
            .unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut text = String::new();
        within("the metrics", stream.read_to_string(&mut text))
            .await
            .unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("canopy_usage_events_total{outcome=\"rejected\"}"));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

/// The head of an answer, and the lines of its body.
async fn whole(mut stream: TcpStream) -> (String, Vec<Value>) {
    let mut answer = String::new();
    within("the whole answer", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let results = body.lines().filter(|line| line.starts_with('{'));
    (
        head.to_owned(),
        results
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_that_unpacks_to_much_costs_no_memory() {
    let attacked = attacked().await;
    // A line of 96 MiB, millions of blank lines, and an event behind them.
    let mut bomb = gzip(&vec![b'x'; 96 << 20]).await;
    bomb.extend(gzip(&vec![b'\n'; 16 << 20]).await);
    bomb.extend(gzip(lines(&[event("behind")]).as_bytes()).await);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let (_, results) = attacked.send(&bomb, "content-encoding: gzip\r\n").await;
    assert_eq!(results.len(), 2, "{results:#?}");
    assert_eq!(results[0]["message"], "A line has at most 65536 bytes.");
    assert_eq!(
        (&results[1]["id"], &results[1]["status"]),
        (&json!("behind"), &json!("accepted"))
    );

    // Attributes that take far more memory as values than as text.
    let heavy = format!("{}\n", event("heavy"))
        .replace("\"1\"", &format!("1,\"attributes\":[{}0]", "0,".repeat(30_000)));
    let (_, results) = attacked
        .send(
            &gzip(heavy.repeat(500).as_bytes()).await,
            "content-encoding: gzip\r\n",
        )
        .await;
    assert_eq!(results.len(), 500);
    assert!(
        results
            .iter()
            .all(|result| result["field"] == json!(["data", "attributes"])),
        "{}",
        results[0]
    );
    attacked.assert_small();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_holds_up_itself_and_nothing_else() {
    let attacked = attacked().await;
    let count = 200_000;
    let stream = attacked.sent("x\n".repeat(count).as_bytes(), "").await;
    // It goes on until what was not read fills the buffers of the connection, and then waits.
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    let stopped = async {
        let mut before = 0;
        loop {
            ticks.tick().await;
            let now = attacked.rejected().await;
            if now > 0 && now == before {
                return now;
            }
            before = now;
        }
    };
    let stopped = within("a stop", stopped).await;
    assert!(stopped < count as u64, "all of {count} lines were taken in");
    attacked.assert_small();
    let (_, results) = whole(stream).await;
    assert_eq!(results.len(), count);
    assert_eq!(results[count - 1]["line"], count);
}
