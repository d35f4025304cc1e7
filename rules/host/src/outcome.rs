//! What a call gives to its caller. Knows nothing of how it was run.

use std::time::Duration;

use crate::call::Ran;
use crate::digest::Digest;
use crate::error::RuleError;

/// An answer, and what it took.
#[derive(Debug, Clone)]
pub struct Outcome<T> {
    /// The checked answer.
    pub value: T,
    /// What the rule said meanwhile: at most 64 messages of 200 bytes. In no digest.
    pub logs: Vec<String>,
    /// Fuel used. The same for the same rule and input.
    pub fuel: u64,
    /// SHA-256 of the input's JSON.
    pub input_digest: Digest,
    /// SHA-256 of the answer's JSON.
    pub output_digest: Digest,
    /// Wall-clock time of the call, without waiting.
    pub elapsed: Duration,
}

/// A call, whether it gave an answer or not. It has no digests: for many lines they take longer than the call.
#[derive(Debug, Clone)]
pub struct Examined<T> {
    /// The checked answer, or why there is none.
    pub result: Result<T, RuleError>,
    /// What the rule said before it ended: at most 64 messages of 200 bytes.
    pub logs: Vec<String>,
    /// Fuel used.
    pub fuel: u64,
    /// Wall-clock time of the call, without waiting.
    pub elapsed: Duration,
    /// Linear memory that the call had at its end, in bytes.
    pub memory: usize,
}

impl<T: serde::Serialize> Examined<T> {
    pub(crate) fn new(ran: Ran<T>) -> Self {
        Self {
            result: ran.result,
            logs: ran.logs,
            fuel: ran.fuel,
            elapsed: ran.elapsed,
            memory: ran.memory,
        }
    }

    /// The answer alone, to a question with this digest.
    pub(crate) fn outcome(self, input_digest: Digest) -> Result<Outcome<T>, RuleError> {
        let value = self.result?;
        Ok(Outcome {
            output_digest: Digest::of_json(&value),
            value,
            logs: self.logs,
            fuel: self.fuel,
            input_digest,
            elapsed: self.elapsed,
        })
    }
}
