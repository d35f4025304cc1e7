//! Buckets as they are kept, in UTC: where an instant falls, and of which of them a span of time is made. Pure.

use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::BucketLength;
use chrono::{Datelike, Duration, Months, NaiveTime, TimeZone, Timelike, Utc};

use super::read::Period;

/// The three lengths that usage is added up by.
pub(crate) const LENGTHS: [BucketLength; 3] = [BucketLength::Quarter, BucketLength::Day, BucketLength::Month];

/// The first instant of the bucket that holds `instant`.
pub(crate) fn start_of(length: BucketLength, instant: Timestamp) -> Timestamp {
    match length {
        BucketLength::Quarter => {
            let quarters = instant.time().num_seconds_from_midnight() / (15 * 60);
            midnight(instant) + Duration::minutes(i64::from(quarters) * 15)
        }
        BucketLength::Day => midnight(instant),
        BucketLength::Month => midnight(instant).with_day(1).expect("each month has a first day"),
    }
}

/// The first instant after the bucket that begins at `start`; none at the end of the calendar.
pub(crate) fn end_of(length: BucketLength, start: Timestamp) -> Option<Timestamp> {
    match length {
        BucketLength::Quarter => start.checked_add_signed(Duration::minutes(15)),
        BucketLength::Day => start.checked_add_signed(Duration::days(1)),
        BucketLength::Month => start.checked_add_months(Months::new(1)),
    }
}

/// The period as months, with what is left on both sides as days, and of those as quarters of an hour: as few sums as
/// there are. It begins and ends with quarters.
pub(super) fn spans(period: Period) -> Vec<(BucketLength, Period)> {
    spans_by(BucketLength::Quarter, period)
}

fn spans_by(finest: BucketLength, period: Period) -> Vec<(BucketLength, Period)> {
    let coarser = match finest {
        BucketLength::Month => None,
        BucketLength::Day => Some(BucketLength::Month),
        BucketLength::Quarter => Some(BucketLength::Day),
    };
    let Some(coarser) = coarser else {
        return vec![(finest, period)];
    };
    let inside = first_start(coarser, period).filter(|start| *start < period.end);
    let Some(start) = inside else {
        return vec![(finest, period)];
    };
    let end = start_of(coarser, period.end);
    let mut spans = match start < end {
        true => spans_by(coarser, Period { start, end }),
        false => return vec![(finest, period)],
    };
    let sides = [Period { end: start, ..period }, Period { start: end, ..period }];
    let sides = sides.into_iter().filter(|side| side.start < side.end);
    spans.extend(sides.map(|side| (finest, side)));
    spans
}

/// The first instant of the period at which a bucket begins, if it is not beyond the calendar.
fn first_start(length: BucketLength, period: Period) -> Option<Timestamp> {
    let start = start_of(length, period.start);
    match start == period.start {
        true => Some(start),
        false => end_of(length, start),
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
    fn an_instant_falls_into_its_quarter_day_and_month() {
        let instant = at("2024-02-29T23:59:59.999999Z");
        for (length, start, end) in [
            (
                BucketLength::Quarter,
                "2024-02-29T23:45:00Z",
                "2024-03-01T00:00:00Z",
            ),
            (BucketLength::Day, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            (
                BucketLength::Month,
                "2024-02-01T00:00:00Z",
                "2024-03-01T00:00:00Z",
            ),
        ] {
            assert_eq!(start_of(length, instant), at(start));
            assert_eq!(start_of(length, at(start)), at(start));
            assert_eq!(end_of(length, at(start)), Some(at(end)));
        }
        assert_eq!(
            start_of(BucketLength::Quarter, at("1969-12-31T23:29:59Z")),
            at("1969-12-31T23:15:00Z")
        );
    }

    #[test]
    fn a_period_is_made_of_as_few_parts_as_there_are() {
        let period = |start: &str, end: &str| Period {
            start: at(start),
            end: at(end),
        };
        use BucketLength::{Day, Month, Quarter};
        let whole = period("2025-06-01T00:00:00Z", "2025-07-01T00:00:00Z");
        assert_eq!(spans(whole), [(Month, whole)]);
        let short = period("2025-06-02T00:00:00Z", "2025-06-20T00:00:00Z");
        assert_eq!(spans(short), [(Day, short)]);
        let shorter = period("2025-06-02T18:30:00Z", "2025-06-03T18:30:00Z");
        assert_eq!(spans(shorter), [(Quarter, shorter)]);
        assert_eq!(
            spans(period("2025-05-30T22:00:00Z", "2025-08-02T01:15:00Z")),
            [
                (Month, period("2025-06-01T00:00:00Z", "2025-08-01T00:00:00Z")),
                (Day, period("2025-05-31T00:00:00Z", "2025-06-01T00:00:00Z")),
                (Day, period("2025-08-01T00:00:00Z", "2025-08-02T00:00:00Z")),
                (Quarter, period("2025-05-30T22:00:00Z", "2025-05-31T00:00:00Z")),
                (Quarter, period("2025-08-02T00:00:00Z", "2025-08-02T01:15:00Z")),
            ]
        );
    }
}
