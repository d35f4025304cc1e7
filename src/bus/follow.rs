//! Hearing what another process published: from now on, and again from the then present end after each turn of the
//! connection, because a server that was restarted counts its messages from the beginning. What was missed in between is
//! read from the database.

use std::error::Error;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, push};
use async_nats::jetstream::message::Message;
use canopy_domain::events::Heard;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::publish::position;
use super::{ANSWER, Bus};

/// The first and the longest wait before it is tried again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

type Failure = Box<dyn Error + Send + Sync>;

impl Bus {
    /// Hears until `stop`.
    pub(super) async fn follow(self, stop: CancellationToken) {
        let mut turns = self.0.turns.clone();
        let mut wait = AGAIN.0;
        while !stop.is_cancelled() {
            turns.borrow_and_update();
            if self.is_connected() {
                let hearing = self.hear(&mut turns, &mut wait);
                let ended = stop.run_until_cancelled(hearing).await;
                if self.0.follows.swap(false, Ordering::AcqRel) {
                    info!("hearing no other process: the database is asked until NATS is back");
                }
                if let Some(Err(error)) = ended {
                    warn!(error, "cannot hear the other processes by NATS");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                _ = turns.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
            wait = AGAIN.1.min(wait * 2);
        }
    }

    /// Hears until the connection takes a turn, or something is wrong.
    async fn hear(&self, turns: &mut watch::Receiver<u64>, wait: &mut Duration) -> Result<(), Failure> {
        let stream = self
            .jetstream()
            .get_or_create_stream(self.0.stream.clone())
            .await?;
        let consumer = stream
            .create_consumer(push::OrderedConfig {
                deliver_subject: self.0.client.new_inbox(),
                deliver_policy: DeliverPolicy::New,
                ..push::OrderedConfig::default()
            })
            .await?;
        let mut messages = consumer.messages().await?;
        // What was published until now was said to nobody.
        soon(self.0.domain.tell_streams()).await?;
        self.0.follows.store(true, Ordering::Release);
        *wait = AGAIN.0;
        info!("hearing the other processes by NATS");
        loop {
            tokio::select! {
                _ = turns.changed() => return Ok(()),
                message = messages.next() => match message {
                    Some(message) => self.take(&message?).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    async fn take(&self, message: &Message) -> Result<(), Failure> {
        let Some(position) = message.headers.as_ref().and_then(position) else {
            debug!(subject = %message.subject, "a message that is not ours");
            return Ok(());
        };
        let heard = soon(self.0.domain.hear(position, &message.payload)).await?;
        let outcome = match heard {
            Heard::Told => "told",
            Heard::Known => "known",
            Heard::Read => "read",
        };
        metrics::counter!("canopy_nats_heard_total", "outcome" => outcome).increment(1);
        Ok(())
    }
}

/// A database that does not answer must not keep others from what was told last.
async fn soon<T>(telling: impl Future<Output = canopy_domain::Result<T>>) -> Result<T, Failure> {
    let told = tokio::time::timeout(ANSWER, telling).await;
    told.map_err(|_| "the database does not answer")?
        .map_err(|error| format!("{error:?}").into())
}
