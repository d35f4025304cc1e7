//! `Usage`.

use async_graphql::Object;
use canopy_domain::usage::UsageView;

use super::granularity::Granularity;
use super::usage_bucket::UsageBucket;
use super::usage_period::UsagePeriod;
use super::usage_total::UsageTotal;

/// Usage of an account in sums.
pub(crate) struct Usage {
    granularity: Granularity,
    sums: UsageView,
}

impl Usage {
    /// Sums by buckets of this length.
    pub(super) fn new(granularity: Granularity, sums: UsageView) -> Self {
        Self { granularity, sums }
    }
}

/// Usage of an account over a period, added up by meter.
#[Object]
impl Usage {
    /// The period, moved out to whole buckets.
    async fn period(&self) -> UsagePeriod {
        self.sums.period.into()
    }

    /// The length of a bucket.
    async fn granularity(&self) -> Granularity {
        self.granularity
    }

    /// The time zone by whose clocks buckets begin: a name of the IANA database.
    async fn time_zone(&self) -> &str {
        self.sums.zone.name()
    }

    /// The sum of each meter over the whole period, by name. Meters without usage are left out.
    async fn totals(&self) -> Vec<UsageTotal> {
        self.sums.totals.iter().cloned().map(UsageTotal::from).collect()
    }

    /// The sum of each meter in each bucket, by time and name. Buckets without usage are left out.
    async fn buckets(&self) -> Vec<UsageBucket> {
        self.sums.buckets.iter().cloned().map(UsageBucket::from).collect()
    }
}
