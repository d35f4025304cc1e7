//! Group commit: requests put what they record into a queue, and a few transactions at a time take all that waits there.
//! Each request is answered when the transaction with its events is committed, and not before.
//!
//! There is a queue for each tree, so that the slow rules of one platform hold up no other. All queues together are
//! bounded in bytes; what does not fit is turned away at once. Transactions are made beside requests, on a thread of their
//! own where there is one ([`OwnThread`]).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use canopy_entity::{AccountId, usage_event};
use tokio::sync::oneshot;

use super::commit::Fate;
use super::keyed::Keyed;
use super::own_thread::OwnThread;
use super::recent_keys::RecentKeys;
use crate::{Domain, Error, Result};

/// So many transactions of one tree are on their way at once: one waits for the disk, one is written, and one is priced. More
/// of them would wait for the same accounts of the ledger.
const AT_ONCE: usize = 3;
/// Another one is begun once so many events wait, or half of what one may take: what waits a little longer shares the cost of
/// a transaction with more.
const WORTH_ANOTHER: usize = 250;
/// For so many batches after one with a key that was taken, and that nobody here knew of, all keys are looked up before
/// anything is priced: somebody sends again what another process recorded.
const RETRIES: u32 = 64;
/// What an event takes beside its texts, in bytes, about.
const EVENT: usize = 512;

/// Bounds of what is taken in.
#[derive(Debug, Clone, Copy)]
pub struct IntakeSettings {
    /// The most events that one transaction takes, unless a single request has more.
    pub batch: usize,
    /// The most that may wait for its transaction or be in one, in bytes.
    pub waiting: usize,
    /// Whether transactions are made on a thread of their own, and not on those that answer requests.
    pub own_thread: bool,
}

impl Default for IntakeSettings {
    fn default() -> Self {
        Self {
            batch: 2_000,
            waiting: 32 << 20,
            own_thread: false,
        }
    }
}

/// What waits to be recorded.
pub(crate) struct Intake {
    settings: IntakeSettings,
    own_thread: Option<OwnThread>,
    waiting: Mutex<Waiting>,
    /// What was recorded here lately.
    pub(super) recent_keys: RecentKeys,
    /// For how many batches more retries are expected of what was recorded elsewhere.
    retries: AtomicU32,
}

#[derive(Default)]
struct Waiting {
    trees: HashMap<AccountId, Tree>,
    /// Of those that wait and of those that are on their way.
    bytes: usize,
    requests: usize,
}

/// What waits in one tree, and how many transactions are on their way there.
#[derive(Default)]
struct Tree {
    jobs: VecDeque<Job>,
    /// Events of the jobs.
    events: usize,
    running: usize,
}

/// The events of one request, which are of one tree and have different keys.
struct Job {
    rows: Vec<Arc<usage_event::Model>>,
    bytes: usize,
    answer: oneshot::Sender<Result<Vec<Fate>>>,
}

impl Intake {
    pub(crate) fn new(settings: IntakeSettings) -> Result<Self> {
        Ok(Self {
            settings,
            own_thread: settings.own_thread.then(OwnThread::start).transpose()?,
            waiting: Mutex::default(),
            recent_keys: RecentKeys::new(),
            retries: AtomicU32::new(0),
        })
    }

    /// Whether the next batch may well have keys that were taken elsewhere, since one before it had.
    pub(super) fn expects_retries(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.retries
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    /// Says that a batch had a key that was taken elsewhere.
    pub(super) fn met_retry(&self) {
        self.retries.store(RETRIES, Ordering::Relaxed);
    }

    /// How many requests wait, or are on their way.
    #[cfg(test)]
    pub(super) fn requests(&self) -> usize {
        self.lock().requests
    }

    /// Sends somebody beside the request, whose client may leave in the middle.
    fn send(&self, sent: Sent) {
        match &self.own_thread {
            Some(thread) => thread.spawn(sent.work()),
            None => drop(tokio::spawn(sent.work())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job into the queue of its tree; true if somebody is to be sent for it.
    fn put(&self, root: &AccountId, job: Job) -> Result<bool> {
        let mut waiting = self.lock();
        if waiting.bytes > 0 && waiting.bytes + job.bytes > self.settings.waiting {
            return Err(Error::busy());
        }
        waiting.bytes += job.bytes;
        waiting.requests += 1;
        let tree = waiting.trees.entry(root.clone()).or_default();
        tree.events += job.rows.len();
        tree.jobs.push_back(job);
        let send = tree.running < AT_ONCE && (tree.running == 0 || self.settings.is_worth_another(tree));
        tree.running += usize::from(send);
        Ok(send)
    }

    /// Takes the next jobs of a tree, as many as fit into one transaction. Two with the same key do not: the later one,
    /// often a retry, waits for the next. None, and whoever was sent has left, if there are no more, or if what there is can
    /// wait for somebody else.
    fn take(&self, root: &AccountId) -> Option<Vec<Job>> {
        let mut waiting = self.lock();
        let tree = waiting.trees.get_mut(root)?;
        let others = tree.running > 1;
        if tree.jobs.is_empty() || (others && !self.settings.is_worth_another(tree)) {
            waiting.leave(root);
            return None;
        }
        let (mut taken, mut left): (Vec<Job>, VecDeque<Job>) = (Vec::new(), VecDeque::new());
        let mut events = 0;
        let mut keys: HashSet<Keyed> = HashSet::new();
        while let Some(next) = tree.jobs.pop_front() {
            let own = || next.rows.iter().map(|row| Keyed(Arc::clone(row)));
            if events > 0 && events + next.rows.len() > self.settings.batch {
                left.push_back(next);
                break;
            }
            if own().any(|row| keys.contains(&row)) {
                left.push_back(next);
                continue;
            }
            events += next.rows.len();
            keys.extend(own());
            taken.push(next);
        }
        left.append(&mut tree.jobs);
        tree.jobs = left;
        tree.events -= events;
        Some(taken)
    }

    fn done(&self, requests: usize, bytes: usize) {
        let mut waiting = self.lock();
        waiting.bytes -= bytes;
        waiting.requests -= requests;
    }
}

impl IntakeSettings {
    /// Whether so much waits in a tree that a transaction is begun beside one that is on its way.
    fn is_worth_another(&self, tree: &Tree) -> bool {
        tree.events >= WORTH_ANOTHER.min(self.batch / 2)
    }
}

impl Waiting {
    /// Somebody who was sent leaves a tree.
    fn leave(&mut self, root: &AccountId) {
        if let Some(tree) = self.trees.get_mut(root) {
            tree.running -= 1;
            if tree.running == 0 && tree.jobs.is_empty() {
                self.trees.remove(root);
            }
        }
    }
}

impl Domain {
    /// Records events of one tree together with what others record there; answers the fate of each, in order.
    pub(super) async fn take_in(&self, rows: Vec<Arc<usage_event::Model>>) -> Result<Vec<Fate>> {
        let Some(first) = rows.first() else {
            return Ok(Vec::new());
        };
        let root = first.path.root_id();
        let size = |row: &Arc<usage_event::Model>| EVENT + row.attributes.len() + row.idempotency_key.len();
        let (answer, answered) = oneshot::channel();
        let job = Job {
            bytes: rows.iter().map(size).sum(),
            rows,
            answer,
        };
        if self.0.intake.put(&root, job)? {
            self.0.intake.send(Sent {
                domain: self.clone(),
                root,
                has_left: false,
            });
        }
        let lost = |_| Error::internal("a batch of usage ended without an answer");
        answered.await.map_err(lost)?
    }

    /// Commits jobs together, or each by itself if something is wrong with one of them.
    async fn commit_jobs(&self, jobs: Vec<Job>) {
        let (requests, bytes) = (jobs.len(), jobs.iter().map(|job| job.bytes).sum());
        let rows: Vec<Arc<usage_event::Model>> =
            jobs.iter().flat_map(|job| job.rows.iter().cloned()).collect();
        metrics::histogram!("canopy_usage_batch_events").record(rows.len() as f64);
        match self.commit_usage(rows).await {
            Ok(fates) => {
                let mut fates = fates.into_iter();
                for job in jobs {
                    let own = fates.by_ref().take(job.rows.len()).collect();
                    // Nobody hears it if the client has left; the same key then gets the same answer.
                    let _ = job.answer.send(Ok(own));
                }
            }
            Err(_) if jobs.len() > 1 => {
                for job in jobs {
                    let _ = job.answer.send(self.commit_usage(job.rows).await);
                }
            }
            Err(error) => {
                for job in jobs {
                    let _ = job.answer.send(Err(error.clone()));
                }
            }
        }
        self.0.intake.done(requests, bytes);
    }
}

/// Somebody who was sent to commit what waits in a tree.
struct Sent {
    domain: Domain,
    root: AccountId,
    has_left: bool,
}

impl Sent {
    async fn work(mut self) {
        while let Some(jobs) = self.domain.0.intake.take(&self.root) {
            self.domain.commit_jobs(jobs).await;
        }
        self.has_left = true;
    }
}

impl Drop for Sent {
    /// After a panic, which must not leave a tree without anybody.
    fn drop(&mut self) {
        if !self.has_left {
            self.domain.0.intake.lock().leave(&self.root);
        }
    }
}
