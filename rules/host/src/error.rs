//! What can go wrong with a rule, and whose fault it is. Each message is a safe
//! sentence: it says nothing of the host and repeats no more of the rule's own
//! text than a bounded, printable part.

use std::time::Duration;

use crate::contract::Refusal;

/// Longest text of a rule that a message repeats, in bytes.
pub(crate) const MAX_QUOTED: usize = 500;

/// Why a rule was not accepted or gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The upload is larger than the class allows.
    #[error("The rule is larger than {limit} bytes.")]
    TooLarge {
        /// The bound, in bytes.
        limit: usize,
    },
    /// Not a well-formed component, or beyond a structural bound.
    #[error("The rule is not acceptable: {0}.")]
    Invalid(String),
    /// It imports something else than the log.
    #[error("A rule may import `canopy:rules/log@1.0.0` and nothing else; this one imports `{0}`.")]
    ForbiddenImport(String),
    /// It does not export exactly one of the two worlds with the right types.
    #[error("The rule must be a component of exactly one of the worlds of canopy:rules@1.0.0: {0}.")]
    WrongWorld(String),
    /// The compiler refused it or ran out of memory.
    #[error("The rule could not be compiled: {0}.")]
    CompileFailed(String),
    /// The compiler ran out of time.
    #[error("The rule takes too long to compile.")]
    CompileTimeout,
    /// A call used up its instructions.
    #[error("The rule ran out of fuel: it did more than the {limit} steps it was given.")]
    OutOfFuel {
        /// Fuel given to the call.
        limit: u64,
    },
    /// A call used up its time.
    #[error("The rule ran longer than {milliseconds} ms.")]
    Timeout {
        /// The bound.
        milliseconds: u64,
    },
    /// A call asked for more memory than the class allows.
    #[error("The rule asked for more than {limit} bytes of memory.")]
    OutOfMemory {
        /// The bound, in bytes.
        limit: usize,
    },
    /// A call nested too deep.
    #[error("The rule ran out of stack.")]
    StackOverflow,
    /// A call trapped.
    #[error("The rule crashed: {0}.")]
    Trap(String),
    /// The answer breaks the contract.
    #[error("The rule's answer is not valid: {0}.")]
    InvalidOutput(String),
    /// The answer is larger than a call may answer.
    #[error("The rule's answer is too large.")]
    OutputTooLarge,
    /// A check of the contract suite failed: see [`Host::check`](crate::Host::check).
    #[error(
        "The rule breaks the contract in the check `{check}`: {message} The smallest case found: {counterexample}"
    )]
    BrokeContract {
        /// Name of the check.
        check: String,
        /// What is wrong, in one or two sentences.
        message: String,
        /// JSON: the calls of the smallest case found, each with its input and what came of it.
        counterexample: String,
    },
    /// The JSON Schema of its configuration cannot be used.
    #[error("The rule's configuration schema cannot be used: {0}.")]
    InvalidSchema(String),
    /// The configuration is not what the rule's schema asks for: the fault of whoever configured it.
    #[error(
        "The configuration is not what the rule's schema asks for{}: {message}.",
        shown_place(place)
    )]
    InvalidConfiguration {
        /// Where: names of properties and positions, from the outside in. It may end early where names are very long.
        place: Vec<String>,
        /// What is wrong there.
        message: String,
    },
    /// The rule says that its configuration cannot be used.
    #[error("The rule does not accept its configuration: {0}")]
    RefusedConfiguration(String),
    /// The rule says that it has no answer.
    #[error("The rule refused: {0}")]
    Refused(String),
    /// The rule's owner has used up what they may use for now. Nothing was run.
    #[error("The owner of the rule has used up their fuel for now; try again in {} s.", .retry_after.as_secs() + 1)]
    Throttled {
        /// When there will be something left.
        retry_after: Duration,
    },
    /// Our fault: the rule could not be run. The cause is in the log.
    #[error("The rule could not be run at the moment.")]
    Unavailable,
}

impl RuleError {
    /// Stable name of the variant, for metrics and records.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Invalid(_) => "invalid",
            Self::ForbiddenImport(_) => "forbidden_import",
            Self::WrongWorld(_) => "wrong_world",
            Self::CompileFailed(_) => "compile_failed",
            Self::CompileTimeout => "compile_timeout",
            Self::OutOfFuel { .. } => "out_of_fuel",
            Self::Timeout { .. } => "timeout",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::StackOverflow => "stack_overflow",
            Self::Trap(_) => "trap",
            Self::InvalidOutput(_) => "invalid_output",
            Self::OutputTooLarge => "output_too_large",
            Self::BrokeContract { .. } => "broke_contract",
            Self::InvalidSchema(_) => "invalid_schema",
            Self::InvalidConfiguration { .. } => "invalid_configuration",
            Self::RefusedConfiguration(_) => "refused_configuration",
            Self::Refused(_) => "refused",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether the rule is to blame. If not, the same call may succeed later.
    pub fn is_rules_fault(&self) -> bool {
        !matches!(self, Self::Throttled { .. } | Self::Unavailable)
    }

    /// Whether the rule broke its bounds or the contract, rather than refuse.
    pub(crate) fn is_misbehaviour(&self) -> bool {
        self.is_rules_fault()
            && !matches!(
                self,
                Self::Refused(_) | Self::RefusedConfiguration(_) | Self::InvalidConfiguration { .. }
            )
    }

    /// Our fault. The cause goes to the log here, once.
    pub(crate) fn unavailable(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a rule could not be run");
        Self::Unavailable
    }
}

impl From<Refusal> for RuleError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Configuration(text) => Self::RefusedConfiguration(quoted(&text)),
            Refusal::Unsupported(text) | Refusal::Failed(text) => Self::Refused(quoted(&text)),
        }
    }
}

/// As a JSON pointer in words; nothing for the whole configuration.
fn shown_place(place: &[String]) -> String {
    match place {
        [] => String::new(),
        place => format!(" at `/{}`", place.join("/")),
    }
}

/// A part of a text that came from a rule: bounded and printable.
pub(crate) fn quoted(text: &str) -> String {
    let end = text.floor_char_boundary(text.len().min(MAX_QUOTED));
    text[..end]
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The settings of the host cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("The sandbox for rules could not be set up: {0}")]
pub struct HostError(pub(crate) String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_bounded_and_printable() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), "a b [31m");
        assert!(quoted(&"é".repeat(1000)).len() <= MAX_QUOTED);
    }
}
