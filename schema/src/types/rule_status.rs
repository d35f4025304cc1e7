//! `RuleStatus`.

use async_graphql::Enum;
use canopy_domain::entity::rule_version;

/// Where in its life a rule version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "rule_version::RuleStatus")]
pub(crate) enum RuleStatus {
    /// Uploaded, not checked.
    Draft,
    /// It passed its checks and may be activated.
    Checked,
    /// It runs beside the live version and decides nothing.
    Shadow,
    /// It decides.
    Active,
    /// It was taken out of use, and may be activated again.
    Retired,
    /// It is live and failed too often: its failure policy decides in its place, and it is not called until it
    /// is activated again.
    Quarantined,
}
