//! `UsagePeriod` and its input.

use async_graphql::{InputObject, SimpleObject};
use canopy_domain::Result;
use canopy_domain::entity::time::Timestamp;
use canopy_domain::usage::{Clocks, Period, UsageQuery};
use chrono::Days;

use super::granularity::Granularity;
use crate::scalars::DateTime;

/// The days of a period that is not given.
const DEFAULT_DAYS: Days = Days::new(30);

/// A span of time. Its ends are moved out to whole buckets.
#[derive(Debug, Clone, Copy, InputObject)]
pub(crate) struct UsagePeriodInput {
    /// The first instant.
    start: DateTime,
    /// The first instant after it; later than `start`.
    end: DateTime,
}

impl UsagePeriodInput {
    /// The given period, or the last 30 days until `now`.
    fn or_last_days(given: Option<Self>, now: Timestamp) -> Period {
        match given {
            Some(Self { start, end }) => Period {
                start: start.0,
                end: end.0,
            },
            None => Period {
                start: now - DEFAULT_DAYS,
                end: now,
            },
        }
    }
}

/// The arguments of `Tenant.usage`.
#[derive(Debug, Clone)]
pub(crate) struct UsageArguments {
    pub(crate) period: Option<UsagePeriodInput>,
    pub(crate) granularity: Granularity,
    pub(crate) time_zone: Option<String>,
    pub(crate) meters: Option<Vec<String>>,
    pub(crate) include_descendants: bool,
    /// Whether no buckets are selected.
    pub(crate) only_totals: bool,
}

impl UsageArguments {
    /// The length of a bucket that is not given.
    pub(crate) const DEFAULT_GRANULARITY: Granularity = Granularity::Day;

    /// What they ask for at the instant `now`.
    pub(crate) fn query(self, now: Timestamp) -> Result<UsageQuery> {
        let clocks = self.time_zone.map(|name| Clocks::named(&name, "timeZone"));
        Ok(UsageQuery {
            period: UsagePeriodInput::or_last_days(self.period, now),
            granularity: self.granularity.into(),
            clocks: clocks.transpose()?.unwrap_or_default(),
            meters: self.meters,
            include_descendants: self.include_descendants,
            only_totals: self.only_totals,
        })
    }
}

/// A span of time of whole buckets.
#[derive(Debug, Clone, Copy, SimpleObject)]
pub(crate) struct UsagePeriod {
    /// The first instant.
    start: DateTime,
    /// The first instant after it.
    end: DateTime,
}

impl From<Period> for UsagePeriod {
    fn from(period: Period) -> Self {
        Self {
            start: period.start.into(),
            end: period.end.into(),
        }
    }
}
