//! Simulations: what a pricing rule would have charged, beside what was charged.
//!
//! A dry run takes the rated usage of a period at one seller's edge and asks a version, which need not be live, the
//! question that was asked then: the same facts of the same receipts, the cost that the seller really had. What the
//! sellers above and below charge is not run again. A shadow does the same with new usage as it comes in. Nothing
//! here writes a price, a posting or a sum; a version that fails fails alone.
//!
//! An event that waits for its price is counted apart and not run: neither its cost nor what stands before it in its
//! month is settled. An event for which the candidate has no price that may be charged is a failure, and counts on
//! neither side of the sums.

mod accounts;
mod before;
mod candidate;
mod changes;
mod csv;
mod guard;
mod job;
mod page;
mod progress;
mod read;
mod run;
mod shadow;
mod start;
mod store;
mod tally;

use canopy_entity::{simulation, simulation_account};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

pub use guard::SetRuleGuard;
pub(crate) use guard::objection;
pub use start::{MAX_RUNNING, SimulateRule};
pub use tally::variance;

/// A simulation that the actor may see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulationView {
    /// The row.
    pub row: simulation::Model,
}

impl SimulationView {
    /// |after − before| / before, in millionths of a percent; none where nothing was charged before and something
    /// would be.
    pub fn variance(&self) -> Option<i64> {
        variance(self.row.before_amount, self.row.after_amount)
    }
}

/// The part of one account.
pub type SimulationAccount = simulation_account::Model;

/// Who is told within this process that there is something to run, and that something has moved.
pub(crate) struct Bell {
    waiting: Notify,
    moved: watch::Sender<()>,
}

impl Default for Bell {
    fn default() -> Self {
        Self {
            waiting: Notify::new(),
            moved: watch::Sender::new(()),
        }
    }
}
