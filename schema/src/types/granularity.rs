//! `Granularity`.

use async_graphql::Enum;
use canopy_domain::entity::usage_aggregate;

/// The length of a bucket of usage, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "usage_aggregate::Granularity")]
pub(crate) enum Granularity {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A calendar month.
    Month,
}
