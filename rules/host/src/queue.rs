//! Who waits for the compiler. Each owner has one turn at a time and a short queue, so
//! that the uploads of one wait for each other, and those of others pass by.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::error::RuleError;
use crate::host::locked;

/// Uploads of one owner that wait or are compiled.
const WAITING: usize = 8;

pub(crate) struct Queue {
    class: &'static str,
    /// Compilations at once.
    compilers: Semaphore,
    /// The owners who are here.
    owners: Mutex<HashMap<Box<str>, Line>>,
    longest: Duration,
}

/// A compiler, until it is dropped.
pub(crate) struct Place<'a> {
    _compiler: SemaphorePermit<'a>,
    _turn: Option<Turn<'a>>,
}

impl Queue {
    pub(crate) fn new(class: &'static str, at_once: usize, longest: Duration) -> Self {
        Self {
            class,
            compilers: Semaphore::new(at_once.max(1)),
            owners: Mutex::default(),
            longest,
        }
    }

    /// Waits for a compiler.
    pub(crate) async fn enter(&self, owner: Option<&str>) -> Result<Place<'_>, RuleError> {
        let waiting = metrics::gauge!("canopy_rule_compile_waiting", "class" => self.class);
        waiting.increment(1.0);
        let begin = Instant::now();
        let place = timeout(self.longest, self.place(owner)).await;
        waiting.decrement(1.0);
        metrics::histogram!("canopy_rule_compile_wait_seconds", "class" => self.class)
            .record(begin.elapsed());
        place.unwrap_or_else(|_| Err(RuleError::unavailable("too many rules are being compiled")))
    }

    async fn place(&self, owner: Option<&str>) -> Result<Place<'_>, RuleError> {
        let turn = match owner {
            Some(owner) => Some(Turn::take(self, owner).await?),
            None => None,
        };
        Ok(Place {
            _compiler: self.compilers.acquire().await.map_err(RuleError::unavailable)?,
            _turn: turn,
        })
    }
}

/// The queue of one owner.
struct Line {
    turn: Arc<Semaphore>,
    /// Those who have the turn or wait for it.
    here: usize,
}

/// The turn of an owner. It is given back before the owner leaves.
struct Turn<'a> {
    _permit: OwnedSemaphorePermit,
    _entry: Entry<'a>,
}

/// A place in the queue of an owner.
struct Entry<'a> {
    queue: &'a Queue,
    owner: Box<str>,
}

impl<'a> Turn<'a> {
    async fn take(queue: &'a Queue, owner: &str) -> Result<Self, RuleError> {
        let (entry, turn) = Entry::join(queue, owner)?;
        Ok(Self {
            _permit: turn.acquire_owned().await.map_err(RuleError::unavailable)?,
            _entry: entry,
        })
    }
}

impl<'a> Entry<'a> {
    fn join(queue: &'a Queue, owner: &str) -> Result<(Self, Arc<Semaphore>), RuleError> {
        let mut owners = locked(&queue.owners);
        let line = owners.entry(owner.into()).or_insert_with(|| Line {
            turn: Arc::new(Semaphore::new(1)),
            here: 0,
        });
        if line.here == WAITING {
            return Err(RuleError::Throttled {
                retry_after: queue.longest,
            });
        }
        line.here += 1;
        let entry = Self {
            queue,
            owner: owner.into(),
        };
        Ok((entry, Arc::clone(&line.turn)))
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut owners = locked(&self.queue.owners);
        if let Some(line) = owners.get_mut(&self.owner) {
            line.here -= 1;
            if line.here == 0 {
                owners.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn uploads_of_one_owner_wait_for_each_other_and_others_pass_by() {
        let queue = Queue::new("small", 2, Duration::from_secs(20));
        let first = queue.enter(Some("a")).await.unwrap();
        let second = queue.enter(Some("a"));
        tokio::pin!(second);
        assert!(timeout(Duration::from_secs(1), &mut second).await.is_err());
        let other = queue.enter(Some("b")).await.unwrap();
        drop(other);
        drop(first);
        drop(second.await.unwrap());
        assert!(locked(&queue.owners).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_of_an_owner_is_short() {
        let queue = Queue::new("small", 2, Duration::from_secs(20));
        let mut here = Vec::new();
        for _ in 0..WAITING {
            let mut entering = Box::pin(queue.place(Some("a")));
            let entered = timeout(Duration::ZERO, &mut entering).await;
            here.push((entered, entering));
        }
        let refused = queue.enter(Some("a")).await;
        assert!(matches!(refused, Err(RuleError::Throttled { .. })));
        queue.enter(Some("b")).await.unwrap();
        drop(here);
        queue.enter(Some("a")).await.unwrap();
        assert!(locked(&queue.owners).is_empty());
    }
}
