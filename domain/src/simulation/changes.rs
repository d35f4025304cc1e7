//! How the changes of single events are spread: counts by size, in bounded memory, from which percentiles are read.
//!
//! Sizes are counted in buckets that grow with the size: up to 64 millionths exactly, beyond that 64 buckets for each
//! doubling, so that a percentile is within 1 % of a change that was really met at its place. When an account has
//! changes of very many sizes its buckets are merged by pairs, and it is within 2 %, then 4 %. No change at all always
//! has a bucket of its own.

use serde::{Deserialize, Serialize};

/// Exact sizes, and buckets for each doubling beyond.
const FINE: u64 = 64;
const FINE_BITS: u32 = FINE.trailing_zeros();

/// Buckets that one account may have.
const MAX_BUCKETS: usize = 1_024;

/// Counts of changes by size.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Changes {
    /// How often the buckets were merged by pairs.
    merged: u32,
    /// Bucket and count, in order of the buckets; buckets below zero are of negative changes.
    counts: Vec<(i32, u64)>,
}

impl Changes {
    /// Counts one change, in micro-units.
    pub(super) fn add(&mut self, change: i64) {
        let bucket = self.bucket(change);
        match self.counts.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(place) => self.counts[place].1 += 1,
            Err(place) => {
                self.counts.insert(place, (bucket, 1));
                self.keep_bounds();
            }
        }
    }

    /// Counts all that `other` has counted.
    pub(super) fn merge(&mut self, other: &Changes) {
        let mut other = other.clone();
        while other.merged < self.merged {
            other.halve();
        }
        while self.merged < other.merged {
            self.halve();
        }
        for (bucket, count) in other.counts {
            match self.counts.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
                Ok(place) => self.counts[place].1 += count,
                Err(place) => self.counts.insert(place, (bucket, count)),
            }
        }
        self.keep_bounds();
    }

    /// The change that `percent` of all changes do not exceed (nearest rank); none if there are no changes.
    pub(super) fn percentile(&self, percent: u64) -> Option<i64> {
        let total: u64 = self.counts.iter().map(|(_, count)| count).sum();
        let rank = (total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        self.counts.iter().find_map(|(bucket, count)| {
            seen += count;
            (seen >= rank).then(|| self.middle(*bucket))
        })
    }

    fn bucket(&self, change: i64) -> i32 {
        if change == 0 {
            return 0;
        }
        let bucket = 1 + ((fine(change.unsigned_abs()) - 1) >> self.merged);
        if change < 0 { -bucket } else { bucket }
    }

    /// The middle of the sizes that a bucket holds.
    fn middle(&self, bucket: i32) -> i64 {
        if bucket == 0 {
            return 0;
        }
        let first = ((bucket.abs() - 1) << self.merged) + 1;
        let last = (bucket.abs() << self.merged) + 1;
        let (low, high) = (least(first), least(last) - 1);
        let middle = i64::try_from(low.midpoint(high)).unwrap_or(i64::MAX);
        if bucket < 0 { -middle } else { middle }
    }

    fn keep_bounds(&mut self) {
        while self.counts.len() > MAX_BUCKETS {
            self.halve();
        }
    }

    fn halve(&mut self) {
        self.merged += 1;
        let counts = std::mem::take(&mut self.counts);
        for (bucket, count) in counts {
            let bucket = bucket.signum() * ((bucket.abs() + 1) >> 1);
            match self.counts.last_mut() {
                Some((last, sum)) if *last == bucket => *sum += count,
                _ => self.counts.push((bucket, count)),
            }
        }
    }
}

/// The fine bucket of a size above zero.
fn fine(size: u64) -> i32 {
    let doublings = size.ilog2().saturating_sub(FINE_BITS);
    let place = (size >> doublings) + u64::from(doublings) * FINE;
    i32::try_from(place).expect("64 doublings of 64 buckets")
}

/// The least size in a fine bucket.
fn least(bucket: i32) -> u64 {
    let bucket = u64::from(bucket.unsigned_abs());
    let doublings = (bucket / FINE).saturating_sub(1);
    let size = u128::from(bucket - doublings * FINE) << doublings;
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(changes: impl IntoIterator<Item = i64>) -> Changes {
        let mut counted = Changes::default();
        changes.into_iter().for_each(|change| counted.add(change));
        counted
    }

    #[test]
    fn each_size_lies_in_its_bucket() {
        let mut last = 0;
        for size in (1..5_000).chain((13..54).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1])) {
            let bucket = fine(size);
            assert!(
                least(bucket) <= size && size < least(bucket + 1),
                "{size} in {bucket}"
            );
            assert!(bucket >= last, "{size}");
            last = bucket;
        }
    }

    #[test]
    fn percentiles_are_within_one_percent_and_zero_is_exact() {
        assert_eq!(of([]).percentile(50), None);
        assert_eq!(of([0, 0, 0, 5]).percentile(50), Some(0));
        assert_eq!(of([-7, -7, 12]).percentile(50), Some(-7));
        let spread = of((1..=1_000).map(|step| step * 1_000));
        for percent in [1, 50, 95, 100] {
            let (exact, read) = (percent as i64 * 10_000, spread.percentile(percent).unwrap());
            assert!(
                (read - exact).abs() * 100 <= exact,
                "{percent}: {read} for {exact}"
            );
        }
    }

    #[test]
    fn memory_is_bounded_and_accuracy_falls_slowly() {
        let sizes = (0..200_000).map(|step: i64| step * step * 11 - 40_000_000);
        let counted = of(sizes.clone());
        assert!(counted.counts.len() <= MAX_BUCKETS);
        let mut sorted: Vec<i64> = sizes.collect();
        sorted.sort_unstable();
        for percent in [5, 50, 95] {
            let exact = sorted[(sorted.len() * percent).div_ceil(100) - 1];
            let read = counted.percentile(percent as u64).unwrap();
            assert!(
                (read - exact).abs() * 25 <= exact.abs(),
                "{percent}: {read} for {exact}"
            );
        }
    }

    #[test]
    fn parts_merge_to_the_whole_and_are_read_back() {
        let (low, high) = (of(-3_000..0), of((0..3_000).map(|step| step * 977)));
        let mut both = low.clone();
        both.merge(&high);
        assert_eq!(
            both.percentile(50),
            Some(-1).map(|last| both.middle(both.bucket(last)))
        );
        assert_eq!(both.counts.iter().map(|(_, count)| count).sum::<u64>(), 6_000);
        let text = serde_json::to_string(&both).unwrap();
        assert_eq!(serde_json::from_str::<Changes>(&text).unwrap(), both);
    }
}
