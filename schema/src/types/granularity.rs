//! `Granularity`.

use async_graphql::Enum;
use canopy_domain::usage;

/// The length of a bucket of usage, by the clocks of a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "usage::Granularity")]
pub(crate) enum Granularity {
    /// An hour; where clocks are turned by half an hour, one of 30 minutes too.
    Hour,
    /// A day; where clocks are turned it has 23 or 25 hours.
    Day,
    /// A calendar month.
    Month,
}
