//! The server's process: waits until it is ready, and stops it by its own id when it is dropped.
//! It does not know how the server was set up.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::interrupt;

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// How a start ended.
pub(super) enum Start {
    Ready,
    Ended(ExitStatus),
    Late,
}

/// The postmaster. PostgreSQL's own processes end with it.
pub(super) struct Server(Child);

impl Server {
    pub(super) fn new(process: Child) -> Self {
        Self(process)
    }

    /// Asks `probe`, PostgreSQL's pg_isready, until it succeeds, the server ends or the limit is over.
    pub(super) fn wait_until_ready(&mut self, probe: &mut Command) -> Result<Start> {
        probe
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.ended()? {
                return Ok(Start::Ended(status));
            }
            if probe.status().context("cannot start pg_isready")?.success() {
                return Ok(Start::Ready);
            }
            if interrupt::wait(POLL) {
                bail!("interrupted");
            }
        }
        Ok(Start::Late)
    }

    /// The server's exit status, once it has ended.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.0.try_wait().context("cannot ask for PostgreSQL's state")
    }

    fn ends_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            // An error means that there is no such child any more.
            if !matches!(self.0.try_wait(), Ok(None)) {
                return true;
            }
            thread::sleep(POLL);
        }
        false
    }
}

impl Drop for Server {
    /// Fast shutdown, then immediate shutdown, then kill.
    fn drop(&mut self) {
        let process = Pid::from_child(&self.0);
        for signal in [Signal::INT, Signal::QUIT] {
            if self.ends_within(Duration::ZERO) {
                return;
            }
            if kill_process(process, signal).is_ok() && self.ends_within(STOP_LIMIT) {
                return;
            }
        }
        if self.0.kill().and_then(|()| self.0.wait()).is_err() {
            eprintln!(
                "warning: PostgreSQL (process {}) could not be stopped",
                self.0.id()
            );
        }
    }
}
