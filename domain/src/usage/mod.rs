//! Usage: taken once, rated along the chain of sellers, added up by hour, day and month.
//!
//! `check` looks at what was reported, `record` puts a batch together, and `write` is the one transaction in which
//! keys, events, ratings, postings, sums and news are written or not.

pub(crate) mod bucket;
mod check;
mod own;
mod pending;
mod read;
mod record;
pub(crate) mod subtree;
mod sums;
mod write;

pub(crate) use check::digest as digest_of;
pub use read::{MAX_BUCKETS, MAX_METERS, Period, UsageBucket, UsageQuery, UsageTotal, UsageView};
pub use record::{EventOutcome, MAX_BATCH, NewUsageEvent, RecordUsage};
pub use write::FAULT_POINTS;

#[cfg(test)]
mod tests;
