//! Usage: taken once, rated along the chain of sellers, added up by quarter of an hour, day and month, and told by the
//! clocks of any time zone.
//!
//! `check` looks at what was reported, `record` says who may report it, `intake` puts together what comes in at the same
//! time, `commit` prices it, and `write` is the one transaction in which keys, events, `ratings`, postings, `sums` (`split` says
//! where) and news are written or not. What was recorded is never changed: `corrections` adds to it. `holds` reserves credits for usage to come, at
//! a price that stands.

mod asked;
pub(crate) mod bucket;
mod building;
mod check;
mod commit;
mod corrections;
mod export;
mod holds;
mod intake;
mod keyed;
mod own_thread;
mod pending;
mod periods;
pub(crate) mod ratings;
mod read;
mod recent_keys;
mod record;
mod split;
mod sums;
mod totals;
mod values;
mod window;
mod write;
mod zone;

pub use asked::MAX_BUCKETS;
pub(crate) use check::{digest as digest_of, is_meter};
pub use corrections::{
    CORRECTION_FAULT_POINTS, Change, CorrectUsage, Correction, CorrectionOutcome, MAX_CORRECTIONS,
    NamedEvent, NewCorrection,
};
pub use export::{ExportUsage, ExportedEvent, ExportedRows, ExportedSum};
pub use holds::{HOLD_FAULT_POINTS, HoldSettings, HoldUsage, MeteredUse, SettledHold, UsageQuote};
pub(crate) use intake::Intake;
pub use intake::IntakeSettings;
pub use periods::{ClosedPeriod, MAX_PERIODS};
pub(crate) use read::check_meters;
pub use read::{MAX_METERS, Period, UsageBucket, UsageQuery, UsageTotal, UsageView};
pub use record::{EventOutcome, MAX_BATCH, NewUsageEvent, RecordUsage};
pub(crate) use split::{Bucket, sums_now};
pub(crate) use sums::Sums;
pub(crate) use values::ValuesOf;
pub use window::UsageWindow;
pub use write::FAULT_POINTS;
pub use zone::{Clocks, Granularity, Zone};

#[cfg(test)]
mod tests;
