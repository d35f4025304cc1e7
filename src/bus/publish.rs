//! Publishing what was given a position, by the process that has the lease. A second publication of a position, by a former
//! leader that was paused, is dropped by the server, and by whoever hears it.

use std::error::Error;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use canopy_domain::events::Bulletin;
use futures_util::future::try_join_all;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Bus;

/// How often the outbox is looked at though nobody said that there is something to publish.
const LOOK: Duration = Duration::from_secs(1);
/// So many rows are on their way at once.
const AT_ONCE: u64 = 200;
/// A new leader begins so many positions before the end, unless the stream has them.
const RECENT: i64 = 100;
/// Further behind than this, the rest is left to the database.
const FAR: i64 = 20_000;
/// What the headers of a message may take.
const HEADERS: usize = 1024;

type Failure = Box<dyn Error + Send + Sync>;

impl Bus {
    /// Publishes as long as this process has the lease, until `stop`.
    pub(super) async fn publish(self, stop: CancellationToken) {
        // The last position that is in the stream; none if that is to be looked up.
        let mut last = None;
        let mut failures = 0_u32;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.given.notified(), if failures == 0 => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            if !self.0.leadership.is_ours() || !self.is_connected() {
                last = None;
                continue;
            }
            match self.publish_behind(&mut last).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    last = None;
                    if failures == 0 {
                        warn!(error, "cannot publish to NATS: the others read the database");
                    }
                    failures += 1;
                }
            }
        }
    }

    async fn publish_behind(&self, last: &mut Option<i64>) -> Result<(), Failure> {
        let mut after = match *last {
            Some(after) => after,
            None => self.begin().await?,
        };
        while self.0.leadership.is_ours() {
            let bulletins = self.0.domain.bulletins(after, AT_ONCE).await.map_err(told)?;
            let Some(end) = bulletins.last().map(|bulletin| bulletin.position) else {
                break;
            };
            let count = bulletins.len() as u64;
            self.send(bulletins).await?;
            metrics::counter!("canopy_nats_published_total").increment(count);
            after = end;
            *last = Some(after);
        }
        *last = Some(after);
        Ok(())
    }

    /// Makes the stream as configured, and finds the position to go on behind.
    async fn begin(&self) -> Result<i64, Failure> {
        let jetstream = self.jetstream();
        let info = jetstream.create_or_update_stream(self.0.stream.clone()).await?;
        let end = self.0.domain.last_position().await.map_err(told)?;
        let mut after = end - RECENT;
        if info.state.messages > 0 {
            let stream = jetstream.get_stream_no_info(&self.0.stream.name).await?;
            let newest = stream.get_raw_message(info.state.last_sequence).await?;
            if let Some(position) = position(&newest.headers).filter(|position| *position <= end) {
                after = if end - position > FAR { after } else { position };
            }
        }
        info!(after, end, "publishing to NATS");
        Ok(after.max(0))
    }

    async fn send(&self, bulletins: Vec<Bulletin>) -> Result<(), Failure> {
        let jetstream = self.jetstream();
        let room = self.0.client.max_payload().saturating_sub(HEADERS);
        let mut acknowledged = Vec::with_capacity(bulletins.len());
        for bulletin in bulletins {
            let mut headers = HeaderMap::new();
            headers.insert(NATS_MESSAGE_ID, bulletin.position.to_string());
            // What is too large is said to be there, and read from the database.
            let body = Some(bulletin.body)
                .filter(|body| body.len() <= room)
                .unwrap_or_default();
            let subject = format!("{}.news.{}", self.0.stream.name, bulletin.topic);
            let sent = jetstream.publish_with_headers(subject, headers, body.into());
            acknowledged.push(sent.await?.into_future());
        }
        try_join_all(acknowledged).await?;
        Ok(())
    }
}

/// The position that a message is of.
pub(super) fn position(headers: &HeaderMap) -> Option<i64> {
    headers.get(NATS_MESSAGE_ID)?.as_str().parse().ok()
}

fn told(error: canopy_domain::Error) -> Failure {
    format!("{error:?}").into()
}
