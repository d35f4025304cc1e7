//! Runs one command to its end: bounded in time, stopped on Ctrl-C, its tests counted from what it prints.
//! It does not know what the commands are for.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::evidence::Evidence;
use crate::interrupt::{self, Forwarding};

/// How long a command may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(15);

/// How many tests a command reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    pub(crate) fn total(self) -> u64 {
        self.passed + self.failed + self.skipped
    }

    /// Takes in one line of output, if it is a summary of cargo's or node's test runner.
    fn read_line(&mut self, line: &str) {
        if let Some(summary) = line.strip_prefix("test result: ") {
            for part in summary.split([';', '.']) {
                self.take(part.trim(), |words| (words.next_back(), words.next_back()));
            }
        } else if let Some(summary) = line.strip_prefix("ℹ ") {
            self.take(summary.trim(), |words| (words.next(), words.next()));
        }
    }

    /// Reads a name and a number out of `text`, in the order that the runner writes them.
    fn take<'a>(
        &mut self,
        text: &'a str,
        order: impl FnOnce(&mut std::str::SplitWhitespace<'a>) -> (Option<&'a str>, Option<&'a str>),
    ) {
        let (Some(name), Some(number)) = order(&mut text.split_whitespace()) else {
            return;
        };
        let Ok(number) = number.parse::<u64>() else { return };
        match name {
            "passed" | "pass" => self.passed += number,
            "failed" | "fail" | "cancelled" => self.failed += number,
            "ignored" | "skipped" | "todo" => self.skipped += number,
            _ => {}
        }
    }
}

/// What a command came to: the tests that it reported, and why it failed if it did.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) counts: Counts,
    pub(crate) evidence: Evidence,
    pub(crate) failure: Option<String>,
}

/// Runs `command` and shows its output as it comes. An `Err` means that it could not be run at all, or
/// that we were interrupted.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Report> {
    eprintln!("\n$ {}", line_of(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let group = group_of(&child);
    let forwarding = Forwarding::to(group);
    let (done, ended) = mpsc::channel();
    let watch = thread::spawn(move || stop_when_late(group, limit, &ended));

    let read = copy_output(&mut child);
    let status = child.wait().context("cannot wait for the command");
    drop(done);
    let late = watch.join().unwrap_or(false);
    drop(forwarding?);

    if interrupt::interrupted() {
        bail!("interrupted");
    }
    let status = status?;
    let failure = if late {
        Some(format!("took longer than {} minutes", limit.as_secs() / 60))
    } else if status.success() {
        None
    } else {
        Some(status.to_string())
    };
    let (counts, evidence) = read?;
    Ok(Report {
        counts,
        evidence,
        failure,
    })
}

/// Runs a short command and returns what it wrote to standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", line_of(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` did not print text", line_of(command)))
}

fn copy_output(child: &mut Child) -> Result<(Counts, Evidence)> {
    let mut counts = Counts::default();
    let mut evidence = Evidence::default();
    let output = child
        .stdout
        .take()
        .expect("standard output was piped when the command was started");
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    let mut out = std::io::stdout();
    while reader
        .read_until(b'\n', &mut line)
        .context("cannot read the command's output")?
        > 0
    {
        // A closed standard output (`| head`) ends the display, not the command.
        let _ = out.write_all(&line).and_then(|()| out.flush());
        let text = String::from_utf8_lossy(&line);
        counts.read_line(text.trim_end());
        evidence.read_line(text.trim_end());
        line.clear();
    }
    Ok((counts, evidence))
}

/// Ends the group when `limit` has passed before `ended` is closed; tells whether it had to.
fn stop_when_late(group: Pid, limit: Duration, ended: &Receiver<()>) -> bool {
    for (wait, signal) in [(limit, Signal::TERM), (GRACE, Signal::KILL)] {
        if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return signal == Signal::KILL;
        }
        // The group may have ended between the deadline and this line.
        let _ = kill_process_group(group, signal);
    }
    true
}

/// The group of a child that was started as the leader of its own.
fn group_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// The command as one would type it.
fn line_of(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn summaries_of_both_runners_are_counted() {
        let mut counts = Counts::default();
        for line in [
            "running 12 tests",
            "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s",
            "ℹ tests 9",
            "ℹ pass 8",
            "ℹ fail 1",
            "ℹ skipped 2",
            "ℹ duration_ms 12",
        ] {
            counts.read_line(line);
        }
        assert_eq!(
            counts,
            Counts {
                passed: 20,
                failed: 4,
                skipped: 3
            }
        );
    }

    #[test]
    fn failing_command_is_reported_with_its_status() {
        let report = run(&mut shell("exit 3"), LIMIT).unwrap();
        assert!(report.failure.unwrap().contains('3'));
    }

    #[test]
    fn command_over_its_limit_is_stopped_with_its_children() {
        let report = run(&mut shell("sleep 600 & wait"), Duration::from_millis(50)).unwrap();
        assert!(report.failure.unwrap().contains("took longer"));
    }
}
