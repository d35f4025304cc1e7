//! `ClosedPeriod`.

use async_graphql::Object;
use canopy_domain::usage;

use crate::scalars::DateTime;

/// A month to whose sums nothing is added any more.
pub(crate) struct ClosedPeriod(usage::ClosedPeriod);

impl From<usage::ClosedPeriod> for ClosedPeriod {
    fn from(period: usage::ClosedPeriod) -> Self {
        Self(period)
    }
}

/// A month in UTC that is closed: its sums do not change any more. What comes late counts at the present, and says which
/// month it adjusts.
#[Object]
impl ClosedPeriod {
    /// The first instant.
    async fn start(&self) -> DateTime {
        self.0.start.into()
    }

    /// The first instant after it.
    async fn end(&self) -> DateTime {
        self.0.end.into()
    }

    /// When it was closed.
    async fn closed_at(&self) -> DateTime {
        self.0.closed_at.into()
    }
}
