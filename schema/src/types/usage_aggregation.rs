//! `UsageAggregation`.

use async_graphql::Enum;
use canopy_domain::plans;

/// How the usage of a meter over a time is told as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "plans::Aggregation")]
pub(crate) enum UsageAggregation {
    /// The sum of all quantities.
    Sum,
    /// How many events there were.
    Count,
    /// The greatest quantity of an event.
    Max,
    /// How many different values an attribute of the events had.
    Unique,
}
