//! Subscribers over server-sent events, who go on at another node behind their last cursor when a stream breaks off or is
//! silent, and keep a log of all that they were told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::Arena;

/// A stream that gives no sign of life for so long is left: nodes give one each second.
const SILENCE: Duration = Duration::from_secs(4);

const WATCH: &str = "subscription ($account: ID!, $below: Boolean!, $after: String) {
  usageUpdates(accountId: $account, includeDescendants: $below, after: $after) {
    cursor kind event { id }
  }
}";

/// One update, as it was told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) position: i64,
    pub(crate) recorded: bool,
    pub(crate) event: String,
}

pub(crate) struct Watcher {
    pub(crate) arena: Arc<Arena>,
    pub(crate) place: usize,
    pub(crate) below: bool,
    pub(crate) log: Mutex<Vec<Told>>,
    /// How often a stream was left for another.
    pub(crate) moves: Mutex<u64>,
}

impl Watcher {
    pub(crate) fn new(arena: &Arc<Arena>, place: usize, below: bool) -> Arc<Self> {
        Arc::new(Self {
            arena: Arc::clone(arena),
            place,
            below,
            log: Mutex::default(),
            moves: Mutex::default(),
        })
    }

    pub(crate) fn log(&self) -> Vec<Told> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many recorded events it was told of.
    pub(crate) fn recorded(&self) -> u64 {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().filter(|told| told.recorded).count() as u64
    }

    /// Watches from the very beginning until `stop`. An error is one that no stream may tell.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) -> Result<()> {
        let mut after = URL_SAFE_NO_PAD.encode("v1:0");
        let mut node = self.place;
        let mut pause = tokio::time::interval(Duration::from_millis(100));
        while !stop.is_cancelled() {
            pause.tick().await;
            node = (node + 1) % self.arena.nodes.len();
            match stop.run_until_cancelled(self.watch(node, &mut after)).await {
                Some(ended) => {
                    ended.with_context(|| format!("a stream of {}", self.arena.nodes[node].name))?
                }
                None => break,
            }
            *self.moves.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        Ok(())
    }

    /// One stream to its end.
    async fn watch(&self, node: usize, after: &mut String) -> Result<()> {
        let place = &self.arena.world.places[self.place];
        let variables = json!({"account": place.id, "below": self.below, "after": *after});
        let request = self
            .arena
            .streams
            .post(format!("{}/graphql/stream", self.arena.nodes[node].base))
            .bearer_auth(&place.key)
            .header("accept", "text/event-stream")
            .json(&json!({"query": WATCH, "variables": variables}));
        let Ok(Ok(answer)) = tokio::time::timeout(SILENCE, request.send()).await else {
            return Ok(());
        };
        if !answer.status().is_success() {
            return Ok(());
        }
        let (mut answer, mut text) = (answer, Vec::new());
        while let Ok(Ok(Some(chunk))) = tokio::time::timeout(SILENCE, answer.chunk()).await {
            text.extend_from_slice(&chunk);
            while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
                let message: Vec<u8> = text.drain(..end + 2).collect();
                if !self.read(&String::from_utf8_lossy(&message), after)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes in one message; false at the end of the stream.
    fn read(&self, message: &str, after: &mut String) -> Result<bool> {
        let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
        match field("event: ") {
            Some("next") => {}
            Some("complete") => return Ok(false),
            _ => return Ok(true),
        }
        let data: Value = serde_json::from_str(field("data: ").context("no data")?)?;
        if let Some(error) = data["errors"].get(0) {
            return match error["extensions"]["code"].as_str() {
                Some("RATE_LIMITED") if error["extensions"]["resumeFrom"].is_string() => {
                    *after = error["extensions"]["resumeFrom"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned();
                    Ok(false)
                }
                // The database was away.
                Some("INTERNAL" | "RATE_LIMITED" | "UNAVAILABLE") => Ok(false),
                _ => bail!("{data}"),
            };
        }
        let update = &data["data"]["usageUpdates"];
        let cursor = update["cursor"].as_str().context("an update without a cursor")?;
        let position = URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let position = position.as_deref().and_then(|text| text.strip_prefix("v1:"));
        let told = Told {
            position: position.context("a cursor of another kind")?.parse()?,
            recorded: update["kind"] == "RECORDED",
            event: update["event"]["id"]
                .as_str()
                .context("an update without an event")?
                .to_owned(),
        };
        *after = cursor.to_owned();
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        Ok(true)
    }
}
