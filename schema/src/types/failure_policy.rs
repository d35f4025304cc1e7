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
}
