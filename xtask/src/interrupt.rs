//! Ctrl-C and SIGTERM: remembers that they came and passes them on to the command that runs.
//! It knows process groups, not what runs in them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// What a shell reports for a command that SIGINT ended.
pub(crate) const EXIT_CODE: u8 = 130;

struct State {
    signals: u32,
    running: Option<Pid>,
}

static STATE: Mutex<State> = Mutex::new(State {
    signals: 0,
    running: None,
});
static CHANGED: Condvar = Condvar::new();

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Handles SIGINT, SIGTERM and SIGHUP from now on. The process itself goes on, so that what it started is
/// stopped in order; a second signal kills the running command.
pub(crate) fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        let mut state = state();
        state.signals += 1;
        let signal = if state.signals == 1 {
            Signal::TERM
        } else {
            Signal::KILL
        };
        if let Some(group) = state.running {
            // The group may have ended by itself a moment ago.
            let _ = kill_process_group(group, signal);
        }
        CHANGED.notify_all();
    })
    .context("cannot handle Ctrl-C")
}

/// Whether a signal has asked us to stop.
pub(crate) fn interrupted() -> bool {
    state().signals > 0
}

/// Waits until a signal comes, at most for `limit`; tells whether one came.
pub(crate) fn wait(limit: Duration) -> bool {
    let (state, _) = CHANGED
        .wait_timeout_while(state(), limit, |state| state.signals == 0)
        .unwrap_or_else(PoisonError::into_inner);
    state.signals > 0
}

/// While this lives, a signal is passed on to one process group.
pub(crate) struct Forwarding;

impl Forwarding {
    /// Names the group that receives the signals. Refused after a signal, so that nothing new starts.
    pub(crate) fn to(group: Pid) -> Result<Self> {
        let mut state = state();
        if state.signals > 0 {
            // It was started in the moment of the signal and has not heard of it.
            let _ = kill_process_group(group, Signal::TERM);
            bail!("interrupted");
        }
        state.running = Some(group);
        Ok(Self)
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        state().running = None;
    }
}
