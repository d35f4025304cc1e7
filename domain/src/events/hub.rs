//! Telling the streams of this process what was published, and the relay that something was written. Holds nothing
//! for a slow listener: it is told that it missed something and reads the database.

use std::sync::Arc;

use canopy_entity::{AccountPath, rule_change, usage_event};
use tokio::sync::{Mutex, Notify, broadcast, watch};

use super::UsageUpdateKind;

/// How many messages wait for the slowest listener.
const WAITING: usize = 1024;

/// A published row of the outbox.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) position: i64,
    pub(super) path: AccountPath,
    pub(super) told: Told,
}

/// What a row tells.
#[derive(Debug)]
pub(super) enum Told {
    Usage(UsageUpdateKind, usage_event::Model),
    Rule(rule_change::Model),
    /// Something that this version of Canopy does not know.
    Else,
}

/// Who is told when the relay has published.
pub struct Hub {
    published: broadcast::Sender<Arc<Published>>,
    written: Notify,
    rights: watch::Sender<()>,
    /// The last position that was told; held while the next ones are told, so that they are told in order.
    pub(super) told: Mutex<Option<i64>>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            published: broadcast::Sender::new(WAITING),
            written: Notify::new(),
            rights: watch::Sender::new(()),
            told: Mutex::new(None),
        }
    }

    /// Wakes the relay: a transaction with news was committed.
    pub(crate) fn written(&self) {
        self.written.notify_one();
    }

    /// Makes each stream of this process look at once whether it may go on. To be called after a commit that takes a
    /// right away: a key or membership revoked, a level lowered, an account closed.
    pub(crate) fn rights_changed(&self) {
        self.rights.send_replace(());
    }

    pub(super) async fn outbox_written(&self) {
        self.written.notified().await;
    }

    pub(super) fn has_listeners(&self) -> bool {
        self.published.receiver_count() > 0
    }

    pub(super) fn tell(&self, published: Published) {
        // Without listeners there is nobody to tell.
        let _ = self.published.send(Arc::new(published));
    }

    pub(super) fn listen(&self) -> (broadcast::Receiver<Arc<Published>>, watch::Receiver<()>) {
        (self.published.subscribe(), self.rights.subscribe())
    }

    pub(super) fn listen_to_rights(&self) -> watch::Receiver<()> {
        self.rights.subscribe()
    }
}
