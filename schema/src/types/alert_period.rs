//! `AlertPeriod`.

use async_graphql::Enum;
use canopy_domain::entity::usage_alert;

/// What an alert adds up, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "usage_alert::AlertPeriod")]
pub(crate) enum AlertPeriod {
    /// A day.
    Day,
    /// A calendar month.
    Month,
}
