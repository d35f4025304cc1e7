//! Progress of long work, told on standard error: standard output is the answer's.

use std::io::{IsTerminal, Write, stderr};

/// Says what is being done now.
pub(super) fn tell(line: &str) {
    // Progress that nobody can read is no reason to stop.
    let _ = writeln!(stderr().lock(), "{line}");
}

/// How far something is: one line that moves on a terminal, elsewhere a line for each change.
#[derive(Default)]
pub(super) struct Counter {
    told: String,
    moving: bool,
}

impl Counter {
    pub(super) fn tell(&mut self, line: &str) {
        if self.told == line {
            return;
        }
        line.clone_into(&mut self.told);
        let mut err = stderr().lock();
        self.moving = err.is_terminal();
        // Progress that nobody can read is no reason to stop.
        let _ = if self.moving {
            write!(err, "\r{line}\u{1b}[K").and_then(|()| err.flush())
        } else {
            writeln!(err, "{line}")
        };
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if self.moving {
            let _ = writeln!(stderr().lock());
        }
    }
}
