//! The relay of the outbox: the process that has the lease gives rows their positions; each tells its own streams.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use canopy_domain::{Domain, leases};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, info_span};

use super::{Worker, leadership::Leadership};
use crate::{bus::Bus, config::WorkersConfig};

/// A shorter lease would be lost to a busy moment.
const LEAST_LEASE: Duration = Duration::from_millis(300);

/// How long one round may take.
const LONGEST: Duration = Duration::from_secs(10);

/// When the outbox relay last finished a round well, and whether it has the lease.
#[derive(Clone)]
pub(crate) struct Pulse {
    last: Arc<Mutex<Instant>>,
    bound: Duration,
    leadership: Leadership,
    bus: Option<Bus>,
    /// When the database was asked last what others have published.
    asked: Arc<Mutex<Option<Instant>>>,
}

impl Pulse {
    fn beat(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether a round finished well not long ago.
    pub(crate) fn is_alive(&self) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.elapsed() < self.bound
    }

    /// Whether this process gives the positions.
    pub(crate) fn leads(&self) -> bool {
        self.leadership.is_ours()
    }

    /// How it stands with NATS, in a word for the operator.
    pub(crate) fn nats(&self) -> &'static str {
        self.bus.as_ref().map_or("off", Bus::state)
    }

    /// One round: gives positions if it is ours to do, and tells the streams of this process. Answers how many were given.
    async fn round(&self, domain: &Domain, batch: u64) -> canopy_domain::Result<u64> {
        let given = if self.leads() {
            let given = domain.relay_outbox(batch).await?;
            if let Some(bus) = self.bus.as_ref().filter(|_| given > 0) {
                bus.given();
            }
            given
        } else {
            if self.is_to_ask() {
                domain.tell_streams().await?;
                *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            0
        };
        self.beat();
        Ok(given)
    }

    /// Whether what others published has to be asked for: while NATS brings it, only now and then.
    fn is_to_ask(&self) -> bool {
        let Some(bus) = self.bus.as_ref().filter(|bus| bus.follows()) else {
            return true;
        };
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.is_none_or(|asked| asked.elapsed() >= bus.poll_interval())
    }

    /// Returns when there may be something to do. What this process has committed is another's to give a position.
    async fn woken(&self, domain: &Domain) {
        domain.outbox_written().await;
        if let Some(bus) = self.bus.as_ref().filter(|_| !self.leads()) {
            bus.call_leader().await;
        }
    }
}

/// The lease of those who give positions.
pub(crate) fn relay_lease(domain: &Domain, config: &WorkersConfig) -> Leadership {
    Leadership::new(domain, leases::RELAY, config.lease.get().max(LEAST_LEASE))
}

pub(super) fn start(
    domain: &Domain,
    config: &WorkersConfig,
    (leadership, bus): (Leadership, Option<Bus>),
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Pulse {
    let interval = config.outbox_interval.get();
    let pulse = Pulse {
        last: Arc::new(Mutex::new(Instant::now())),
        bound: interval * 4 + Duration::from_secs(5),
        leadership: leadership.clone(),
        bus: bus.clone(),
        asked: Arc::default(),
    };
    let following = leadership.follow(domain.clone(), stop.clone());
    let lease = async move {
        following.await;
        if let Some(bus) = bus {
            bus.tell_of_free_lease().await;
        }
    };
    tasks.spawn(lease.instrument(info_span!("worker", name = "lease")));
    let relay = Worker {
        name: "outbox",
        interval,
        max_backoff: config.max_backoff.get(),
    };
    let (round_domain, batch, beat) = (domain.clone(), u64::from(config.outbox_batch), pulse.clone());
    let round = move || {
        let (domain, pulse) = (round_domain.clone(), beat.clone());
        async move {
            // A database that does not answer is asked again, on another connection.
            let round = tokio::time::timeout(LONGEST, pulse.round(&domain, batch)).await;
            let count =
                round.unwrap_or_else(|_| Err(canopy_domain::Error::internal("the relay took too long")))?;
            Ok((count, count >= batch))
        }
    };
    let (wake_domain, waking) = (domain.clone(), pulse.clone());
    let wake = move || {
        let (domain, pulse) = (wake_domain.clone(), waking.clone());
        async move { pulse.woken(&domain).await }
    };
    tasks.spawn(
        relay
            .run(round, wake, stop.clone())
            .instrument(info_span!("worker", name = "outbox")),
    );
    pulse
}
