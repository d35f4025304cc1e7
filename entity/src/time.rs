//! Instants as both databases keep them: UTC, to the microsecond.

use chrono::{DateTime, SubsecRound, Utc};

/// An instant in UTC with at most microseconds; what PostgreSQL can store, so that both databases give back what
/// was written.
pub type Timestamp = DateTime<Utc>;

/// The present instant, cut to the microsecond.
pub fn now() -> Timestamp {
    truncate(Utc::now())
}

/// `instant` without what is finer than a microsecond.
pub fn truncate(instant: Timestamp) -> Timestamp {
    instant.trunc_subsecs(6)
}
