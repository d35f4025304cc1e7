//! Reads that many resolvers want at once, gathered and made together.
//!
//! Resolvers ask for one parent each. The keys are gathered while the request's future runs; when every
//! resolver has gone as far as it can, all gathered reads are made at once, as one round ([`drive`]). There
//! is no timer. The next round starts when the last one is over, so the number of statements depends on the
//! shape of a query only. Nothing is kept: what was read once is read again if it is asked for again in a
//! later round, so that a mutation never sees an old answer. This module does not know what a read is about;
//! [`reads`] does.

pub(crate) mod drive;
pub(crate) mod reads;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use canopy_domain::Result;
use futures_util::future::BoxFuture;
use tracing::{Instrument, debug_span};

/// A read that can be made for many parents at once. Two equal reads are gathered together, so a value of
/// this type holds all arguments of the read but its parents.
pub(crate) trait Read<C>: PartialEq + Send + Sync + 'static {
    /// What it reads for.
    type Parent: Send + 'static;
    /// What tells one parent from another.
    type Key: Clone + Eq + Hash + Send + 'static;
    /// What it reads for one parent.
    type Value: Clone + Send + 'static;

    /// The parent's key.
    fn key(parent: &Self::Parent) -> Self::Key;

    /// Reads for all `parents`, which are distinct. A parent may be missing from the answer.
    fn read(
        self: Box<Self>,
        reader: C,
        parents: Vec<Self::Parent>,
    ) -> BoxFuture<'static, Result<HashMap<Self::Key, Self::Value>>>;
}

/// The reads of one request. `C` is what they are made with.
pub(crate) struct Loaders<C>(Arc<Inner<C>>);

struct Inner<C> {
    reader: C,
    gathered: Mutex<Vec<Box<dyn Gathered<C>>>>,
}

impl<C> Clone for Loaders<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: Clone + Send + Sync + 'static> Loaders<C> {
    /// Loaders that read with `reader`.
    pub(crate) fn new(reader: C) -> Self {
        Self(Arc::new(Inner {
            reader,
            gathered: Mutex::new(Vec::new()),
        }))
    }

    /// What `read` says about `parent`, together with all others that ask the same before the next round.
    pub(crate) async fn load<R: Read<C>>(&self, read: R, parent: R::Parent) -> Result<Option<R::Value>> {
        let key = R::key(&parent);
        let answer = self.gather(read, parent, key.clone());
        let mut place = None;
        poll_fn(move |context| answer.poll(&key, &mut place, context)).await
    }

    fn gather<R: Read<C>>(&self, read: R, parent: R::Parent, key: R::Key) -> Arc<Answer<R::Key, R::Value>> {
        let mut gathered = lock(&self.0.gathered);
        let same = gathered
            .iter_mut()
            .filter_map(|other| other.as_any().downcast_mut::<Batch<C, R>>())
            .find(|batch| *batch.read == read);
        if let Some(batch) = same {
            batch.add(parent, key);
            return batch.answer.clone();
        }
        let mut batch = Batch::<C, R> {
            read: Box::new(read),
            parents: Vec::new(),
            answer: Arc::default(),
        };
        batch.add(parent, key);
        let answer = batch.answer.clone();
        gathered.push(Box::new(batch));
        answer
    }

    /// Takes what was gathered and makes a round of it; none if nothing was.
    fn round(&self) -> Option<BoxFuture<'static, Vec<Delivery>>> {
        let gathered = std::mem::take(&mut *lock(&self.0.gathered));
        if gathered.is_empty() {
            return None;
        }
        let reader = &self.0.reader;
        let reads = gathered.into_iter().map(|batch| batch.start(reader.clone()));
        Some(Box::pin(futures_util::future::join_all(reads)))
    }
}

/// Hands an answer to those that wait for it.
type Delivery = Box<dyn FnOnce() + Send>;

/// A batch of any type of read.
trait Gathered<C>: Send {
    fn as_any(&mut self) -> &mut dyn Any;
    fn start(self: Box<Self>, reader: C) -> BoxFuture<'static, Delivery>;
}

/// All parents for which one read is wanted.
struct Batch<C, R: Read<C>> {
    read: Box<R>,
    parents: Vec<R::Parent>,
    answer: Arc<Answer<R::Key, R::Value>>,
}

impl<C, R: Read<C>> Batch<C, R> {
    fn add(&mut self, parent: R::Parent, key: R::Key) {
        let mut state = lock(&self.answer.0);
        let waiting = state.waiting.entry(key).or_insert(0);
        *waiting += 1;
        if *waiting == 1 {
            self.parents.push(parent);
        }
    }
}

impl<C: Send + Sync + 'static, R: Read<C>> Gathered<C> for Batch<C, R> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn start(self: Box<Self>, reader: C) -> BoxFuture<'static, Delivery> {
        let Self {
            read,
            parents,
            answer,
        } = *self;
        let span = debug_span!(
            "read",
            otel.name = format!("read {}", name_of::<R>()),
            parents = parents.len()
        );
        let read = async move {
            let values = read.read(reader, parents).await;
            Box::new(move || answer.deliver(values)) as Delivery
        };
        Box::pin(read.instrument(span))
    }
}

/// The name of a type, without its path.
fn name_of<T>() -> &'static str {
    let path = std::any::type_name::<T>();
    path.rsplit("::").next().unwrap_or(path)
}

/// The answer of one batch, before and after it is there.
struct Answer<K, V>(Mutex<State<K, V>>);

struct State<K, V> {
    values: Option<Result<HashMap<K, V>>>,
    waiting: HashMap<K, usize>,
    wakers: Vec<Waker>,
}

impl<K, V> Default for Answer<K, V> {
    fn default() -> Self {
        Self(Mutex::new(State {
            values: None,
            waiting: HashMap::new(),
            wakers: Vec::new(),
        }))
    }
}

impl<K: Eq + Hash, V: Clone> Answer<K, V> {
    fn deliver(&self, values: Result<HashMap<K, V>>) {
        let mut state = lock(&self.0);
        state.values = Some(values);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// `place` is where the one who polls keeps its place among the wakers.
    fn poll(&self, key: &K, place: &mut Option<usize>, context: &Context<'_>) -> Poll<Result<Option<V>>> {
        let mut state = lock(&self.0);
        let State {
            values,
            waiting,
            wakers,
        } = &mut *state;
        match (values, *place) {
            (Some(Ok(values)), _) => Poll::Ready(Ok(take(values, waiting, key))),
            (Some(Err(error)), _) => Poll::Ready(Err(error.clone())),
            (None, Some(place)) => {
                wakers[place].clone_from(context.waker());
                Poll::Pending
            }
            (None, None) => {
                *place = Some(wakers.len());
                wakers.push(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The value itself for the last one that waits for it, a copy for the others.
fn take<K: Eq + Hash, V: Clone>(
    values: &mut HashMap<K, V>,
    waiting: &mut HashMap<K, usize>,
    key: &K,
) -> Option<V> {
    match waiting.get_mut(key) {
        Some(others) if *others > 1 => {
            *others -= 1;
            values.get(key).cloned()
        }
        _ => values.remove(key),
    }
}

/// Locks; what is behind these locks is whole even if somebody panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
