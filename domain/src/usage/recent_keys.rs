//! Which keys were recorded lately, as a guess: a retry mostly comes soon, and to whoever was asked first. The guess says
//! what to look up before a batch is priced; the database says what is so.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

use canopy_entity::AccountId;

/// How many rows of marks there are, in 4 MiB. With rows of one mark a new key would often take the place of one that was
/// recorded just before.
const ROWS: usize = 1 << 16;
/// How many marks have room beside their count in what a processor reads at once.
const MARKS: usize = 15;

/// Marks of keys, each in the row that its digest names.
pub(super) struct RecentKeys {
    rows: Box<[Row]>,
    hasher: RandomState,
}

/// The marks that were made last, in a ring.
#[derive(Default)]
#[repr(align(64))]
struct Row {
    made: AtomicU32,
    /// 0 where there is none yet.
    marks: [AtomicU32; MARKS],
}

impl RecentKeys {
    pub(super) fn new() -> Self {
        Self {
            rows: (0..ROWS).map(|_| Row::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Keeps the key of an event in mind.
    pub(super) fn note(&self, account: &AccountId, key: &str) {
        let (row, mark) = self.of(account, key);
        if !row.has(mark) {
            let made = row.made.fetch_add(1, Ordering::Relaxed) as usize;
            row.marks[made % MARKS].store(mark, Ordering::Relaxed);
        }
    }

    /// Whether a key is one of those.
    pub(super) fn may_have(&self, account: &AccountId, key: &str) -> bool {
        let (row, mark) = self.of(account, key);
        row.has(mark)
    }

    fn of(&self, account: &AccountId, key: &str) -> (&Row, u32) {
        let digest = self.hasher.hash_one((account, key));
        let row = usize::try_from(digest % ROWS as u64).expect("it is below a length");
        let mark = u32::try_from(digest >> 32).expect("it has half the bits") | 1;
        (&self.rows[row], mark)
    }
}

impl Row {
    fn has(&self, mark: u32) -> bool {
        self.marks.iter().any(|made| made.load(Ordering::Relaxed) == mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_lately_is_known() {
        let keys = RecentKeys::new();
        let account = AccountId::new();
        let key = |number: u32| format!("key {number}");
        for number in 0..300_000 {
            keys.note(&account, &key(number));
        }
        let known = |number: &u32| keys.may_have(&account, &key(*number));
        let forgotten = (100_000..300_000).filter(|number| !known(number)).count();
        assert!(forgotten < 20, "{forgotten} of 200,000");
        let never_seen = (300_000..500_000).filter(known).count();
        assert!(never_seen < 20, "{never_seen} of 200,000");
        assert!(!keys.may_have(&AccountId::new(), &key(299_999)));
    }
}
