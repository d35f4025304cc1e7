//! The servers that take turns: each a process of its own, watched through /proc.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Result;

const RECORD: &str = "mutation ($input: RecordUsageInput!) {
  recordUsage(input: $input) { results { status } userErrors { code message } }
}";

/// The events are this account's.
const ACCOUNT: &str = "itellico.acme";
/// Who subscribe, in turns: people of its reseller, and of the platform.
const CALLERS: [&str; 2] = ["itellico.owner", "platform.owner"];
/// Who records.
const RECORDER: &str = "itellico.owner";
/// Ticks of /proc/PID/stat in a second, on every Linux that matters.
const TICKS: u64 = 100;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// `canopy demo`: SQLite, credentials, rights, prices.
    Canopy,
    /// graphql-ws on ws: no credentials, no database.
    GraphqlWs,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Canopy => "Canopy",
            Self::GraphqlWs => "graphql-ws",
        }
    }
}

pub(crate) struct Server {
    child: Child,
    http: reqwest::Client,
    /// Where events are sent.
    url: String,
    /// Where subscribers connect.
    pub(crate) socket: String,
    /// What the demo told; nothing of the other server.
    demo: Value,
}

impl Server {
    pub(crate) async fn start(kind: Kind) -> Result<Self> {
        let http = canopy::tls::client_builder().build()?;
        let mut command = match kind {
            Kind::Canopy => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_canopy"));
                // What it is measured with are bounds on what one caller may do, not what a subscriber costs.
                command
                    .args(["demo", "--json", "--port", "0"])
                    .env("CANOPY__BUDGET__CAPACITY", "0")
                    .env("CANOPY__LOG__FILTER", "error");
                command
            }
            Kind::GraphqlWs => {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/fanout/peer");
                install(&folder).await?;
                let mut command = Command::new("node");
                command
                    .arg(folder.join("server.mjs"))
                    .env("NODE_ENV", "production");
                command
            }
        };
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let output = child.stdout.take().ok_or("the output is piped")?;
        let line = BufReader::new(output).lines().next_line().await?;
        let line = line.ok_or("the server ended before it was ready")?;
        let (url, socket, demo) = match kind {
            Kind::Canopy => {
                let demo: Value = serde_json::from_str(&line)?;
                let told = |name: &str| {
                    demo[name]
                        .as_str()
                        .map(str::to_owned)
                        .ok_or("the demo says where it is")
                };
                (told("url")?, told("wsUrl")?, demo)
            }
            Kind::GraphqlWs => (
                format!("http://127.0.0.1:{line}/publish"),
                format!("ws://127.0.0.1:{line}/graphql/ws"),
                Value::Null,
            ),
        };
        Ok(Self {
            child,
            http,
            url,
            socket,
            demo,
        })
    }

    /// The credentials of one subscriber, as the payload of `connection_init`.
    pub(crate) fn credentials(&self, number: usize) -> Value {
        match self.demo["tokens"][CALLERS[number % CALLERS.len()]].as_str() {
            Some(token) => json!({"authorization": format!("Bearer {token}")}),
            None => json!({}),
        }
    }

    /// The account that subscribers follow.
    pub(crate) fn account(&self) -> &str {
        self.demo["accounts"][ACCOUNT].as_str().unwrap_or("1")
    }

    /// Makes an event with this key; returns when the server has taken it.
    pub(crate) async fn publish(&self, key: String) -> Result<()> {
        let request = self.http.post(&self.url);
        let Some(token) = self.demo["tokens"][RECORDER].as_str() else {
            request.body(key).send().await?.error_for_status()?;
            return Ok(());
        };
        let event = json!({"idempotencyKey": key, "meter": "call_minutes", "quantity": "1"});
        let input = json!({"accountId": self.account(), "events": [event]});
        let body = json!({"query": RECORD, "variables": {"input": input}});
        let answer = request.bearer_auth(token).json(&body).send().await?;
        let answer: Value = answer.json().await?;
        match answer["data"]["recordUsage"]["results"][0]["status"].as_str() {
            Some("ACCEPTED") => Ok(()),
            _ => Err(format!("the event was not accepted: {answer}").into()),
        }
    }

    /// A file of this process in /proc.
    fn about(&self, file: &str) -> String {
        let id = self.child.id().unwrap_or_default();
        std::fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default()
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = self.about("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or(0)
    }

    /// Processor time of all threads so far.
    pub(crate) fn processor(&self) -> Duration {
        let stat = self.about("stat");
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum();
        Duration::from_millis(ticks * 1000 / TICKS)
    }
}

/// Installs the packages of the other server, once.
async fn install(folder: &Path) -> Result<()> {
    if folder.join("node_modules").is_dir() {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.arg("ci").current_dir(folder).stdout(Stdio::null());
    match npm.status().await?.success() {
        true => Ok(()),
        false => Err("`npm ci` failed in benches/fanout/peer".into()),
    }
}
