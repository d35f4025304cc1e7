//! NATS between the processes on one database, for speed and never for truth: what it carries is in the database, and a
//! process without it reads there.
//!
//! Whoever commits news wakes the process with the lease by a message of core NATS. That one gives positions, tells its
//! own streams, and publishes what it gave to a JetStream stream, from which the others tell theirs. A message that is
//! lost leaves a gap in the positions or is missed by the next look at the database, once in `nats.poll_interval`.

mod follow;
mod link;
mod publish;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::{self, stream};
use async_nats::{Client, connection::State};
use canopy_domain::Domain;
use futures_util::StreamExt;
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, info_span};

use crate::config::NatsConfig;
use crate::workers::Leadership;

pub use link::BusError;

/// How long JetStream, or the database, may take to answer.
const ANSWER: Duration = Duration::from_secs(3);
/// How long handing a message to the client may take; it has no room while it reconnects.
const HANDED: Duration = Duration::from_millis(100);
/// Within this time, a second publication of a position is dropped by the server.
const DUPLICATES: Duration = Duration::from_secs(120);

/// The way to the other processes; cheap to clone.
#[derive(Clone)]
pub(crate) struct Bus(Arc<Inner>);

struct Inner {
    client: Client,
    stream: stream::Config,
    domain: Domain,
    leadership: Leadership,
    /// How often there was a new connection, or an end of one.
    turns: watch::Receiver<u64>,
    /// Whether what others publish comes in.
    follows: AtomicBool,
    /// Something was given a position.
    given: Notify,
    poll: Duration,
}

/// Starts the bus, if one is configured. That NATS is not there is no error.
pub(crate) async fn start(
    domain: &Domain,
    config: &NatsConfig,
    leadership: &Leadership,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Result<Option<Bus>, BusError> {
    if config.url.is_empty() {
        return Ok(None);
    }
    let (client, turns) = link::open(config).await?;
    let bus = Bus(Arc::new(Inner {
        client,
        stream: stream_config(config),
        domain: domain.clone(),
        leadership: leadership.clone(),
        turns,
        follows: AtomicBool::new(false),
        given: Notify::new(),
        poll: config.poll_interval.get(),
    }));
    let span = || info_span!("nats");
    tasks.spawn(bus.clone().hear_calls(stop.clone()).instrument(span()));
    tasks.spawn(bus.clone().publish(stop.clone()).instrument(span()));
    tasks.spawn(bus.clone().follow(stop.clone()).instrument(span()));
    Ok(Some(bus))
}

fn stream_config(config: &NatsConfig) -> stream::Config {
    stream::Config {
        name: config.stream.clone(),
        description: Some("News of Canopy, as its database has it".to_owned()),
        subjects: vec![format!("{}.news.*", config.stream)],
        // Nothing in it is not in the database, too.
        storage: stream::StorageType::Memory,
        num_replicas: usize::from(config.replicas),
        max_age: config.max_age.get(),
        max_bytes: i64::try_from(config.max_bytes.bytes()).unwrap_or(i64::MAX),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        discard: stream::DiscardPolicy::Old,
        duplicate_window: DUPLICATES.min(config.max_age.get()),
        ..stream::Config::default()
    }
}

impl Bus {
    /// Whether what others publish comes in: the database need not be asked as often.
    pub(crate) fn follows(&self) -> bool {
        self.0.follows.load(Ordering::Acquire)
    }

    /// How often the database is looked at all the same.
    pub(crate) fn poll_interval(&self) -> Duration {
        self.0.poll
    }

    /// A word for the operator.
    pub(crate) fn state(&self) -> &'static str {
        match (self.is_connected(), self.follows()) {
            (false, _) => "disconnected",
            (true, false) => "connected",
            (true, true) => "following",
        }
    }

    /// This process has given positions.
    pub(crate) fn given(&self) {
        self.0.given.notify_one();
    }

    /// This process has committed news, and another gives the positions.
    pub(crate) async fn call_leader(&self) {
        self.call("wake").await;
    }

    /// The lease is free: others need not wait until it is over.
    pub(crate) async fn tell_of_free_lease(&self) {
        self.call("lease").await;
        // The process ends next.
        let _ = tokio::time::timeout(HANDED, self.0.client.flush()).await;
    }

    async fn call(&self, what: &str) {
        if !self.is_connected() {
            return;
        }
        let subject = self.subject(what);
        // Whoever is not reached looks by itself soon.
        let _ = tokio::time::timeout(HANDED, self.0.client.publish(subject, "".into())).await;
    }

    async fn hear_calls(self, stop: CancellationToken) {
        let client = &self.0.client;
        let heard = tokio::try_join!(
            client.subscribe(self.subject("wake")),
            client.subscribe(self.subject("lease")),
        );
        let Ok((mut wakes, mut leases)) = heard else {
            tracing::error!("cannot listen to the other processes: the client is closed");
            return;
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                call = wakes.next() => match call {
                    // Who does not lead must not pass it on: two of them would call each other for ever.
                    Some(_) if self.0.leadership.is_ours() => self.0.domain.wake_relay(),
                    Some(_) => {}
                    None => return,
                },
                call = leases.next() => match call {
                    Some(_) => self.0.leadership.look(),
                    None => return,
                },
            }
        }
    }

    fn subject(&self, what: &str) -> String {
        format!("{}.{what}", self.0.stream.name)
    }

    fn is_connected(&self) -> bool {
        self.0.client.connection_state() == State::Connected
    }

    fn jetstream(&self) -> jetstream::Context {
        jetstream::context::ContextBuilder::new()
            .timeout(ANSWER)
            .ack_timeout(ANSWER)
            .build(self.0.client.clone())
    }
}
