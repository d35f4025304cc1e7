//! The time within which reported usage must have occurred. It knows the clock only as it is told.

use std::time::Duration;

use canopy_entity::time::Timestamp;

/// How far the time of usage may lie from the time at which it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageWindow {
    /// How long ago it may have occurred.
    pub max_age: Duration,
    /// How far ahead of this machine's clock it may say that it occurred.
    pub max_ahead: Duration,
}

impl Default for UsageWindow {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(35 * 24 * 60 * 60),
            max_ahead: Duration::from_secs(5 * 60),
        }
    }
}

impl UsageWindow {
    /// Whether usage that is reported `now` may have occurred at that time.
    pub(super) fn holds(&self, occurred_at: Timestamp, now: Timestamp) -> bool {
        let apart = occurred_at - now;
        match apart.to_std() {
            Ok(ahead) => ahead <= self.max_ahead,
            Err(_) => (-apart).to_std().is_ok_and(|age| age <= self.max_age),
        }
    }

    /// What it holds, as a sentence.
    pub(super) fn sentence(&self) -> String {
        format!(
            "Usage may have occurred at most {} ago and at most {} from now.",
            words(self.max_age),
            words(self.max_ahead)
        )
    }
}

/// The units in which a time is told, with their milliseconds.
const UNITS: [(&str, u128); 5] = [
    ("day", 86_400_000),
    ("hour", 3_600_000),
    ("minute", 60_000),
    ("second", 1_000),
    ("millisecond", 1),
];

/// A time in the largest unit of which it is a whole number: `90 seconds`, `1 day`.
fn words(time: Duration) -> String {
    let millis = time.as_millis();
    let whole = |(_, unit): &&(&str, u128)| millis > 0 && millis.is_multiple_of(*unit);
    let (name, unit) = UNITS.iter().find(whole).copied().unwrap_or(("second", 1_000));
    let count = millis / unit;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_belong_to_the_window() {
        let window = UsageWindow::default();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-03-31T12:00:00Z");
        for (occurred, holds) in [
            ("2026-02-24T12:00:00Z", true),
            ("2026-02-24T11:59:59.999999Z", false),
            ("2026-03-31T12:00:00Z", true),
            ("2026-03-31T12:05:00Z", true),
            ("2026-03-31T12:05:00.000001Z", false),
        ] {
            assert_eq!(window.holds(at(occurred), now), holds, "{occurred}");
        }
        let wide = UsageWindow {
            max_age: Duration::MAX,
            max_ahead: Duration::MAX,
        };
        for end in [Timestamp::MIN_UTC, Timestamp::MAX_UTC] {
            assert!(wide.holds(end, now) && !window.holds(end, now));
        }
    }

    #[test]
    fn the_sentence_names_the_bounds_that_are_configured() {
        assert_eq!(
            UsageWindow::default().sentence(),
            "Usage may have occurred at most 35 days ago and at most 5 minutes from now."
        );
        let told = |millis| words(Duration::from_millis(millis));
        assert_eq!(told(86_400_000), "1 day");
        assert_eq!(told(90_000), "90 seconds");
        assert_eq!(told(36 * 3_600_000), "36 hours");
        assert_eq!(told(1), "1 millisecond");
        assert_eq!(told(0), "0 seconds");
    }
}
