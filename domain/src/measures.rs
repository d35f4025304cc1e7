//! Numbers with a unit, as people write them: `15m`, `64KiB`.

use std::time::Duration;

/// What a duration looks like.
pub const DURATION: &str = "a duration such as \"250ms\", \"30s\", \"15m\", \"12h\" or \"7d\"";

/// The units of durations and how many milliseconds each has.
const DURATIONS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// The duration that `text` says.
pub fn duration(text: &str) -> Option<Duration> {
    measure(text, &DURATIONS).map(Duration::from_millis)
}

/// The value of `text` in the smallest of `units`, of which each has its name and how many of the smallest it is.
pub fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_known_unit() {
        assert_eq!(duration("15m"), Some(Duration::from_mins(15)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        for bad in ["", "15", "m", "1.5s", "-1s", "5 weeks", "99999999999999999d"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
