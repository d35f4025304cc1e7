//! What other tenants notice of a storm: the latency of one tenant's usage over HTTP, alone and while another uploads
//! hostile rules, which end by their structure, in the compiler, or in the calls of the contract's checks. Figures, no verdict: the machine decides as much as the code.
//!
//! `cargo bench --bench hostile`; CANOPY_BENCH_SECONDS says how long each phase lasts (10).

#![expect(clippy::unwrap_used, reason = "a benchmark may stop at the first surprise")]

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use canopy_domain::entity::rule_version::RuleKind;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

#[expect(dead_code, reason = "the names and kinds are for the tests")]
#[path = "../tests/it/hostile/generated.rs"]
mod generated;
#[expect(dead_code, reason = "the other rules are for the tests")]
#[path = "../tests/it/app/rules.rs"]
mod rules;

const RECORD: &str = "mutation ($input: RecordUsageInput!) {
  recordUsage(input: $input) { results { status } userErrors { code message } }
}";
const UPLOAD: &str = "mutation ($input: UploadRuleInput!) {
  uploadRule(input: $input) { ruleVersion { id } userErrors { code message } }
}";

/// Requests of the tenant that is measured, each second.
const RATE: u32 = 40;

/// Uploads of the other tenant at once.
const UPLOADS: usize = 4;

struct Server {
    _child: Child,
    demo: Value,
    http: reqwest::Client,
}

impl Server {
    async fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_canopy"))
            .args(["demo", "--json", "--port", "0"])
            .env("CANOPY__RULES__CACHE_DIR", "none")
            .env("CANOPY__LOG__FILTER", "error")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .next_line()
            .await
            .unwrap()
            .expect("the demo says where it is");
        Self {
            _child: child,
            demo: serde_json::from_str(&line).unwrap(),
            http: canopy::tls::client_builder().build().unwrap(),
        }
    }

    async fn post(&self, token: &str, document: &str, input: Value) -> Value {
        let token = self.demo["tokens"][token].as_str().expect("a token of the demo");
        let request = self
            .http
            .post(self.demo["url"].as_str().unwrap())
            .bearer_auth(token)
            .json(&json!({"query": document, "variables": {"input": input}}));
        request.send().await.unwrap().json().await.unwrap()
    }

    /// One event of the tenant that is measured.
    async fn record(&self, key: &str) {
        let event = json!({"idempotencyKey": key, "meter": "call_minutes", "quantity": "1"});
        let input = json!({"accountId": self.demo["accounts"]["bolna"], "events": [event]});
        let answer = self.post("bolna.owner", RECORD, input).await;
        let status = &answer["data"]["recordUsage"]["results"][0]["status"];
        assert_eq!(status, "ACCEPTED", "{answer:#}");
    }

    async fn upload(&self, wasm: &[u8]) {
        let input = json!({
            "accountId": self.demo["accounts"]["itellico"], "kind": "PRICING", "name": "hostile",
            "source": {"wasm": BASE64.encode(wasm)}, "configuration": {},
        });
        let answer = self.post("itellico.owner", UPLOAD, input).await;
        // Refused, told to wait, or stopped with the request: anything but accepted.
        let version = &answer["data"]["uploadRule"]["ruleVersion"];
        assert!(version.is_null(), "{answer:#}");
    }
}

/// Latencies at a steady rate: a request begins when it is due, however long those before it take.
async fn measure(server: &Arc<Server>, phase: &str, length: Duration) -> Vec<Duration> {
    let mut clock = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut requests = Vec::new();
    for number in 0..RATE * length.as_secs() as u32 {
        let due = clock.tick().await;
        let (server, key) = (Arc::clone(server), format!("{phase}-{number}"));
        requests.push(tokio::spawn(async move {
            server.record(&key).await;
            due.elapsed()
        }));
    }
    let mut latencies = Vec::new();
    for request in requests {
        latencies.push(request.await.unwrap());
    }
    latencies.sort_unstable();
    latencies
}

/// Uploads one hostile thing after the other, from several connections, until it is told to stop.
async fn storm(server: &Arc<Server>, uploads: Arc<Vec<Vec<u8>>>, stop: Arc<AtomicBool>) -> u64 {
    let done = Arc::new(AtomicU64::new(0));
    let tasks = (0..UPLOADS).map(|first| {
        let (server, uploads) = (Arc::clone(server), Arc::clone(&uploads));
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
        tokio::spawn(async move {
            for wasm in uploads.iter().cycle().skip(first * uploads.len() / UPLOADS) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                server.upload(wasm).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    done.load(Ordering::Relaxed)
}

fn show(phase: &str, latencies: &[Duration]) -> Duration {
    let at = |percent: usize| latencies[(latencies.len() * percent / 100).min(latencies.len() - 1)];
    println!(
        "{phase:<28} p50 {:>10.2?}  p90 {:>10.2?}  p99 {:>10.2?}  longest {:>10.2?}",
        at(50),
        at(90),
        at(99),
        latencies[latencies.len() - 1]
    );
    at(99)
}

/// What is uploaded, by where it ends.
fn storms() -> [(&'static str, Vec<Vec<u8>>); 3] {
    // What no request may hold is left out.
    let of = |stage| {
        let uploads = generated::uploads().into_iter();
        let chosen = uploads.filter(|upload| upload.stage == stage && upload.wasm.len() < 1 << 20);
        chosen.map(|upload| upload.wasm).collect()
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/hostile");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let texts = files.filter(|path| path.extension().is_some_and(|extension| extension == "wat"));
    let texts = texts.map(|path| std::fs::read_to_string(path).unwrap());
    let calls = texts.filter(|text| text.lines().next().unwrap().ends_with(" at call"));
    let calls = calls.map(|text| rules::component(RuleKind::Pricing, &text));
    [
        ("refused by structure", of(generated::Stage::Structure)),
        ("ended in the compiler", of(generated::Stage::Compiler)),
        ("stopped in a call", calls.collect()),
    ]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let seconds = std::env::var("CANOPY_BENCH_SECONDS").map_or(10, |text| text.parse().unwrap());
    let length = Duration::from_secs(seconds);
    let server = Arc::new(Server::start().await);
    measure(&server, "warm", Duration::from_secs(2)).await;
    let alone = show("alone", &measure(&server, "alone", length).await);
    for (name, uploads) in storms() {
        let stop = Arc::new(AtomicBool::new(false));
        let storm = storm(&server, Arc::new(uploads), Arc::clone(&stop));
        let (uploads, beside) = tokio::join!(storm, async {
            let latencies = measure(&server, name, length).await;
            stop.store(true, Ordering::Relaxed);
            latencies
        });
        let p99 = show(name, &beside);
        let ratio = p99.as_secs_f64() / alone.as_secs_f64();
        println!("{:<28} {uploads} uploads, p99 is {ratio:.2} times that alone", "");
    }
}
