//! The loops beside the requests: relaying the outbox, rating what is pending. When, not what: that is the domain's.

mod leadership;
mod relay;
mod webhooks;

use std::time::Duration;

use canopy_domain::Domain;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, debug, error, info_span};

use crate::{
    bus::Bus,
    config::{Config, WorkersConfig},
    telemetry,
};

pub(crate) use leadership::Leadership;
pub(crate) use relay::{Pulse, relay_lease};
pub(crate) use webhooks::start as deliver_webhooks;

/// How often months are looked for that are to be closed, and of how many trees at once.
const CLOSING: Duration = Duration::from_secs(60);
const CLOSED_AT_ONCE: u64 = 100;

/// How often holds are looked for whose time has passed, and how many at once. What they hold is not charged any more from
/// that instant on; here it goes back.
const EXPIRING: Duration = Duration::from_secs(1);
const EXPIRED_AT_ONCE: u64 = 500;

/// How often histograms are trimmed.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Starts all workers. They end when `stop` is cancelled, each after the round that it is in.
pub(crate) fn start(
    domain: &Domain,
    config: &WorkersConfig,
    relaying: (Leadership, Option<Bus>),
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Pulse {
    let pulse = relay::start(domain, config, relaying, stop, tasks);
    let rating = Worker {
        name: "rating",
        interval: config.rating_interval.get(),
        max_backoff: config.max_backoff.get(),
    };

    let (rating_domain, batch) = (domain.clone(), u64::from(config.rating_batch));
    let rating_round = move || {
        let domain = rating_domain.clone();
        async move {
            let count = domain.rate_pending(batch).await?;
            Ok((count, count >= batch))
        }
    };
    let never = std::future::pending::<()>;
    tasks.spawn(
        rating
            .run(rating_round, never, stop.clone())
            .instrument(info_span!("worker", name = "rating")),
    );

    start_simulations(domain, config, stop, tasks);

    let stop = stop.clone();
    tasks.spawn(async move {
        while stop
            .run_until_cancelled(tokio::time::sleep(METRICS_UPKEEP))
            .await
            .is_some()
        {
            telemetry::metrics().run_upkeep();
        }
    });
    pulse
}

/// Starts the loop that fetches the keys of the other issuer, where its tokens are taken.
pub(crate) fn follow_token_keys(
    domain: &Domain,
    config: &Config,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) {
    if !config.auth.jwks.is_on() {
        return;
    }
    let worker = Worker {
        name: "token-keys",
        interval: config.auth.jwks.refresh.get(),
        max_backoff: config.workers.max_backoff.get(),
    };
    let domain = domain.clone();
    let round = move || {
        let domain = domain.clone();
        async move { domain.refresh_token_keys().await.map(|()| (1, false)) }
    };
    let never = std::future::pending::<()>;
    tasks.spawn(
        worker
            .run(round, never, stop.clone())
            .instrument(info_span!("worker", name = "token-keys")),
    );
}

/// Starts the loop that closes months, in the process that has the lease.
pub(crate) fn close_periods(
    domain: &Domain,
    config: &Config,
    leadership: Leadership,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) {
    let worker = Worker {
        name: "periods",
        interval: CLOSING,
        max_backoff: config.workers.max_backoff.get().max(CLOSING),
    };
    let (domain, after) = (domain.clone(), config.usage.close_after.get());
    let round = move || {
        let (domain, leadership) = (domain.clone(), leadership.clone());
        async move {
            if !leadership.is_ours() {
                return Ok((0, false));
            }
            let closed = domain.close_periods(after, CLOSED_AT_ONCE).await?;
            Ok((closed, closed >= CLOSED_AT_ONCE))
        }
    };
    let never = std::future::pending::<()>;
    tasks.spawn(
        worker
            .run(round, never, stop.clone())
            .instrument(info_span!("worker", name = "periods")),
    );
}

/// Starts the loop that gives back what is held past its time, in the process that has the lease.
pub(crate) fn expire_holds(
    domain: &Domain,
    config: &Config,
    leadership: Leadership,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) {
    let worker = Worker {
        name: "holds",
        interval: EXPIRING,
        max_backoff: config.workers.max_backoff.get().max(EXPIRING),
    };
    let domain = domain.clone();
    let round = move || {
        let (domain, leadership) = (domain.clone(), leadership.clone());
        async move {
            if !leadership.is_ours() {
                return Ok((0, false));
            }
            let expired = domain.expire_holds(EXPIRED_AT_ONCE).await?;
            Ok((expired, expired >= EXPIRED_AT_ONCE))
        }
    };
    let never = std::future::pending::<()>;
    tasks.spawn(
        worker
            .run(round, never, stop.clone())
            .instrument(info_span!("worker", name = "holds")),
    );
}

/// Starts the loop that lets shadows follow, and those that take dry runs of rules, each one at a time. One that is in the middle of a run when it is to
/// stop gives the run back.
fn start_simulations(domain: &Domain, config: &WorkersConfig, stop: &CancellationToken, tasks: &TaskTracker) {
    let process = rand::random::<u64>();
    let shadows = Worker {
        name: "shadow",
        interval: config.simulation_interval.get(),
        max_backoff: config.max_backoff.get(),
    };
    let (shadow_domain, holder) = (domain.clone(), format!("{process:016x}-shadow"));
    let shadow_round = move || {
        let (domain, holder) = (shadow_domain.clone(), holder.clone());
        async move {
            let looked = domain.follow_shadows(&holder).await?;
            Ok((looked, looked > 0))
        }
    };
    let never = std::future::pending::<()>;
    tasks.spawn(
        shadows
            .run(shadow_round, never, stop.clone())
            .instrument(info_span!("worker", name = "shadow")),
    );
    for number in 0..config.simulations {
        let worker = Worker {
            name: "simulation",
            interval: config.simulation_interval.get(),
            max_backoff: config.max_backoff.get(),
        };
        let holder = format!("{process:016x}-{number}");
        let (round_domain, round_stop) = (domain.clone(), stop.clone());
        let round = move || {
            let (domain, stop, holder) = (round_domain.clone(), round_stop.clone(), holder.clone());
            async move {
                match stop.run_until_cancelled(domain.run_simulation(&holder)).await {
                    Some(ran) => ran.map(|ran| (u64::from(ran), ran)),
                    None => domain.let_go_simulations(&holder).await.map(|()| (0, false)),
                }
            }
        };
        let wake_domain = domain.clone();
        let wake = move || {
            let domain = wake_domain.clone();
            async move { domain.simulation_waiting().await }
        };
        tasks.spawn(worker.run(round, wake, stop.clone()).instrument(info_span!(
            "worker",
            name = "simulation",
            number
        )));
    }
}

/// A loop: a round, a wait, again.
struct Worker {
    name: &'static str,
    interval: Duration,
    max_backoff: Duration,
}

impl Worker {
    /// A round answers how much it did and whether there is more at once.
    async fn run<Round, Rounding, Wake, Waking>(self, round: Round, wake: Wake, stop: CancellationToken)
    where
        Round: Fn() -> Rounding,
        Rounding: Future<Output = canopy_domain::Result<(u64, bool)>>,
        Wake: Fn() -> Waking,
        Waking: Future<Output = ()>,
    {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let wait = match round().await {
                Ok((count, more)) => {
                    failures = 0;
                    self.count("ok", count);
                    if more { Duration::ZERO } else { self.interval }
                }
                Err(cause) => {
                    failures += 1;
                    self.count("error", 0);
                    let wait = backoff(self.interval, failures, self.max_backoff);
                    error!(error = ?cause, failures, retry_ms = wait.as_millis(), "the round failed");
                    wait
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
                () = wake(), if failures == 0 => {}
            }
        }
        debug!("stopped");
    }

    fn count(&self, outcome: &'static str, items: u64) {
        metrics::counter!("canopy_worker_rounds_total", "worker" => self.name, "outcome" => outcome)
            .increment(1);
        if items > 0 {
            metrics::counter!("canopy_worker_items_total", "worker" => self.name).increment(items);
        }
    }
}

/// The wait after so many failures in a row: doubled each time, within the bound.
fn backoff(interval: Duration, failures: u32, bound: Duration) -> Duration {
    let floor = interval.max(Duration::from_millis(100));
    floor
        .saturating_mul(2_u32.saturating_pow(failures.min(20)))
        .min(bound.max(floor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound() {
        let second = Duration::from_secs(1);
        assert_eq!(backoff(second, 1, second * 30), second * 2);
        assert_eq!(backoff(second, 4, second * 30), second * 16);
        assert_eq!(backoff(second, 400, second * 30), second * 30);
        assert_eq!(backoff(Duration::ZERO, 1, second), Duration::from_millis(200));
    }
}
