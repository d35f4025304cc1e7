//! `RuleClass`.

use async_graphql::Enum;
use canopy_domain::entity::rule_version;

/// What a call of a rule may cost, by the bounds that its wasm fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "rule_version::RuleClass")]
pub(crate) enum RuleClass {
    /// Compiled from a language like Rust or C: a call takes microseconds and at most 16 MiB.
    Small,
    /// With an interpreter inside, as for JavaScript or Python: a call takes tenths of a millisecond or more, and
    /// at most 128 MiB. The same work uses up its account's budget many times faster.
    Interpreter,
}
