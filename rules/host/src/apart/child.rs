//! The side of the process that works.

use std::process::ExitCode;

use rlimit::Resource;

use super::REFUSED;
use crate::{compile, configuration};

/// Body of the process that works apart: reads what it is given from standard input, writes what came of it to
/// standard output. Call it first thing in the process that [`CompilerCommand`](crate::CompilerCommand) starts, before
/// any thread or file is opened, and exit with its code.
pub fn work_apart() -> ExitCode {
    let done = match (
        std::env::var(compile::BOUNDS),
        std::env::var(configuration::BOUNDS),
    ) {
        (Ok(bounds), _) => compile::work(&bounds),
        (_, Ok(bounds)) => configuration::work(&bounds),
        _ => Err(broken(
            "this command is for the server's own use: it compiles a rule from stdin",
        )),
    };
    let (code, text) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Refused(text)) => (ExitCode::from(REFUSED), text),
        Err(Failure::Broken(text)) => (ExitCode::FAILURE, text),
    };
    eprint!("{text}");
    code
}

pub(crate) enum Failure {
    /// The fault of what was given.
    Refused(String),
    /// The fault of the circumstances.
    Broken(String),
}

pub(crate) fn broken(cause: impl std::fmt::Display) -> Failure {
    Failure::Broken(cause.to_string())
}

/// Takes from this process what it does not need. Past the processor time (seconds) it is ended by a signal; without
/// memory (bytes of address space) it aborts.
pub(crate) fn confine(address_space: u64, cpu: u64) -> Result<(), Failure> {
    let set = |resource: Resource, limit: u64| {
        if resource.is_supported() {
            resource.set(limit, limit)
        } else {
            Ok(())
        }
    };
    let confine = || -> std::io::Result<()> {
        set(Resource::AS, address_space)?;
        if Resource::CPU.is_supported() {
            Resource::CPU.set(cpu, cpu + 1)?;
        }
        set(Resource::CORE, 0)?;
        set(Resource::FSIZE, 0)?;
        set(Resource::NPROC, 0)?;
        set(Resource::NOFILE, 16)
    };
    confine().map_err(broken)
}
