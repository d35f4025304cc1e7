//! What can go wrong, with a stable code and a sentence that is safe to show.
//!
//! The cause of an internal error is kept for the log and never shown.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::DbErr;

/// The codes that clients may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// No credential, or one that does not hold.
    Unauthenticated,
    /// The credential holds, and does not allow this.
    Forbidden,
    /// There is no such thing, or it is another tenant's.
    NotFound,
    /// The input is wrong in itself.
    BadUserInput,
    /// The input contradicts what is already there.
    Conflict,
    /// A limit or a balance does not allow it.
    LimitExceeded,
    /// A rule failed or is not fit to run.
    RuleFailed,
    /// Too much at once; try again later.
    RateLimited,
    /// Our fault.
    Internal,
}

impl ErrorCode {
    /// The code as clients see it.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::Unauthenticated => "UNAUTHENTICATED",
            ErrorCode::Forbidden => "FORBIDDEN",
            ErrorCode::NotFound => "NOT_FOUND",
            ErrorCode::BadUserInput => "BAD_USER_INPUT",
            ErrorCode::Conflict => "CONFLICT",
            ErrorCode::LimitExceeded => "LIMIT_EXCEEDED",
            ErrorCode::RuleFailed => "RULE_FAILED",
            ErrorCode::RateLimited => "RATE_LIMITED",
            ErrorCode::Internal => "INTERNAL",
        }
    }
}

/// A result of the domain.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the domain. Its `Display` is safe to show to whoever asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No credential, or one that does not hold; which of the two, or why, is not told.
    #[error("The credential is not valid.")]
    Unauthenticated,
    /// The actor may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing, or it is another tenant's: the two are told alike.
    #[error("There is no such {0}.")]
    NotFound(&'static str),
    /// The input is wrong; `field` is the path to it within the mutation's `input`.
    #[error("{message}")]
    BadInput {
        /// Path of the wrong field, as in `["permissions", "0", "level"]`.
        field: Vec<String>,
        /// What is wrong with it.
        message: String,
    },
    /// The input contradicts what is already there.
    #[error("{message}")]
    Conflict {
        /// Path of the contradicting field.
        field: Vec<String>,
        /// What it contradicts.
        message: String,
    },
    /// A limit or a balance does not allow it.
    #[error("{message}")]
    LimitExceeded {
        /// What ran out: a resource of the limits rule, or `credits`.
        resource: String,
        /// Which limit, and what to do about it.
        message: String,
    },
    /// A rule failed or is not fit to run.
    #[error("{0}")]
    RuleFailed(String),
    /// Too much at once.
    #[error("Too many requests; try again in a moment.")]
    RateLimited {
        /// How long to wait before it is worth trying again.
        retry_after: Duration,
    },
    /// A stream whose reader has fallen too far behind, and ends for it.
    #[error("The stream has fallen behind by {missed} updates and ends; go on behind `resumeFrom`.")]
    Lagged {
        /// How many updates it would have had to tell.
        missed: u64,
        /// The cursor of the last update that was told, or from before the first.
        resume_from: String,
    },
    /// Our fault. The cause is for the log.
    #[error("Something went wrong on our side.")]
    Internal(Arc<Cause>),
}

/// Whatever went wrong underneath.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    /// An error of input, at `field`.
    pub fn bad_input(field: &[&str], message: impl Into<String>) -> Self {
        Error::BadInput {
            field: path(field),
            message: message.into(),
        }
    }

    /// A contradiction, at `field`.
    pub fn conflict(field: &[&str], message: impl Into<String>) -> Self {
        Error::Conflict {
            field: path(field),
            message: message.into(),
        }
    }

    /// Something that has no room now and will have some soon.
    pub(crate) fn busy() -> Self {
        Error::RateLimited {
            retry_after: Duration::from_secs(1),
        }
    }

    /// How long to wait before trying again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::RateLimited { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// An error that is ours; `cause` goes to the log.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Error::Internal(Arc::new(cause.into()))
    }

    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Error::Unauthenticated => ErrorCode::Unauthenticated,
            Error::Forbidden(_) => ErrorCode::Forbidden,
            Error::NotFound(_) => ErrorCode::NotFound,
            Error::BadInput { .. } => ErrorCode::BadUserInput,
            Error::Conflict { .. } => ErrorCode::Conflict,
            Error::LimitExceeded { .. } => ErrorCode::LimitExceeded,
            Error::RuleFailed(_) => ErrorCode::RuleFailed,
            Error::RateLimited { .. } | Error::Lagged { .. } => ErrorCode::RateLimited,
            Error::Internal(_) => ErrorCode::Internal,
        }
    }

    /// Path of the field that is to blame, where one is.
    pub fn field(&self) -> &[String] {
        match self {
            Error::BadInput { field, .. } | Error::Conflict { field, .. } => field,
            _ => &[],
        }
    }
}

impl From<DbErr> for Error {
    fn from(cause: DbErr) -> Self {
        Error::internal(cause)
    }
}

fn path(field: &[&str]) -> Vec<String> {
    field.iter().map(|part| (*part).to_owned()).collect()
}
