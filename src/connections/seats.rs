//! The places for connections, and who gives one up when they are all taken: whoever has not sent a request yet,
//! the oldest first; then whoever rests, the longest first. Nobody with a request under way.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hashlink::LinkedHashMap;
use tokio::sync::Notify;

/// A bounded number of places.
pub(super) struct Seats {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    last: u64,
    /// Without a request so far, in the order in which they came.
    fresh: LinkedHashMap<u64, Arc<Notify>>,
    /// Between two requests, in the order in which they began to rest.
    resting: LinkedHashMap<u64, Arc<Notify>>,
    /// Told to go, and not counted any more.
    displaced: HashSet<u64>,
}

/// A place, free again when it is dropped.
pub(super) struct Seat {
    id: u64,
    wanted: Arc<Notify>,
    seats: Arc<Seats>,
}

impl Seats {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a newcomer; none where all are taken by connections with a request under way.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let mut state = self.state();
        if state.taken >= self.most {
            let (id, wanted) = match state.fresh.pop_front() {
                Some(fresh) => fresh,
                None => state.resting.pop_front()?,
            };
            state.displaced.insert(id);
            state.taken -= 1;
            wanted.notify_one();
        }
        state.taken += 1;
        state.last += 1;
        let (id, wanted) = (state.last, Arc::new(Notify::new()));
        state.fresh.insert(id, Arc::clone(&wanted));
        metrics::gauge!("canopy_connections_open").increment(1.0);
        Some(Seat {
            id,
            wanted,
            seats: Arc::clone(self),
        })
    }
}

impl Seat {
    /// Waits until somebody else needs the place.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// A request has begun.
    pub(super) fn busy(&self) {
        let mut state = self.seats.state();
        state.fresh.remove(&self.id);
        state.resting.remove(&self.id);
    }

    /// It has ended.
    pub(super) fn rests(&self) {
        let mut state = self.seats.state();
        if !state.displaced.contains(&self.id) {
            state.resting.insert(self.id, Arc::clone(&self.wanted));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.seats.state();
        state.fresh.remove(&self.id);
        state.resting.remove(&self.id);
        if !state.displaced.remove(&self.id) {
            state.taken -= 1;
        }
        metrics::gauge!("canopy_connections_open").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_wanted(seat: &Seat) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::pin!(seat.wanted()).poll(&mut context).is_ready()
    }

    #[test]
    fn who_rests_makes_room_and_who_works_does_not() {
        let seats = Seats::new(3);
        let take = || seats.take().expect("there is room");
        let (first, second, third) = (take(), take(), take());
        first.busy();
        first.rests();
        second.busy();
        // The third has sent nothing yet; then the first rests; then nobody.
        let fourth = take();
        assert!(is_wanted(&third) && !is_wanted(&first));
        fourth.busy();
        let fifth = take();
        assert!(is_wanted(&first));
        fifth.busy();
        assert!(seats.take().is_none());
        // Those who were told to go do not give up another place when they do.
        drop((first, third));
        assert!(seats.take().is_none());
        drop(second);
        let sixth = take();
        assert!(!is_wanted(&sixth) && !is_wanted(&fourth) && !is_wanted(&fifth));
    }
}
