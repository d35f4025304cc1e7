//! The side of the process that compiles.

use std::io::{Read, Write, stdin, stdout};

use super::Bounds;
use crate::apart::{Failure, broken, confine};
use crate::artifact::{self, Key, Label};
use crate::digest::Digest;
use crate::engine;

/// Compiles the component on standard input.
pub(crate) fn work(bounds: &str) -> Result<(), Failure> {
    let bounds = Bounds::from_text(bounds).ok_or_else(|| broken("the bounds cannot be read"))?;
    confine(bounds.address_space, bounds.cpu)?;

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
