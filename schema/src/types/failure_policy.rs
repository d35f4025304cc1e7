//! `RuleFailurePolicy`.

use async_graphql::Enum;
use canopy_domain::entity::rule_version;

/// What happens when a rule fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "RuleFailurePolicy", remote = "rule_version::FailurePolicy")]
pub(crate) enum FailurePolicy {
    /// The usage is kept and its rating is PENDING until the rule answers. Only for pricing rules.
    KeepPending,
    /// What was asked for is refused with RULE_FAILED.
    Deny,
    /// For PRICING, the live rule of the nearest seller above that has one decides, from this seller's cost;
    /// without one the rating is PENDING. For LIMITS, the rule adds no limits, and what holds above still holds.
    ParentRule,
    /// The version decides that was live here before. Without one, or if it fails too, the rating is PENDING
    /// for PRICING, and what was asked for is refused for LIMITS.
    LastGood,
}
