//! Which keys were recorded lately, as a guess: a retry mostly comes soon, and to whoever was asked first. The guess says
//! what to look up before a batch is priced; the database says what is so.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

use canopy_entity::usage_event;

/// How many keys there is room for, in a megabyte. One that is recorded takes the place of an earlier one.
const PLACES: usize = 1 << 18;

/// Marks of keys, each at the place that its digest names.
pub(super) struct RecentKeys {
    marks: Box<[AtomicU32]>,
    hasher: RandomState,
}

impl RecentKeys {
    pub(super) fn new() -> Self {
        Self {
            marks: (0..PLACES).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Keeps the key of an event in mind.
    pub(super) fn note(&self, event: &usage_event::Model) {
        let (place, mark) = self.of(event);
        place.store(mark, Ordering::Relaxed);
    }

    /// Whether its key is one of those.
    pub(super) fn may_have(&self, event: &usage_event::Model) -> bool {
        let (place, mark) = self.of(event);
        place.load(Ordering::Relaxed) == mark
    }

    fn of(&self, event: &usage_event::Model) -> (&AtomicU32, u32) {
        let digest = self
            .hasher
            .hash_one((event.account_id.as_str(), event.idempotency_key.as_str()));
        let place = usize::try_from(digest % PLACES as u64).expect("it is below a length");
        // 0 marks a place that nobody took yet.
        let mark = u32::try_from(digest >> 32).expect("it has half the bits") | 1;
        (&self.marks[place], mark)
    }
}
