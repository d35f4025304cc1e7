//! Receipts: what a rule was asked for a rating, what it answered and what it logs, shown to those who may see it.
//!
//! A rule is a function of its input, so logs of good runs are kept nowhere: the receipt is run again, and its answer
//! is held against the one that was charged. A request may have only so many receipts run again. This module must not
//! know how a price comes about, only how to ask the same question once more.

mod again;
mod answer;
mod runs;
mod steps;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use canopy_entity::rating;

use crate::rules::RuleVersionView;

pub use answer::answer_of;
pub use runs::{MAX_RUNS, RuleRun};

/// How many receipts one request may have run again.
pub const MAX_RERUNS: usize = 300;

/// What is left of the receipts that one request may have run again.
#[derive(Debug)]
pub struct Reruns(AtomicUsize);

impl Default for Reruns {
    fn default() -> Self {
        Self(AtomicUsize::new(MAX_RERUNS))
    }
}

impl Reruns {
    /// Begins again, for the next answer of a stream.
    pub fn renew(&self) {
        self.0.store(MAX_RERUNS, Ordering::Relaxed);
    }

    /// Takes one; false if none is left.
    pub(crate) fn take(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

/// What came of running a receipt again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// The question has the receipt's digest, and the answer is the one that was charged, byte for byte.
    Equal,
    /// Something of it is not as the receipt says.
    Different,
    /// It could not be run at the moment.
    Unavailable,
}

/// A receipt that was run again.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// What came of it.
    pub replay: Replay,
    /// Why it is not equal, as a sentence.
    pub note: Option<String>,
    /// What the rule logged.
    pub logs: Vec<String>,
    /// What the rule was asked: JSON, of which the digest is the receipt's. None if no rule priced it, if what is
    /// stored makes no question, or if nothing was left to run it with.
    pub input: Option<String>,
    /// What the rule answered when it was charged: JSON, of which the digest is the receipt's. None as above, or if
    /// what is stored is not that answer.
    pub output: Option<String>,
    /// The rule's own reason, if it gave one.
    pub reason: Option<String>,
}

impl Replayed {
    /// A receipt for which nothing was left. Its question is not told either: there may be very many of them.
    fn unavailable() -> Self {
        Self {
            replay: Replay::Unavailable,
            note: Some("Too many receipts are run again at once: ask for fewer.".to_owned()),
            logs: Vec::new(),
            input: None,
            output: None,
            reason: None,
        }
    }
}

/// What one seller of the chain charged, as far as the actor may see it.
#[derive(Debug, Clone)]
pub struct PriceStep {
    /// The row.
    pub rating: rating::Model,
    /// The rule that priced it; none if there is none or the actor may not see it.
    pub rule: Option<RuleVersionView>,
    /// The receipt, for those who see the seller and, if a rule priced it, the rule.
    pub replayed: Option<Arc<Replayed>>,
}
