//! Whose usage is read, by whose clocks, and of which of the buckets that are kept each of those that were asked for is
//! made. Pure.

use std::collections::HashMap;

use canopy_entity::AccountId;
use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::BucketLength;
use chrono::Datelike;
use serde_json::json;

use super::bucket;
use super::read::{Period, UsageQuery};
use super::zone::{Clocks, Granularity, Zone};
use crate::{AccountView, Error, Result};

/// The most buckets that a period may have.
pub const MAX_BUCKETS: i64 = 1_000;
/// The most spans of time that one statement is told: some ten different zones with as many buckets as there may be.
const MAX_SPANS: usize = 12_000;

/// Accounts whose usage is read at once.
#[derive(Debug)]
pub(super) struct Asked {
    accounts: HashMap<AccountId, usize>,
    zones: Vec<Zoned>,
}

/// What is the same for all accounts of a time zone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zoned {
    pub(super) zone: Zone,
    /// The period, moved out to whole buckets.
    pub(super) period: Period,
}

/// The texts that tell a statement what to add up, and what the places in its answer mean.
pub(super) struct Spans {
    /// The accounts, each with the place of its zone.
    pub(super) accounts: String,
    /// Spans of time: of which zone and which bucket, and which of the buckets that are kept are in it.
    pub(super) spans: String,
    /// The first instants of the buckets of each zone.
    starts: Vec<Vec<Timestamp>>,
}

/// The place of what is no bucket but the whole period.
const WHOLE: i64 = -1;

impl Spans {
    /// The bucket at a place in an answer; none for the whole period.
    pub(super) fn bucket(&self, zone: i64, place: i64) -> Result<Option<Timestamp>> {
        if place == WHOLE {
            return Ok(None);
        }
        let at = |place: i64| usize::try_from(place).ok();
        let starts = at(zone).and_then(|zone| self.starts.get(zone));
        let start = starts.and_then(|starts| starts.get(at(place)?)).copied();
        start
            .map(Some)
            .ok_or_else(|| Error::internal("a bucket that was not asked for"))
    }
}

impl Asked {
    /// These accounts, for what `query` asks. The period is wrong or right before it is known who is asked.
    pub(super) fn new<'a>(
        query: &UsageQuery,
        accounts: impl Iterator<Item = &'a AccountView>,
    ) -> Result<Self> {
        let mut zones: Vec<Zoned> = Vec::new();
        if let Clocks::Of(zone) = query.clocks {
            zones.push(Zoned::new(query, zone)?);
        }
        let mut places = HashMap::new();
        for account in accounts {
            let zone = match query.clocks {
                Clocks::Of(zone) => zone,
                Clocks::OfAccount => account.time_zone()?,
            };
            let place = match zones.iter().position(|known| known.zone == zone) {
                Some(place) => place,
                None => {
                    zones.push(Zoned::new(query, zone)?);
                    zones.len() - 1
                }
            };
            places.insert(account.id().clone(), place);
        }
        Ok(Self {
            accounts: places,
            zones,
        })
    }

    /// What the account's usage is told by.
    pub(super) fn zoned(&self, account: &AccountId) -> Option<Zoned> {
        self.zones.get(*self.accounts.get(account)?).copied()
    }

    /// The period and length of buckets that are kept just as they were asked for, of which no others are to be made.
    pub(super) fn kept(&self, query: &UsageQuery) -> Option<(Period, Option<BucketLength>)> {
        let [only] = self.zones.as_slice() else {
            return None;
        };
        let length = query.granularity.kept();
        match only.zone == Zone::UTC && (query.only_totals || length.is_some()) {
            true => Some((only.period, length.filter(|_| !query.only_totals))),
            false => None,
        }
    }

    /// The ids.
    pub(super) fn ids(&self) -> Vec<&str> {
        self.accounts.keys().map(AccountId::as_str).collect()
    }

    /// What to read for those of the accounts that are `wanted`: for the whole period, for each bucket, or both.
    pub(super) fn spans(
        &self,
        granularity: Granularity,
        whole: bool,
        buckets: bool,
        wanted: impl Fn(&AccountId) -> bool,
    ) -> Result<Spans> {
        let accounts = self.accounts.iter().filter(|(id, _)| wanted(id));
        let accounts: Vec<(&AccountId, &usize)> = accounts.collect();
        let mut used = vec![false; self.zones.len()];
        for (_, zone) in &accounts {
            used[**zone] = true;
        }
        let (mut spans, mut starts) = (Vec::new(), Vec::new());
        for (zone, zoned) in self.zones.iter().enumerate() {
            let mut of_zone = Vec::new();
            let mut tell = |place: i64, period: Period| {
                for (length, span) in bucket::spans(period) {
                    spans.push(json!({
                        "zone": zone, "place": place, "length": length.as_str(),
                        "start": stored(span.start), "until": stored(span.end),
                    }));
                }
            };
            if whole && used[zone] {
                tell(WHOLE, zoned.period);
            }
            if buckets && used[zone] {
                let buckets = zoned.zone.buckets(granularity, zoned.period);
                for (place, bucket) in (0..).zip(&buckets) {
                    tell(place, *bucket);
                }
                of_zone.extend(buckets.iter().map(|bucket| bucket.start));
            }
            starts.push(of_zone);
            if spans.len() > MAX_SPANS {
                return Err(Error::bad_input(
                    &["period"],
                    "There are too many time zones to answer at once: ask for fewer accounts or buckets.",
                ));
            }
        }
        let accounts = accounts.iter().map(|(id, zone)| json!({"id": id, "zone": zone}));
        Ok(Spans {
            accounts: serde_json::Value::Array(accounts.collect()).to_string(),
            spans: serde_json::Value::Array(spans).to_string(),
            starts,
        })
    }
}

impl Zoned {
    fn new(query: &UsageQuery, zone: Zone) -> Result<Self> {
        let wrong = |message: &str| Error::bad_input(&["period"], message);
        let granularity = query.granularity;
        let Period { start, end } = query.period;
        if start >= end {
            return Err(wrong("A period ends after it starts."));
        }
        if start.year() < 1970 || end.year() > 9998 {
            return Err(wrong("A period lies between the years 1970 and 9998."));
        }
        let end = zone.next_start(granularity, end);
        let period = Period {
            start: zone.start_of(granularity, start),
            end: end.ok_or_else(|| wrong("The period is too long."))?,
        };
        if zone.count(granularity, period) > MAX_BUCKETS {
            return Err(wrong(&format!(
                "A period has at most {MAX_BUCKETS} buckets: ask for a shorter one or for longer buckets."
            )));
        }
        Ok(Self { zone, period })
    }
}

/// An instant as SQLite keeps it, which PostgreSQL reads too.
fn stored(instant: Timestamp) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn query(granularity: Granularity, start: &str, end: &str) -> UsageQuery {
        UsageQuery {
            period: Period {
                start: at(start),
                end: at(end),
            },
            granularity,
            clocks: Clocks::OfAccount,
            meters: None,
            include_descendants: false,
            only_totals: false,
        }
    }

    fn asked(query: &UsageQuery, zones: &[&str]) -> Asked {
        let zoned = |name: &&str| Zoned::new(query, Zone::named(name, "timeZone").unwrap()).unwrap();
        Asked {
            accounts: (0..zones.len()).map(|place| (AccountId::new(), place)).collect(),
            zones: zones.iter().map(zoned).collect(),
        }
    }

    /// The spans of a zone: their place, length, start and end.
    fn spans_of(spans: &Spans, zone: usize) -> Vec<(i64, String, Timestamp, Timestamp)> {
        let spans: Vec<Value> = serde_json::from_str(&spans.spans).unwrap();
        let spans = spans.iter().filter(|span| span["zone"] == zone);
        let time = |value: &Value| at(value.as_str().unwrap());
        let spans = spans.map(|span| {
            let length = span["length"].as_str().unwrap().to_owned();
            (
                span["place"].as_i64().unwrap(),
                length,
                time(&span["start"]),
                time(&span["until"]),
            )
        });
        spans.collect()
    }

    #[test]
    fn a_local_month_is_made_of_days_and_of_quarters_at_its_ends() {
        let query = query(Granularity::Month, "2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z");
        let asked = asked(&query, &["Asia/Kolkata"]);
        let spans = asked.spans(query.granularity, false, true, |_| true).unwrap();
        let of = |length: &str, start: &str, end: &str| (0, length.to_owned(), at(start), at(end));
        assert_eq!(
            spans_of(&spans, 0),
            [
                of("DAY", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z"),
                of("QUARTER", "2026-01-31T18:30:00Z", "2026-02-01T00:00:00Z"),
                of("QUARTER", "2026-02-28T00:00:00Z", "2026-02-28T18:30:00Z"),
            ]
        );
        assert_eq!(spans.bucket(0, 0).unwrap(), Some(at("2026-01-31T18:30:00Z")));
        assert_eq!(spans.bucket(0, WHOLE).unwrap(), None);
        assert!(spans.bucket(0, 1).is_err() && spans.bucket(1, 0).is_err());
    }

    #[test]
    fn spans_of_buckets_cover_the_period_once() {
        let zones = [
            "UTC",
            "Europe/Berlin",
            "Asia/Kathmandu",
            "Australia/Lord_Howe",
            "Pacific/Apia",
        ];
        for (granularity, start, end) in [
            (Granularity::Hour, "2011-12-27T00:00:00Z", "2012-01-03T00:00:00Z"),
            (Granularity::Hour, "2026-10-02T00:00:00Z", "2026-10-05T00:00:00Z"),
            (Granularity::Day, "2011-12-20T00:00:00Z", "2012-11-05T12:10:00Z"),
            (Granularity::Month, "2011-01-20T07:00:00Z", "2026-11-05T12:10:00Z"),
        ] {
            let query = query(granularity, start, end);
            let asked = asked(&query, &zones);
            let spans = asked.spans(granularity, true, true, |_| true).unwrap();
            for (zone, zoned) in asked.zones.iter().enumerate() {
                let (whole, mut buckets): (Vec<_>, Vec<_>) = spans_of(&spans, zone)
                    .into_iter()
                    .partition(|span| span.0 == WHOLE);
                let mut whole = whole;
                for spans in [&mut whole, &mut buckets] {
                    spans.sort_by_key(|span| span.2);
                    assert!(spans.windows(2).all(|pair| pair[0].3 == pair[1].2));
                    let ends = (spans.first().unwrap().2, spans.last().unwrap().3);
                    assert_eq!(ends, (zoned.period.start, zoned.period.end));
                }
                let places: BTreeSet<i64> = buckets.iter().map(|span| span.0).collect();
                assert_eq!(places.len(), spans.starts[zone].len());
            }
        }
    }

    #[test]
    fn a_period_is_bounded_by_the_clocks_that_it_goes_by() {
        let bounded = |granularity, start: &str, end: &str| {
            let berlin = Zone::named("Europe/Berlin", "timeZone").unwrap();
            Zoned::new(&query(granularity, start, end), berlin).map(|zoned| zoned.period)
        };
        let day = bounded(Granularity::Day, "2026-03-29T12:00:00Z", "2026-03-29T12:00:01Z").unwrap();
        assert_eq!(
            (day.start, day.end),
            (at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z"))
        );
        let whole = bounded(Granularity::Day, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z").unwrap();
        assert_eq!(whole, day);
        for (start, end) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("1969-01-01T00:00:00Z", "1969-02-01T00:00:00Z"),
        ] {
            assert!(bounded(Granularity::Day, start, end).is_err());
        }
    }
}
