//! Delivering webhooks: the process that has the lease takes what is due, and sends so many at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use canopy_domain::Domain;
use canopy_domain::entity::WebhookEndpointId;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, info_span};

use super::{Worker, leadership::Leadership};
use crate::{config::Config, webhooks::Courier};

/// So many messages are on their way to one endpoint before it gets no more: one that is slow must not take all places.
const TO_ONE_ENDPOINT: usize = 2;
/// How often messages are looked for that ended long ago, and how many are forgotten at once.
const FORGET_EVERY: Duration = Duration::from_mins(10);
const FORGOTTEN_AT_ONCE: u64 = 1_000;

/// How many messages are on their way, by endpoint.
#[derive(Clone, Default)]
struct OnTheirWay(Arc<Mutex<HashMap<WebhookEndpointId, usize>>>);

impl OnTheirWay {
    fn add(&self, endpoint: &WebhookEndpointId) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(endpoint.clone()).or_default() += 1;
    }

    fn remove(&self, endpoint: &WebhookEndpointId) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(endpoint) {
            *count -= 1;
            if *count == 0 {
                counts.remove(endpoint);
            }
        }
    }

    /// The endpoints that get no more for now.
    fn busy(&self) -> Vec<WebhookEndpointId> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = counts.iter().filter(|(_, count)| **count >= TO_ONE_ENDPOINT);
        busy.map(|(endpoint, _)| endpoint.clone()).collect()
    }
}

/// Starts the loops. What is on its way when they are to stop is waited for.
pub(crate) fn start(
    domain: &Domain,
    config: &Config,
    courier: Courier,
    leadership: &Leadership,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) {
    let permits = Arc::new(Semaphore::new(config.webhooks.concurrency));
    let on_their_way = OnTheirWay::default();
    let sending = Worker {
        name: "webhooks",
        interval: config.webhooks.interval.get(),
        max_backoff: config.workers.max_backoff.get(),
    };
    let (round_domain, round_tasks, leads) = (domain.clone(), tasks.clone(), leadership.clone());
    let round = move || {
        let (domain, tasks, courier) = (round_domain.clone(), round_tasks.clone(), courier.clone());
        let (permits, on_their_way, leads) = (Arc::clone(&permits), on_their_way.clone(), leads.clone());
        async move {
            let free = permits.available_permits();
            if free == 0 || !leads.is_ours() {
                return Ok((0, false));
            }
            let limit = u64::try_from(free).unwrap_or(u64::MAX);
            let messages = domain
                .take_messages(limit, courier.lease(), &on_their_way.busy())
                .await?;
            let count = u64::try_from(messages.len()).unwrap_or(u64::MAX);
            for message in messages {
                // Nobody else takes permits, and there were as many.
                let permit = Arc::clone(&permits).acquire_owned().await;
                let (domain, courier, on_their_way) = (domain.clone(), courier.clone(), on_their_way.clone());
                on_their_way.add(&message.endpoint_id);
                tasks.spawn(async move {
                    courier.deliver(&domain, &message).await;
                    on_their_way.remove(&message.endpoint_id);
                    drop(permit);
                });
            }
            Ok((count, count > 0))
        }
    };
    let never = std::future::pending::<()>;
    tasks.spawn(
        sending
            .run(round, never, stop.clone())
            .instrument(info_span!("worker", name = "webhooks")),
    );

    let forgetting = Worker {
        name: "webhook-log",
        interval: FORGET_EVERY,
        max_backoff: config.workers.max_backoff.get(),
    };
    let (domain, leads) = (domain.clone(), leadership.clone());
    let round = move || {
        let (domain, leads) = (domain.clone(), leads.clone());
        async move {
            if !leads.is_ours() {
                return Ok((0, false));
            }
            let forgotten = domain.forget_messages(FORGOTTEN_AT_ONCE).await?;
            Ok((forgotten, forgotten == FORGOTTEN_AT_ONCE))
        }
    };
    tasks.spawn(
        forgetting
            .run(round, never, stop.clone())
            .instrument(info_span!("worker", name = "webhook-log")),
    );
}
