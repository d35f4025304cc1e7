//! Time zones: where the hours, days and months of a place begin. Pure.
//!
//! A bucket goes from its first instant to that of the next one, whatever clocks do in between: a day may have 23 or 25
//! hours, and an hour that clocks are turned back in comes twice. Each instant lies in exactly one hour, one day and one
//! month. All of them begin at a quarter of an hour in UTC, as the sums that are kept do.

use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::BucketLength;
use chrono::{Datelike, Duration, Months, NaiveDate, NaiveTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::bucket;
use super::read::Period;
use crate::{Error, Result};

/// The quarters of an hour in a day and the greatest change of clocks there was.
const MOST_SKIPPED: i32 = 2 * 96;

/// The length of a bucket as it is asked for: by the clocks of a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Granularity {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

impl Granularity {
    /// As which buckets of UTC are kept, if they are.
    pub(super) fn kept(self) -> Option<BucketLength> {
        match self {
            Granularity::Hour => None,
            Granularity::Day => Some(BucketLength::Day),
            Granularity::Month => Some(BucketLength::Month),
        }
    }
}

/// A time zone of the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(Tz);

/// By whose clocks usage is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Clocks {
    /// Those of one time zone, for all accounts.
    Of(Zone),
    /// Those of each account's own time zone.
    OfAccount,
}

impl Clocks {
    /// What asks for the account's own time zone, where a name may stand. No zone is called so.
    const OF_ACCOUNT: &str = "ACCOUNT";

    /// As a name says it: that of a zone, or `ACCOUNT`. `field` is where the name stands.
    pub fn named(name: &str, field: &'static str) -> Result<Self> {
        match name {
            Self::OF_ACCOUNT => Ok(Self::OfAccount),
            name => Zone::named(name, field).map(Self::Of),
        }
    }
}

impl Default for Clocks {
    fn default() -> Self {
        Self::Of(Zone::UTC)
    }
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone(Tz::UTC);

    /// A zone by its name, such as `Europe/Berlin`. `field` is where the name stands.
    pub fn named(name: &str, field: &'static str) -> Result<Self> {
        Self::known(name).ok_or_else(|| {
            Error::bad_input(
                &[field],
                "A time zone is a name of the IANA database, as in `Asia/Kolkata`.",
            )
        })
    }

    /// The zone that a row names.
    pub(crate) fn stored(name: &str) -> Result<Self> {
        Self::known(name).ok_or_else(|| Error::internal("a time zone that was known once"))
    }

    fn known(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The first instant of the bucket that holds `instant`.
    pub(super) fn start_of(self, granularity: Granularity, instant: Timestamp) -> Timestamp {
        match granularity {
            Granularity::Hour => {
                let mut start = bucket::start_of(BucketLength::Quarter, instant);
                while !self.begins_hour(start) {
                    start -= quarter();
                }
                start
            }
            Granularity::Day => self.first_of(self.date_of(instant)),
            Granularity::Month => self.first_of(first_day(self.date_of(instant))),
        }
    }

    /// The first instant after the bucket that begins at `start`; none at the end of the calendar.
    pub(super) fn end_of(self, granularity: Granularity, start: Timestamp) -> Option<Timestamp> {
        let date = self.date_of(start);
        match granularity {
            Granularity::Hour => {
                let mut end = start.checked_add_signed(quarter())?;
                while !self.begins_hour(end) {
                    end = end.checked_add_signed(quarter())?;
                }
                Some(end)
            }
            Granularity::Day => Some(self.first_of(date.succ_opt()?)),
            Granularity::Month => Some(self.first_of(first_day(date).checked_add_months(Months::new(1))?)),
        }
    }

    /// The first instant that is none in the middle of a bucket, from `instant` on; none at the end of the calendar.
    pub(super) fn next_start(self, granularity: Granularity, instant: Timestamp) -> Option<Timestamp> {
        match self.start_of(granularity, instant) {
            start if start == instant => Some(start),
            start => self.end_of(granularity, start),
        }
    }

    /// How many buckets lie in a period that begins and ends with one. It may be one off for each time that clocks were
    /// turned in it.
    pub(super) fn count(self, granularity: Granularity, period: Period) -> i64 {
        let (first, end) = (self.date_of(period.start), self.date_of(period.end));
        match granularity {
            Granularity::Hour => (period.end - period.start).num_hours(),
            Granularity::Day => (end - first).num_days(),
            Granularity::Month => {
                i64::from(end.year() - first.year()) * 12 + i64::from(end.month()) - i64::from(first.month())
            }
        }
    }

    /// The buckets of a period that begins and ends with one, in their order.
    pub(super) fn buckets(self, granularity: Granularity, period: Period) -> Vec<Period> {
        let mut buckets = Vec::new();
        let mut start = period.start;
        while start < period.end {
            let end = self.end_of(granularity, start).unwrap_or(period.end);
            buckets.push(Period { start, end });
            start = end;
        }
        buckets
    }

    /// Whether an hour begins with this quarter: clocks show a full hour, or another time than one would expect.
    fn begins_hour(self, quarter_start: Timestamp) -> bool {
        let (minute, offset) = self.shown(quarter_start);
        minute < 15 || offset != self.shown(quarter_start - quarter()).1
    }

    /// The minute that clocks show, and how many seconds they are before UTC.
    fn shown(self, instant: Timestamp) -> (u32, i32) {
        let local = instant.with_timezone(&self.0);
        (local.minute(), local.offset().fix().local_minus_utc())
    }

    /// The day in which an instant lies. Clocks that are turned back over midnight show the day before once more; that is
    /// already the new one.
    fn date_of(self, instant: Timestamp) -> NaiveDate {
        let mut date = instant.with_timezone(&self.0).date_naive();
        while self.first_of(date) > instant {
            date = date.pred_opt().unwrap_or(NaiveDate::MIN);
        }
        while let Some(next) = date.succ_opt().filter(|next| self.first_of(*next) <= instant) {
            date = next;
        }
        date
    }

    /// The first instant of a day: when clocks show midnight, or the first time behind it that they do show.
    fn first_of(self, date: NaiveDate) -> Timestamp {
        let midnight = date.and_time(NaiveTime::MIN);
        let mut times = (0..MOST_SKIPPED).map(|quarters| midnight + quarter() * quarters);
        let first = times.find_map(|time| self.0.from_local_datetime(&time).earliest());
        let first = first.map(|first| first.with_timezone(&Utc));
        // Until 1979 a few zones were no whole quarters from UTC.
        bucket::start_of(
            BucketLength::Quarter,
            first.unwrap_or_else(|| Utc.from_utc_datetime(&midnight)),
        )
    }
}

fn first_day(date: NaiveDate) -> NaiveDate {
    date.with_day(1).expect("each month has a first day")
}

fn quarter() -> Duration {
    Duration::minutes(15)
}

#[cfg(test)]
mod tests;
