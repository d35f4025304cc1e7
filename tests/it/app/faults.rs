//! Breaking off at a named step, and learning which steps there are.

use std::sync::{Arc, Mutex, PoisonError};

use canopy_domain::domain::Faults;

/// Breaks the domain off at the chosen step, as often as it comes there.
#[derive(Clone, Default)]
pub(crate) struct FaultSwitch(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    at: Option<&'static str>,
    passed: Vec<&'static str>,
}

impl FaultSwitch {
    pub(crate) fn as_faults(&self) -> Faults {
        let state = Arc::clone(&self.0);
        Faults::at(move |step| {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.passed.push(step);
            state.at == Some(step)
        })
    }

    /// Breaks off at `step` from now on.
    pub(crate) fn break_at(&self, step: &'static str) {
        self.0.lock().unwrap().at = Some(step);
    }

    /// Breaks off nowhere from now on.
    pub(crate) fn mend(&self) {
        self.0.lock().unwrap().at = None;
    }

    /// The steps passed since the last time, each once, in order.
    pub(crate) fn passed(&self) -> Vec<&'static str> {
        let mut steps = std::mem::take(&mut self.0.lock().unwrap().passed);
        let mut seen = std::collections::HashSet::new();
        steps.retain(|step| seen.insert(*step));
        steps
    }
}
