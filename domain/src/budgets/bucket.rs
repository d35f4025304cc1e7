//! A bucket of points that fills again with time. Pure.

use std::time::Duration;

/// How much an account may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    /// The points of a full bucket.
    pub(super) capacity: u64,
    /// The points that come back in a second.
    pub(super) restored: u64,
}

impl Allowance {
    /// What a bucket holds that held `points` so long ago.
    pub(super) fn after(self, points: u64, since: Duration) -> u64 {
        let restored = u128::from(self.restored) * since.as_millis() / 1_000;
        let restored = u64::try_from(restored).unwrap_or(u64::MAX);
        points.saturating_add(restored).min(self.capacity)
    }

    /// How long it takes until a bucket with `points` holds `wanted`, if it ever does.
    pub(super) fn wait(self, points: u64, wanted: u64) -> Duration {
        let missing = wanted.saturating_sub(points);
        Duration::from_millis(missing.saturating_mul(1_000).div_ceil(self.restored.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_A_SECOND: Allowance = Allowance {
        capacity: 100,
        restored: 10,
    };

    #[test]
    fn points_come_back_until_the_bucket_is_full() {
        assert_eq!(TEN_A_SECOND.after(0, Duration::from_millis(1_550)), 15);
        assert_eq!(TEN_A_SECOND.after(90, Duration::from_secs(1)), 100);
        assert_eq!(TEN_A_SECOND.after(3, Duration::MAX), 100);
    }

    #[test]
    fn who_waits_as_long_as_told_has_enough() {
        for (points, wanted) in [(0, 1), (3, 50), (99, 100)] {
            let wait = TEN_A_SECOND.wait(points, wanted);
            assert!(TEN_A_SECOND.after(points, wait) >= wanted, "{points} {wanted}");
            assert!(TEN_A_SECOND.after(points, wait - Duration::from_millis(100)) < wanted);
        }
        assert_eq!(TEN_A_SECOND.wait(5, 5), Duration::ZERO);
    }
}
