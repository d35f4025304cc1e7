//! The server's side: starts the compiler, feeds it, and bounds what comes back.

use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{BOUNDS, Bounds, REFUSED};
use crate::artifact::{self, Label, SEAL};
use crate::error::{RuleError, quoted};
use crate::pool::Pool;
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

/// Compiles a component. What comes back was sealed by the process that we
/// started for this component and this engine.
pub(crate) async fn compile(
    command: &CompilerCommand,
    pool: &Pool,
    label: &Label,
    wasm: &[u8],
) -> Result<Vec<u8>, RuleError> {
    let settings = &pool.settings.compile;
    let bounds = Bounds {
        class: pool.class,
        memory: pool.settings.memory,
        address_space: settings.memory as u64,
        cpu: settings.cpu.as_secs().max(1),
        upload: pool.settings.upload,
    };
    let key = artifact::random_key().map_err(RuleError::unavailable)?;
    let mut child = Command::new(&command.program)
        .args(&command.args)
        .env_clear()
        .env(BOUNDS, bounds.to_text())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| RuleError::unavailable(format!("the rule compiler does not start: {error}")))?;
    // When time is up the child is dropped, and so killed.
    let talk = talk(&mut child, &key, wasm, (settings.artifact + SEAL) as u64);
    let answer = timeout(settings.deadline, talk)
        .await
        .map_err(|_| RuleError::CompileTimeout)?
        .map_err(|error| RuleError::unavailable(format!("cannot talk to the rule compiler: {error}")))?;
    if answer.sealed.len() > settings.artifact + SEAL {
        return Err(RuleError::CompileFailed(format!(
            "the result is larger than {} bytes",
            settings.artifact
        )));
    }
    if !answer.status.success() {
        return Err(failure(answer.status, &answer.message));
    }
    match artifact::open(&key, label, &answer.sealed) {
        Some(code) => Ok(code.to_vec()),
        None => Err(RuleError::unavailable(
            "the rule compiler's result is not sealed as it should be",
        )),
    }
}

struct Answer {
    sealed: Vec<u8>,
    message: String,
    status: ExitStatus,
}

async fn talk(child: &mut Child, key: &[u8], wasm: &[u8], limit: u64) -> std::io::Result<Answer> {
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(std::io::Error::other("a pipe is missing"));
    };
    let write = async move {
        // A compiler that ended early says why by its exit.
        let _ = stdin.write_all(key).await;
        let _ = stdin.write_all(wasm).await;
    };
    // Each pipe is closed when enough was read, so that the child cannot hang on it.
    let read = async move {
        let mut sealed = Vec::new();
        stdout
            .take(limit + 1)
            .read_to_end(&mut sealed)
            .await
            .map(|_| sealed)
    };
    let listen = async move {
        let mut message = Vec::new();
        stderr
            .take(MAX_MESSAGE)
            .read_to_end(&mut message)
            .await
            .map(|_| message)
    };
    let ((), sealed, message) = tokio::join!(write, read, listen);
    let status = child.wait().await?;
    Ok(Answer {
        sealed: sealed?,
        message: String::from_utf8_lossy(&message?).into_owned(),
        status,
    })
}

fn failure(status: ExitStatus, message: &str) -> RuleError {
    if status.code() == Some(i32::from(REFUSED)) {
        return RuleError::CompileFailed(quoted(message));
    }
    if status.code() == Some(PANICKED) {
        return RuleError::CompileFailed("the compiler gave up on it".into());
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        match status.signal() {
            Some(SIGXCPU) => return RuleError::CompileTimeout,
            // An allocation that fails and a stack that runs out both abort.
            Some(SIGABRT | SIGSEGV) => {
                return RuleError::CompileFailed("it needs too much memory to compile".into());
            }
            _ => {}
        }
    }
    RuleError::unavailable(format!("the rule compiler failed: {status}: {}", quoted(message)))
}
