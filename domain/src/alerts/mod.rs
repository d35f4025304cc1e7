//! Thresholds on usage: told once in each period in which they are crossed.
//!
//! `watch` looks at sums of usage as they are written and says which thresholds they cross, `crossing` writes that down in the
//! same transaction, with its news. `change` makes, changes and deletes alerts.

mod change;
mod crossing;
mod read;
mod watch;

pub use change::{ChangeUsageAlert, MAX_ALERTS, NewUsageAlert, Threshold};
pub(crate) use crossing::write as announce;
pub(crate) use watch::{Reached, Watched};
