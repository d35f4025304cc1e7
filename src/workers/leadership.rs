//! Whether this process does what one process is enough for. It asks for the lease again and again, by its own clock
//! stops going by it before another may have it, and gives it up when it ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use canopy_domain::{Domain, leases::Standing};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A lease is asked for so many times in its time.
const ASKED: u32 = 3;

/// A lease as this process sees it.
#[derive(Clone)]
pub(crate) struct Leadership(Arc<Inner>);

struct Inner {
    name: &'static str,
    holder: String,
    time: Duration,
    /// Without leases each process leads.
    always: bool,
    until: Mutex<Option<Instant>>,
    look: Notify,
}

impl Leadership {
    /// The lease `name`, which nobody has yet.
    pub(super) fn new(domain: &Domain, name: &'static str, time: Duration) -> Self {
        let machine = std::env::var("HOSTNAME").unwrap_or_default();
        let machine: String = machine.chars().take(64).collect();
        let (process, random) = (std::process::id(), rand::random::<u64>());
        Self(Arc::new(Inner {
            name,
            holder: format!("{machine}:{process}:{random:016x}"),
            time,
            always: !domain.has_leases(),
            until: Mutex::new(None),
            look: Notify::new(),
        }))
    }

    /// Whether the lease is ours now.
    pub(crate) fn is_ours(&self) -> bool {
        self.0.always || self.until().is_some_and(|until| Instant::now() < until)
    }

    /// Looks at once whether the lease is free: somebody said so.
    pub(crate) fn look(&self) {
        self.0.look.notify_one();
    }

    fn until(&self) -> Option<Instant> {
        *self.0.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, until: Option<Instant>) {
        *self.0.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        metrics::gauge!("canopy_leader", "lease" => self.0.name).set(f64::from(u8::from(until.is_some())));
    }

    /// Asks for the lease until `stop`, then gives it up.
    pub(super) async fn follow(self, domain: Domain, stop: CancellationToken) {
        if self.0.always {
            self.set(Some(Instant::now()));
            return;
        }
        while !stop.is_cancelled() {
            let wait = self.ask(&domain).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.0.look.notified() => {}
            }
        }
        if self.until().is_some() {
            self.set(None);
            let given = tokio::time::timeout(self.0.time, domain.give_up_lease(self.0.name, &self.0.holder));
            match given.await {
                Ok(Ok(())) => info!(lease = self.0.name, "gave the lease up"),
                _ => warn!(
                    lease = self.0.name,
                    "could not give the lease up: others wait until it is over"
                ),
            }
        }
    }

    /// Asks once; answers when to ask again.
    async fn ask(&self, domain: &Domain) -> Duration {
        let (name, time) = (self.0.name, self.0.time);
        let pace = time / ASKED;
        // An answer that comes late is no good: the lease may be over.
        let asked = domain.take_lease(name, &self.0.holder, time);
        let had = self.until().is_some();
        match tokio::time::timeout(pace, asked).await {
            Ok(Ok(Standing::Ours { term, until })) => {
                self.set(Some(until));
                if !had {
                    info!(lease = name, term, "took the lease");
                    // What the one before left behind waits.
                    domain.wake_relay();
                }
                pace
            }
            Ok(Ok(Standing::Theirs { holder, left })) => {
                self.set(None);
                if had {
                    warn!(lease = name, holder, "lost the lease");
                }
                // A moment later than it may be over.
                pace.min(left + Duration::from_millis(5))
            }
            failed => {
                if had && !self.is_ours() {
                    self.set(None);
                    warn!(lease = name, cause = ?failed.err(), "the lease is over: it could not be renewed");
                }
                pace / 2
            }
        }
    }
}
