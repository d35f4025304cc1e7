//! The side of the process that compiles.

use std::io::{Read, Write, stdin, stdout};
use std::process::ExitCode;

use rlimit::Resource;

use super::{BOUNDS, Bounds, REFUSED};
use crate::artifact::{self, Key, Label};
use crate::digest::Digest;
use crate::engine;

/// Body of the compiler process: reads a component from standard input, writes
/// the compiled result to standard output. Call it first thing in the process
/// that [`CompilerCommand`](crate::CompilerCommand) starts, before any thread or
/// file is opened, and exit with its code.
pub fn compile_stdin_to_stdout() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(text)) => {
            eprint!("{text}");
            ExitCode::from(REFUSED)
        }
        Err(Failure::Broken(text)) => {
            eprint!("{text}");
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    /// By the compiler: the component's fault.
    Refused(String),
    /// By the circumstances.
    Broken(String),
}

fn broken(cause: impl std::fmt::Display) -> Failure {
    Failure::Broken(cause.to_string())
}

fn run() -> Result<(), Failure> {
    let text = std::env::var(BOUNDS)
        .map_err(|_| broken("this command is for the server's own use: it compiles a rule from stdin"))?;
    let bounds = Bounds::from_text(&text).ok_or_else(|| broken("the bounds cannot be read"))?;
    confine(&bounds).map_err(broken)?;

    let mut key: Key = [0; 32];
    let mut input = stdin().lock();
    input.read_exact(&mut key).map_err(broken)?;
    let mut wasm = Vec::new();
    input
        .take(bounds.upload as u64 + 1)
        .read_to_end(&mut wasm)
        .map_err(broken)?;
    if wasm.len() > bounds.upload {
        return Err(broken("the component is too large"));
    }

    let engine = engine::compiling(bounds.class, bounds.memory).map_err(broken)?;
    let code = engine
        .precompile_component(&wasm)
        .map_err(|error| Failure::Refused(format!("{error:#}")))?;
    let label = Label {
        source: Digest::of(&wasm),
        engine: engine::fingerprint(&engine),
    };
    let sealed = artifact::seal(&key, &label, &code);
    stdout().lock().write_all(&sealed).map_err(broken)
}

/// Takes from this process what it does not need. Past the processor time it is
/// ended by a signal; without memory it aborts.
fn confine(bounds: &Bounds) -> std::io::Result<()> {
    let set = |resource: Resource, limit: u64| {
        if resource.is_supported() {
            resource.set(limit, limit)
        } else {
            Ok(())
        }
    };
    set(Resource::AS, bounds.address_space)?;
    if Resource::CPU.is_supported() {
        Resource::CPU.set(bounds.cpu, bounds.cpu + 1)?;
    }
    set(Resource::CORE, 0)?;
    set(Resource::FSIZE, 0)?;
    set(Resource::NPROC, 0)?;
    set(Resource::NOFILE, 16)
}
