//! What clocks show, and that no instant is left out or told twice, wherever they hang.

use chrono_tz::TZ_VARIANTS;

use super::*;

const LENGTHS: [Granularity; 3] = [Granularity::Hour, Granularity::Day, Granularity::Month];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn zone(name: &str) -> Zone {
    Zone::named(name, "timeZone").unwrap()
}

/// The bucket that holds an instant, without seconds.
fn bucket_of(name: &str, granularity: Granularity, instant: &str) -> [String; 2] {
    let zone = zone(name);
    let start = zone.start_of(granularity, at(instant));
    let end = zone.end_of(granularity, start).unwrap();
    assert!(start <= at(instant) && at(instant) < end, "{name} {instant}");
    [start, end].map(|instant| instant.format("%Y-%m-%dT%H:%M").to_string())
}

/// What clocks show there: the zone, an instant, and the bucket that holds it.
const CLOCKS: &str = "
UTC DAY 2026-03-29T12:00:00Z 2026-03-29T00:00 2026-03-30T00:00
# A day of 23 hours, one of 25, and months that have one of them.
Europe/Berlin DAY 2026-03-29T12:00:00Z 2026-03-28T23:00 2026-03-29T22:00
Europe/Berlin DAY 2026-10-25T12:00:00Z 2026-10-24T22:00 2026-10-25T23:00
Europe/Berlin MONTH 2026-03-01T00:00:00Z 2026-02-28T23:00 2026-03-31T22:00
America/New_York MONTH 2026-11-30T12:00:00Z 2026-11-01T04:00 2026-12-01T05:00
# No whole hours from UTC.
Asia/Kolkata DAY 2026-01-31T18:30:00Z 2026-01-31T18:30 2026-02-01T18:30
Asia/Kolkata MONTH 2026-01-31T18:29:59Z 2025-12-31T18:30 2026-01-31T18:30
Asia/Kolkata HOUR 2026-01-31T18:45:00Z 2026-01-31T18:30 2026-01-31T19:30
Asia/Kathmandu HOUR 2026-01-31T19:14:59Z 2026-01-31T18:15 2026-01-31T19:15
Asia/Kathmandu DAY 2026-01-31T18:15:00Z 2026-01-31T18:15 2026-02-01T18:15
# Midnight that does not exist, that exists twice, and that clocks are turned back over.
America/Sao_Paulo DAY 2018-11-04T12:00:00Z 2018-11-04T03:00 2018-11-05T02:00
America/Havana DAY 2025-11-02T12:00:00Z 2025-11-02T04:00 2025-11-03T05:00
America/St_Johns DAY 2010-11-07T03:00:00Z 2010-11-07T02:30 2010-11-08T03:30
America/St_Johns DAY 2010-11-07T02:29:59Z 2010-11-06T02:30 2010-11-07T02:30
# A day that was skipped.
Pacific/Apia DAY 2011-12-30T09:59:59Z 2011-12-29T10:00 2011-12-30T10:00
Pacific/Apia DAY 2011-12-30T10:00:00Z 2011-12-30T10:00 2011-12-31T10:00
# The hour that comes twice, that which does not come, and clocks that are turned by half an hour.
Europe/Berlin HOUR 2026-10-25T00:30:00Z 2026-10-25T00:00 2026-10-25T01:00
Europe/Berlin HOUR 2026-10-25T01:30:00Z 2026-10-25T01:00 2026-10-25T02:00
Europe/Berlin HOUR 2026-03-29T00:59:59Z 2026-03-29T00:00 2026-03-29T01:00
Australia/Lord_Howe HOUR 2026-10-03T15:35:00Z 2026-10-03T15:30 2026-10-03T16:00
Australia/Lord_Howe HOUR 2026-04-04T15:10:00Z 2026-04-04T15:00 2026-04-04T15:30
Australia/Lord_Howe DAY 2026-10-04T00:00:00Z 2026-10-03T13:30 2026-10-04T13:00
";

#[test]
fn a_bucket_is_that_of_the_clocks_there() {
    for case in CLOCKS
        .lines()
        .filter(|case| !case.is_empty() && !case.starts_with('#'))
    {
        let [name, granularity, instant, start, end] = case.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{case}");
        };
        let granularity = match granularity {
            "HOUR" => Granularity::Hour,
            "DAY" => Granularity::Day,
            _ => Granularity::Month,
        };
        assert_eq!(bucket_of(name, granularity, instant), [start, end], "{case}");
    }
}

/// Goes through all buckets between two instants; each ends where the next one begins, and holds its first and last instant.
fn assert_tiled(zone: Zone, granularity: Granularity, from: &str, to: &str) {
    let period = Period {
        start: zone.start_of(granularity, at(from)),
        end: zone.next_start(granularity, at(to)).unwrap(),
    };
    let buckets = zone.buckets(granularity, period);
    let mut expected = period.start;
    for bucket in &buckets {
        let told = || format!("{} {granularity:?} {}", zone.name(), bucket.start);
        assert_eq!(bucket.start, expected, "{}", told());
        assert!(bucket.start < bucket.end, "{}", told());
        assert_eq!(
            bucket::start_of(BucketLength::Quarter, bucket.end),
            bucket.end,
            "{}",
            told()
        );
        let middle = bucket.start + (bucket.end - bucket.start) / 2;
        let last = bucket.end - Duration::microseconds(1);
        for instant in [bucket.start, middle, last] {
            assert_eq!(
                zone.start_of(granularity, instant),
                bucket.start,
                "{} {instant}",
                told()
            );
        }
        expected = bucket.end;
    }
    assert_eq!(expected, period.end);
    let apart = zone.count(granularity, period) - i64::try_from(buckets.len()).unwrap();
    assert!(apart.abs() <= 4, "{} {granularity:?}: {apart}", zone.name());
}

#[test]
fn days_and_months_of_every_zone_follow_one_another_without_gap() {
    for tz in TZ_VARIANTS {
        // When clocks are turned in either half of the world.
        for (from, to) in [
            ("2026-03-01T00:00:00Z", "2026-04-10T00:00:00Z"),
            ("2026-09-20T00:00:00Z", "2026-11-05T00:00:00Z"),
        ] {
            assert_tiled(Zone(tz), Granularity::Day, from, to);
        }
        assert_tiled(
            Zone(tz),
            Granularity::Month,
            "2008-01-01T00:00:00Z",
            "2028-01-01T00:00:00Z",
        );
    }
}

#[test]
fn hours_follow_one_another_without_gap_where_clocks_are_turned() {
    for (name, from, to) in [
        ("Europe/Berlin", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        (
            "Australia/Lord_Howe",
            "2026-01-01T00:00:00Z",
            "2027-01-01T00:00:00Z",
        ),
        ("Asia/Kathmandu", "1985-06-01T00:00:00Z", "1986-06-01T00:00:00Z"),
        ("America/St_Johns", "2010-01-01T00:00:00Z", "2012-01-01T00:00:00Z"),
        ("Pacific/Apia", "2011-06-01T00:00:00Z", "2012-06-01T00:00:00Z"),
        (
            "Pacific/Kiritimati",
            "1979-06-01T00:00:00Z",
            "1980-06-01T00:00:00Z",
        ),
        ("Africa/Monrovia", "1971-06-01T00:00:00Z", "1972-06-01T00:00:00Z"),
    ] {
        for granularity in LENGTHS {
            assert_tiled(zone(name), granularity, from, to);
        }
    }
}

#[test]
fn hours_of_utc_are_those_of_its_clock() {
    assert_eq!(
        bucket_of("UTC", Granularity::Hour, "2024-02-29T23:59:59.999999Z"),
        ["2024-02-29T23:00", "2024-03-01T00:00"]
    );
    assert_eq!(
        bucket_of("UTC", Granularity::Hour, "1970-01-01T00:00:00Z"),
        ["1970-01-01T00:00", "1970-01-01T01:00"]
    );
}

#[test]
fn buckets_are_counted_across_years() {
    let count = |granularity, start: &str, end: &str| {
        let (start, end) = (at(start), at(end));
        Zone::UTC.count(granularity, Period { start, end })
    };
    let months = count(Granularity::Month, "2023-11-01T00:00:00Z", "2025-02-01T00:00:00Z");
    assert_eq!(months, 15);
    let days = count(Granularity::Day, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
    assert_eq!(days, 29);
}

#[test]
fn a_zone_goes_by_its_name_as_it_is_written() {
    for name in ["UTC", "Asia/Calcutta", "Europe/Berlin", "Etc/GMT+5"] {
        assert_eq!(zone(name).name(), name);
    }
    for name in ["", "ACCOUNT", "europe/berlin", "Europe/Nowhere", "+05:30", "UTC "] {
        assert!(Zone::named(name, "timeZone").is_err(), "{name}");
    }
    assert_eq!(Clocks::named("ACCOUNT", "timeZone").unwrap(), Clocks::OfAccount);
    let longest = TZ_VARIANTS.iter().map(|zone| zone.name().len()).max();
    assert!(longest.unwrap() <= 64, "as long as a row may have it");
}
