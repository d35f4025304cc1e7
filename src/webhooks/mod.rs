//! Sends webhooks by HTTP, within bounds. What is to be sent, where it may go and what becomes of it is `domain::webhooks`'s
//! to say.

mod resolver;

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use canopy_domain::{
    Domain,
    entity::time,
    webhooks::{Attempt, MAX_RESPONSE, Message, Outcome, Reach, WebhookSettings},
};
use reqwest::{Client, Response, Url, redirect};
use tracing::warn;

use crate::{config::WebhooksConfig, tls};
use resolver::{NotPublic, PublicOnly};

/// What the domain goes by.
pub fn settings(config: &WebhooksConfig) -> WebhookSettings {
    WebhookSettings {
        reach: reach(config),
        retry_for: config.retry_for.get(),
        secret_overlap: config.secret_overlap.get(),
        keep: config.keep.get(),
    }
}

fn reach(config: &WebhooksConfig) -> Reach {
    Reach {
        http: config.allow_http,
        networks: config
            .allow_networks
            .iter()
            .map(|range| range.network())
            .collect(),
    }
}

/// Who takes messages to their endpoints.
#[derive(Clone)]
pub struct Courier {
    client: Client,
    reach: Arc<Reach>,
    timeout: Duration,
}

impl Courier {
    /// One that goes where the configuration lets it.
    pub fn new(config: &WebhooksConfig) -> reqwest::Result<Self> {
        let (reach, timeout) = (Arc::new(reach(config)), config.timeout.get());
        let client = tls::client_builder()
            // A redirect, a proxy or a connection that was opened for another address would lead past the resolver.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .dns_resolver(PublicOnly::new(Arc::clone(&reach)))
            .user_agent(concat!("canopy-webhooks/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .build()?;
        Ok(Self {
            client,
            reach,
            timeout,
        })
    }

    /// For how long whoever takes a message may have it: as long as a try lasts, and some time to say what became of it.
    pub fn lease(&self) -> Duration {
        self.timeout + Duration::from_secs(30)
    }

    /// Sends a message and says what became of it.
    pub async fn deliver(&self, domain: &Domain, message: &Message) -> Option<Outcome> {
        let attempt = self.attempt(message).await;
        metrics::histogram!("canopy_webhook_attempt_seconds").record(attempt.duration);
        match domain.note_attempt(message, attempt).await {
            Ok(outcome) => {
                metrics::counter!("canopy_webhook_attempts_total", "outcome" => outcome.as_str())
                    .increment(1);
                Some(outcome)
            }
            Err(cause) => {
                // It is due again when the lease is over.
                warn!(error = ?cause, message = %message.id, "a try to deliver a webhook could not be written down");
                None
            }
        }
    }

    async fn attempt(&self, message: &Message) -> Attempt {
        let (started_at, started) = (time::now(), Instant::now());
        let mut attempt = Attempt {
            started_at,
            duration: Duration::ZERO,
            status: None,
            error: None,
            response: Vec::new(),
        };
        match self.send(message).await {
            Ok(response) => {
                let status = response.status();
                attempt.status = Some(status.as_u16());
                attempt.error = (!status.is_success()).then(|| format!("The answer was {status}."));
                attempt.response = beginning(response).await;
            }
            Err(why) => attempt.error = Some(why),
        }
        attempt.duration = started.elapsed();
        attempt
    }

    /// The answer, or in a sentence for the endpoint's owner why there is none.
    async fn send(&self, message: &Message) -> Result<Response, String> {
        let url = Url::parse(&message.url).map_err(|_| "This is not a URL.".to_owned())?;
        if url.scheme() != "https" && !self.reach.http {
            return Err("Webhooks go by https.".to_owned());
        }
        // Nobody is asked for an address that is named already.
        self.reach.check_address(&url)?;
        let mut request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .body(message.body.clone());
        for (name, value) in message.headers() {
            request = request.header(name, value);
        }
        request.send().await.map_err(|error| sentence(&error))
    }
}

/// As much of an answer as is kept. What breaks off is kept as far as it came.
async fn beginning(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < MAX_RESPONSE {
        match response.chunk().await {
            Ok(Some(part)) => body.extend_from_slice(&part),
            Ok(None) | Err(_) => break,
        }
    }
    body.truncate(MAX_RESPONSE);
    body
}

/// Why there was no answer. It tells nothing of our own network.
fn sentence(error: &reqwest::Error) -> String {
    if caused_by::<NotPublic>(error) {
        return "The host has no address on the public Internet.".to_owned();
    }
    if let Some(why) = tls::distrust(error) {
        return format!("The certificate was not accepted: {why}.");
    }
    let what = match () {
        () if error.is_timeout() => "There was no answer in time.",
        () if error.is_connect() => "No connection could be made.",
        () => "The connection ended before the answer.",
    };
    what.to_owned()
}

fn caused_by<E: Error + 'static>(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<E>() {
            return true;
        }
        cause = error.source();
    }
    false
}
