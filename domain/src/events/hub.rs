//! Telling the streams of this process what was published, and the relay that something was written. Holds nothing
//! for a slow listener: it is told that it missed something and reads the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use canopy_entity::AccountPath;
use tokio::sync::{Mutex, Notify, broadcast, watch};

use super::rights::{Changes, RightsChange, RightsVersions};
use super::{RuleNews, UsageAlertUpdate, UsageUpdate};

/// How many messages wait for the slowest listener.
const WAITING: usize = 4096;

/// A published row of the outbox.
#[derive(Debug)]
pub(super) struct Published {
    /// The first position behind what was told before: those up to its own are nobody's.
    pub(super) first: i64,
    pub(super) position: i64,
    pub(super) path: AccountPath,
    pub(super) told: Told,
}

/// What a row tells.
#[derive(Debug)]
pub(super) enum Told {
    Usage(Arc<UsageUpdate>),
    Alert(Arc<UsageAlertUpdate>),
    Rule(Arc<RuleNews>),
    Rights(RightsChange),
    Plans,
    /// Something that this version of Canopy does not know.
    Else,
}

/// Who is told when the relay has published.
pub struct Hub {
    published: broadcast::Sender<Arc<Published>>,
    written: Notify,
    rights: watch::Sender<Changes>,
    /// How often a plan has changed, or which rule is live somewhere.
    terms: AtomicU64,
    /// The last position that was told; held while the next ones are told, so that they are told in order.
    pub(super) told: Mutex<Option<i64>>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            published: broadcast::Sender::new(WAITING),
            written: Notify::new(),
            rights: watch::Sender::new(Changes::default()),
            terms: AtomicU64::new(0),
            told: Mutex::new(None),
        }
    }

    /// Wakes the relay: a transaction with news was committed.
    pub(crate) fn written(&self) {
        self.written.notify_one();
    }

    /// Makes each stream of this process that a change of rights concerns look at once whether it may go on. To be
    /// called after its commit; other processes are told by the relay.
    pub(crate) fn rights_changed(&self, change: RightsChange) {
        self.rights.send_modify(|changes| changes.add(change));
        self.written();
    }

    /// Makes this process read plans and live rules again. To be called after the commit of a change; other processes
    /// are told by the relay.
    pub(crate) fn terms_changed(&self) {
        self.terms.fetch_add(1, Ordering::AcqRel);
        self.written();
    }

    /// Counts the changes of plans and live rules that this process knows of.
    pub(crate) fn terms_version(&self) -> u64 {
        self.terms.load(Ordering::Acquire)
    }

    pub(super) async fn outbox_written(&self) {
        self.written.notified().await;
    }

    pub(super) fn has_listeners(&self) -> bool {
        self.published.receiver_count() + self.rights.receiver_count() > 0
    }

    /// Whether there are streams. Others who listen need no more than the changes.
    pub(super) fn has_streams(&self) -> bool {
        self.published.receiver_count() > 0
    }

    /// A change of rights is told before what was published behind it.
    pub(super) fn tell(&self, published: Published) {
        match &published.told {
            Told::Rights(change) => self.rights.send_modify(|changes| changes.add(change.clone())),
            Told::Rule(news) if !news.concerns_live() => {}
            Told::Rule(_) | Told::Plans => {
                self.terms.fetch_add(1, Ordering::AcqRel);
            }
            Told::Usage(_) | Told::Alert(_) | Told::Else => {}
        }
        // Without listeners there is nobody to tell.
        let _ = self.published.send(Arc::new(published));
    }

    /// Nobody knows what has changed meanwhile: makes each stream look, and forgets what was remembered.
    pub(super) fn anything_may_have_changed(&self) {
        self.rights.send_modify(Changes::forget);
        self.terms.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<Published>> {
        self.published.subscribe()
    }

    pub(super) fn listen_to_rights(&self) -> watch::Receiver<Changes> {
        self.rights.subscribe()
    }

    /// For what is kept as long as rights stay as they are.
    pub(crate) fn rights_versions(&self) -> RightsVersions {
        RightsVersions::new(self.rights.subscribe())
    }

    /// How often rights have changed.
    pub(super) fn rights_version(&self) -> u64 {
        self.rights.borrow().version()
    }
}
