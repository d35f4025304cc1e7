//! What a candidate's prices add up to beside those that were charged. Pure.

use super::changes::Changes;

/// Events that were run, and what they came to. Amounts are in micro-units.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    /// All events that were run.
    pub(super) events: i64,
    /// Those for which the candidate has no price that may be charged.
    pub(super) failures: i64,
    /// Those whose answer differs from the receipt, where that was asked.
    pub(super) differing: i64,
    /// What was charged for the others.
    pub(super) before: i128,
    /// What the candidate charges for them.
    pub(super) after: i128,
    /// How the changes are spread.
    pub(super) changes: Changes,
}

impl Tally {
    /// Counts an event that the candidate has a price for.
    pub(super) fn priced(&mut self, before: i64, after: i64) {
        self.add(before, after);
        self.changes.add(after.saturating_sub(before));
    }

    /// The same, without how the changes are spread.
    pub(super) fn add(&mut self, before: i64, after: i64) {
        self.events += 1;
        self.before += i128::from(before);
        self.after += i128::from(after);
    }

    /// Counts an event that it has no price for.
    pub(super) fn failed(&mut self) {
        self.events += 1;
        self.failures += 1;
    }

    /// Adds all that `other` has counted.
    pub(super) fn merge(&mut self, other: &Tally) {
        self.events += other.events;
        self.failures += other.failures;
        self.differing += other.differing;
        self.before += other.before;
        self.after += other.after;
        self.changes.merge(&other.changes);
    }
}

/// |after − before| / before in millionths of a percent, rounded up, so that it is within a bound if and only if the
/// exact number is. None where nothing was charged before and something would be: no percentage says that.
pub fn variance(before: i64, after: i64) -> Option<i64> {
    const PERCENT: i128 = 100 * 1_000_000;
    let difference = (i128::from(after) - i128::from(before)).abs();
    if difference == 0 {
        return Some(0);
    }
    let before = i128::from(before).abs();
    if before == 0 {
        return None;
    }
    let exact = difference * PERCENT;
    i64::try_from(exact / before + i128::from(exact % before != 0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variance_is_exact_to_a_millionth_of_a_percent() {
        assert_eq!(variance(200, 210), Some(5_000_000));
        assert_eq!(variance(200, 190), Some(5_000_000));
        assert_eq!(variance(3, 4), Some(33_333_334));
        assert_eq!((variance(0, 0), variance(5, 5)), (Some(0), Some(0)));
        assert_eq!(variance(0, 1), None);
    }

    #[test]
    fn an_event_without_a_price_counts_on_neither_side() {
        let mut tally = Tally::default();
        tally.priced(10, 12);
        tally.failed();
        let mut other = Tally::default();
        other.priced(5, 5);
        tally.merge(&other);
        assert_eq!((tally.events, tally.failures), (3, 1));
        assert_eq!((tally.before, tally.after), (15, 17));
        assert_eq!(
            (tally.changes.percentile(50), tally.changes.percentile(95)),
            (Some(0), Some(2))
        );
    }
}
