//! `RuleKind`.

use async_graphql::Enum;
use canopy_domain::entity::rule_version;

/// What a rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "rule_version::RuleKind")]
pub(crate) enum RuleKind {
    /// What the seller's direct customers pay for usage.
    Pricing,
    /// How much an account may have.
    Limits,
}
