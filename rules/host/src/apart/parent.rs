//! The server's side: starts the process, feeds it, and bounds what comes back.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::REFUSED;
use crate::error::{RuleError, quoted};
use crate::settings::CompilerCommand;

const MAX_MESSAGE: u64 = 4096;

/// Exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

#[cfg(unix)]
const SIGABRT: i32 = 6;
#[cfg(unix)]
const SIGSEGV: i32 = 11;
#[cfg(unix)]
const SIGXCPU: i32 = 24;

/// What is to be done apart.
pub(crate) struct Work<'a> {
    pub(crate) command: &'a CompilerCommand,
    /// The environment of the process: says what its work is, and carries its bounds.
    pub(crate) bounds: (&'static str, String),
    /// What it reads.
    pub(crate) input: [&'a [u8]; 2],
    /// Largest result, in bytes.
    pub(crate) largest: usize,
    /// Wall-clock time.
    pub(crate) deadline: Duration,
}

/// How it ended.
pub(crate) enum End {
    /// With this result.
    Done(Vec<u8>),
    /// With a result that is too large.
    TooLarge,
    /// What was given is refused, for this reason.
    Refused(String),
    /// Whoever worked gave up on it.
    GaveUp,
    OutOfMemory,
    OutOfTime,
}

/// Programs with the allocator mimalloc, as `canopy` is one, would reserve more address space before they are bounded than
/// the bound allows.
const RESERVE: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "0");

impl Work<'_> {
    /// Does it. [`RuleError::Unavailable`] if that cannot be done at the moment.
    pub(crate) async fn run(self) -> Result<End, RuleError> {
        let (variable, bounds) = &self.bounds;
        let mut child = Command::new(&self.command.program)
            .args(&self.command.args)
            .env_clear()
            .env(variable, bounds)
            .env(RESERVE.0, RESERVE.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| RuleError::unavailable(format!("the rule compiler does not start: {error}")))?;
        // When time is up the child is dropped, and so killed.
        let talk = talk(&mut child, self.input, self.largest as u64);
        let Ok(answer) = timeout(self.deadline, talk).await else {
            return Ok(End::OutOfTime);
        };
        let answer = answer
            .map_err(|error| RuleError::unavailable(format!("cannot talk to the rule compiler: {error}")))?;
        if answer.result.len() > self.largest {
            return Ok(End::TooLarge);
        }
        if answer.status.success() {
            return Ok(End::Done(answer.result));
        }
        failure(answer.status, answer.message)
    }
}

struct Answer {
    result: Vec<u8>,
    message: String,
    status: ExitStatus,
}

async fn talk(child: &mut Child, input: [&[u8]; 2], limit: u64) -> std::io::Result<Answer> {
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(std::io::Error::other("a pipe is missing"));
    };
    let write = async move {
        // A process that ended early says why by its exit.
        for part in input {
            let _ = stdin.write_all(part).await;
        }
    };
    // Each pipe is closed when enough was read, so that the child cannot hang on it.
    let read = async move {
        let mut result = Vec::new();
        stdout
            .take(limit + 1)
            .read_to_end(&mut result)
            .await
            .map(|_| result)
    };
    let listen = async move {
        let mut message = Vec::new();
        stderr
            .take(MAX_MESSAGE)
            .read_to_end(&mut message)
            .await
            .map(|_| message)
    };
    let ((), result, message) = tokio::join!(write, read, listen);
    let status = child.wait().await?;
    Ok(Answer {
        result: result?,
        message: String::from_utf8_lossy(&message?).into_owned(),
        status,
    })
}

fn failure(status: ExitStatus, message: String) -> Result<End, RuleError> {
    if status.code() == Some(i32::from(REFUSED)) {
        return Ok(End::Refused(message));
    }
    if status.code() == Some(PANICKED) {
        return Ok(End::GaveUp);
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        match status.signal() {
            Some(SIGXCPU) => return Ok(End::OutOfTime),
            // An allocation that fails and a stack that runs out both abort.
            Some(SIGABRT | SIGSEGV) => return Ok(End::OutOfMemory),
            _ => {}
        }
    }
    let message = quoted(&message);
    Err(RuleError::unavailable(format!(
        "the rule compiler failed: {status}: {message}"
    )))
}
