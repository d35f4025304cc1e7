//! `ErrorCode`.

use async_graphql::Enum;

/// The codes of all errors: in `extensions.code` of a top-level error, and in a UserError.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "canopy_domain::ErrorCode")]
pub(crate) enum ErrorCode {
    /// No credential, or one that does not hold.
    Unauthenticated,
    /// The credential holds and does not allow this.
    Forbidden,
    /// There is no such thing, or it is another tenant's: the two are told alike.
    NotFound,
    /// The document or the input is wrong in itself.
    BadUserInput,
    /// The input contradicts what is already there, or an idempotency key was used before with another input.
    Conflict,
    /// A limit or a balance does not allow it.
    LimitExceeded,
    /// A rule failed or is not fit to run.
    RuleFailed,
    /// Too much at once; try again later.
    RateLimited,
    /// Our fault. `extensions.requestId` of the error names the request for a report.
    Internal,
}
