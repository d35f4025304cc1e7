//! Buckets of time in UTC: where an instant falls, and how many a period has.

use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::Granularity;
use chrono::{Datelike, Duration, Months, NaiveTime, TimeZone, Timelike, Utc};

/// The three lengths that usage is added up by.
pub(crate) const GRANULARITIES: [Granularity; 3] = [Granularity::Hour, Granularity::Day, Granularity::Month];

/// The first instant of the bucket that holds `instant`.
pub(crate) fn start_of(granularity: Granularity, instant: Timestamp) -> Timestamp {
    match granularity {
        Granularity::Hour => {
            let hour = instant.time().hour();
            midnight(instant) + Duration::hours(i64::from(hour))
        }
        Granularity::Day => midnight(instant),
        Granularity::Month => midnight(instant).with_day(1).expect("each month has a first day"),
    }
}

/// The first instant after the bucket that begins at `start`; none at the end of the calendar.
pub(crate) fn end_of(granularity: Granularity, start: Timestamp) -> Option<Timestamp> {
    match granularity {
        Granularity::Hour => start.checked_add_signed(Duration::hours(1)),
        Granularity::Day => start.checked_add_signed(Duration::days(1)),
        Granularity::Month => start.checked_add_months(Months::new(1)),
    }
}

/// How many buckets lie between two starts of buckets.
pub(crate) fn count(granularity: Granularity, start: Timestamp, end: Timestamp) -> i64 {
    match granularity {
        Granularity::Hour => (end - start).num_hours(),
        Granularity::Day => (end - start).num_days(),
        Granularity::Month => {
            i64::from(end.year() - start.year()) * 12 + i64::from(end.month()) - i64::from(start.month())
        }
    }
}

fn midnight(instant: Timestamp) -> Timestamp {
    Utc.from_utc_datetime(&instant.date_naive().and_time(NaiveTime::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_instant_falls_into_its_hour_day_and_month() {
        let instant = at("2024-02-29T23:59:59.999999Z");
        for (granularity, start, end) in [
            (Granularity::Hour, "2024-02-29T23:00:00Z", "2024-03-01T00:00:00Z"),
            (Granularity::Day, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            (Granularity::Month, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ] {
            assert_eq!(start_of(granularity, instant), at(start));
            assert_eq!(start_of(granularity, at(start)), at(start));
            assert_eq!(end_of(granularity, at(start)), Some(at(end)));
            assert_eq!(count(granularity, at(start), at(end)), 1);
        }
        assert_eq!(
            start_of(Granularity::Hour, at("1969-12-31T23:30:00Z")),
            at("1969-12-31T23:00:00Z")
        );
    }

    #[test]
    fn buckets_are_counted_across_years() {
        let (start, end) = (at("2023-11-01T00:00:00Z"), at("2025-02-01T00:00:00Z"));
        assert_eq!(count(Granularity::Month, start, end), 15);
        assert_eq!(
            count(
                Granularity::Day,
                at("2024-02-01T00:00:00Z"),
                at("2024-03-01T00:00:00Z")
            ),
            29
        );
    }
}
