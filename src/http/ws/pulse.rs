//! The clock of the heartbeats of one socket, and when its client was last heard of.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::config::SubscriptionsConfig;

/// How many heartbeats may pass without a sign of life from the client.
const SILENT_BEATS: u32 = 3;

pub(super) struct Pulse {
    patience: Duration,
    beats: Interval,
    last_sign: Instant,
}

impl Pulse {
    pub(super) fn new(bounds: &SubscriptionsConfig) -> Self {
        let mut beats = interval_at(Instant::now() + beat(bounds), beat(bounds));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            patience: patience(bounds),
            beats,
            last_sign: Instant::now(),
        }
    }

    /// Waits for the next heartbeat.
    pub(super) async fn beat(&mut self) {
        self.beats.tick().await;
    }

    /// The client was heard of.
    pub(super) fn heard(&mut self) {
        self.last_sign = Instant::now();
    }

    /// Whether the client was not heard of for too long.
    pub(super) fn is_silent(&self) -> bool {
        self.last_sign.elapsed() > self.patience
    }
}

/// How long a client may be silent, or take nothing.
pub(super) fn patience(bounds: &SubscriptionsConfig) -> Duration {
    beat(bounds) * SILENT_BEATS
}

/// The time between two heartbeats.
fn beat(bounds: &SubscriptionsConfig) -> Duration {
    bounds.heartbeat.get().max(Duration::from_millis(10))
}
