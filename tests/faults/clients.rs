//! Clients that record usage: each event under a key of its own, sent again to whichever node until there is an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::Arena;
use crate::draw::Draw;

/// How long one try may take: less than the longest faults, so that a try may be counted after it was given up.
const TRY: Duration = Duration::from_secs(2);
/// One in so many tries is given up after a moment, whatever becomes of it.
const IMPATIENT: u64 = 12;
/// A client that has no answer for so long has lost its service.
const PATIENCE: Duration = Duration::from_secs(120);

const METERS: [&str; 3] = ["minutes", "messages", "credits"];

const RECORD: &str = "mutation ($input: RecordUsageInput!) {
  recordUsage(input: $input) { results { status idempotencyKey userErrors { code message } } userErrors { code message } }
}";

/// An event, and what its client was told in the end.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// The place of its account.
    pub(crate) place: usize,
    pub(crate) meter: &'static str,
    pub(crate) quantity: u64,
    pub(crate) key: String,
    /// Whether it was counted; else there were no credits.
    pub(crate) counted: bool,
}

/// What all clients have done so far.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) answered: AtomicU64,
    pub(crate) tries: AtomicU64,
    pub(crate) replayed: AtomicU64,
    pub(crate) refused: AtomicU64,
}

pub(crate) struct Client {
    pub(crate) arena: Arc<Arena>,
    pub(crate) number: usize,
    pub(crate) draw: Draw,
    pub(crate) http: reqwest::Client,
}

impl Client {
    /// Records until `stop`, a batch each `pace`; answers with all that was answered.
    pub(crate) async fn run(mut self, pace: Duration, stop: CancellationToken) -> Result<Vec<Sent>> {
        let mut sent = Vec::new();
        let mut turns = tokio::time::interval(pace);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for batch in 0.. {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = turns.tick() => {}
            }
            let mut events = self.draw_batch(batch);
            let tried = self.send_until_answered(&events).await;
            let answer = tried.with_context(|| format!("client {}, batch {batch}", self.number))?;
            for (event, counted) in events.iter_mut().zip(answer) {
                event.counted = counted;
            }
            sent.append(&mut events);
            self.arena.tally.answered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(sent)
    }

    /// The accounts at which this client records, the one whose key it has first.
    fn places(&self) -> &'static [usize] {
        match self.number % 5 {
            0 => &[1, 3, 4, 5, 6, 7, 8],
            1 => &[3, 6, 7],
            2 => &[4, 8],
            3 => &[5],
            _ => &[2],
        }
    }

    fn draw_batch(&mut self, batch: u64) -> Vec<Sent> {
        let places = self.places();
        (0..=self.draw.below(5))
            .map(|event| Sent {
                place: places[self.draw.index(places.len())],
                meter: METERS[self.draw.index(METERS.len())],
                quantity: 1 + self.draw.below(9),
                key: format!("client-{}-{batch}-{event}", self.number),
                counted: false,
            })
            .collect()
    }

    async fn send_until_answered(&mut self, events: &[Sent]) -> Result<Vec<bool>> {
        let places = &self.arena.world.places;
        let own = &places[self.places()[0]];
        let list: Vec<Value> = events
            .iter()
            .map(|event| {
                json!({
                    "accountId": places[event.place].id,
                    "idempotencyKey": event.key,
                    "meter": event.meter,
                    "quantity": event.quantity.to_string(),
                })
            })
            .collect();
        let body = json!({"query": RECORD, "variables": {"input": {"accountId": own.id, "events": list}}});
        let since = Instant::now();
        let mut pause = tokio::time::interval(Duration::from_millis(50));
        loop {
            pause.tick().await;
            self.arena.tally.tries.fetch_add(1, Ordering::Relaxed);
            let patience = if self.draw.one_in(IMPATIENT) {
                self.draw.milliseconds(1, 60)
            } else {
                TRY
            };
            let node = &self.arena.nodes[self.draw.index(self.arena.nodes.len())];
            let request = self
                .http
                .post(format!("{}/graphql", node.base))
                .bearer_auth(&own.key);
            let why = match request.timeout(patience).json(&body).send().await {
                Ok(answer) => match answer.json::<Value>().await {
                    Ok(answer) => match self.read(&answer, events)? {
                        Some(counted) => return Ok(counted),
                        None => answer.to_string(),
                    },
                    Err(error) => error.to_string(),
                },
                Err(error) => error.to_string(),
            };
            if since.elapsed() > PATIENCE {
                bail!(
                    "no answer for {PATIENCE:?}; the last try, at {}: {why}",
                    node.name
                );
            }
        }
    }

    /// What became of each event; none if they have to be sent again; an error for an answer that may never come.
    fn read(&self, answer: &Value, events: &[Sent]) -> Result<Option<Vec<bool>>> {
        let payload = &answer["data"]["recordUsage"];
        let results = payload["results"].as_array();
        let Some(results) = results.filter(|results| results.len() == events.len()) else {
            return Ok(None);
        };
        let mut counted = Vec::with_capacity(events.len());
        for (result, event) in results.iter().zip(events) {
            if result["idempotencyKey"] != json!(event.key) {
                bail!("the answer is about another event than {event:?}: {result}");
            }
            let (status, code) = (&result["status"], &result["userErrors"][0]["code"]);
            let tally = &self.arena.tally;
            match (status.as_str(), code.as_str()) {
                (Some("ACCEPTED"), _) => counted.push(true),
                (Some("REPLAYED"), _) => {
                    tally.replayed.fetch_add(1, Ordering::Relaxed);
                    counted.push(true);
                }
                (Some("REJECTED"), Some("LIMIT_EXCEEDED")) => {
                    tally.refused.fetch_add(1, Ordering::Relaxed);
                    counted.push(false);
                }
                (Some("REJECTED"), Some("INTERNAL" | "RATE_LIMITED")) => return Ok(None),
                _ => bail!("{event:?} was answered {result}"),
            }
        }
        Ok(Some(counted))
    }
}
