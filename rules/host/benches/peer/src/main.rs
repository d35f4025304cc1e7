//! The same rule in another embedding, wasmer's: what one builds that takes a sandbox from the shelf. A plain core
//! module is compiled once with metering; each call gets a new store and instance, and JSON through the guest's memory.
//! `peer GUEST.wasm` answers requests of the rules benchmark, each a line of JSON, until its input ends. Times, memory
//! and the guest's answer are not bounded here, as they are in Canopy.

extern crate alloc;

mod embedding;
#[path = "../guest/src/wire.rs"]
mod wire;

use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::embedding::{Embedding, Sandbox};
use crate::wire::PricingInput;

/// What the benchmark asks. Batches are numbered as they come.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    /// A batch to remember; answered with its prices.
    Batch(PricingInput),
    /// Calls for so long, with so many to an instance; answered with their times in nanoseconds.
    Time {
        batch: usize,
        calls_per_instance: usize,
        milliseconds: u64,
        least: usize,
    },
}

fn main() -> Result<(), Box<dyn Error>> {
    let guest = std::env::args_os().nth(1).ok_or("usage: peer GUEST.wasm")?;
    let embedding = Embedding::new(&std::fs::read(guest)?)?;
    let mut batches = Vec::new();
    let mut answers = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Request::Batch(input) => {
                let prices = embedding.sandbox()?.price(&input)?;
                batches.push(input);
                serde_json::to_string(&prices)?
            }
            Request::Time {
                batch,
                calls_per_instance,
                milliseconds,
                least,
            } => {
                let input = batches.get(batch).ok_or("no such batch")?;
                let time = Duration::from_millis(milliseconds);
                let times = times(&embedding, input, calls_per_instance, time, least)?;
                serde_json::to_string(&times)?
            }
        };
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

/// Calls for so long, at least so often. Making an instance, and throwing it away, counts to the call that needs it.
fn times(
    embedding: &Embedding,
    input: &PricingInput,
    calls_per_instance: usize,
    time: Duration,
    least: usize,
) -> Result<Vec<u64>, Box<dyn Error>> {
    let end = Instant::now() + time;
    let mut times = Vec::new();
    let mut sandbox: Option<Sandbox> = None;
    while times.len() < least || Instant::now() < end {
        let begin = Instant::now();
        let mut current = match sandbox.take() {
            Some(sandbox) => sandbox,
            None => embedding.sandbox()?,
        };
        black_box(current.price(black_box(input))?);
        if current.calls() < calls_per_instance {
            sandbox = Some(current);
        } else {
            drop(current);
        }
        times.push(u64::try_from(begin.elapsed().as_nanos())?);
    }
    Ok(times)
}
