//! Whether a configuration is what the rule's JSON Schema asks for. Both are a stranger's, and a schema of a few lines
//! can ask for more work than anybody has time for, so it is looked at in a process apart. Nothing is fetched: a schema
//! refers to itself and to the published drafts only. Knows neither the engine nor what a configuration means.

mod child;
mod parent;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use child::work;

/// Environment variable that carries the bounds of the process.
pub(crate) const BOUNDS: &str = "CANOPY_RULE_CONFIGURATION";

/// Of the process: a schema of 64 KiB is read within a tenth of each.
const MEMORY: u64 = 512 << 20;
const CPU_SECONDS: u64 = 2;
const DEADLINE: Duration = Duration::from_secs(20);

/// Processes at once.
pub(crate) const AT_ONCE: usize = 2;
/// Longest wait for one.
pub(crate) const WAIT: Duration = Duration::from_secs(20);

/// A compiled pattern, in bytes. Patterns are matched in linear time, so they have neither references back nor a look
/// around.
const PATTERN: usize = 1 << 20;

/// The largest schema and configuration together, in bytes of their JSON.
const LARGEST: usize = 256 << 10;

/// A place names so many properties and positions, none of them longer than this.
const MAX_PLACE: usize = 32;
const MAX_NAME: usize = 128;

/// The first place where a configuration is not what was asked for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Misfit {
    place: Vec<String>,
    message: String,
}
