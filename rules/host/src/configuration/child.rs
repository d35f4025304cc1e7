//! The side of the process that reads the schema.

use std::io::{Read, Write, stdin, stdout};

use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{PatternOptions, ValidationError};
use serde_json::Value;

use super::{LARGEST, MAX_NAME, MAX_PLACE, Misfit, PATTERN};
use crate::apart::{Failure, broken, confine};
use crate::error::{MAX_QUOTED, quoted};

/// Holds the configuration on standard input against the schema before it; each is a line of JSON.
pub(crate) fn work(bounds: &str) -> Result<(), Failure> {
    let numbers = bounds
        .split_once(' ')
        .and_then(|(memory, cpu)| Some((memory.parse().ok()?, cpu.parse().ok()?)));
    let (memory, cpu) = numbers.ok_or_else(|| broken("the bounds cannot be read"))?;
    confine(memory, cpu)?;

    let mut input = String::new();
    let read = stdin().lock().take(LARGEST as u64 + 1).read_to_string(&mut input);
    read.map_err(broken)?;
    if input.len() > LARGEST {
        return Err(broken("the configuration is too large"));
    }
    let (schema, configuration) = input
        .split_once('\n')
        .ok_or_else(|| broken("there is no configuration"))?;
    let misfit = misfit(schema, configuration).map_err(Failure::Refused)?;
    let verdict = serde_json::to_vec(&misfit).map_err(broken)?;
    stdout().lock().write_all(&verdict).map_err(broken)
}

/// Where the configuration is not what the schema asks for, if there is such a place. An error is the schema's.
pub(super) fn misfit(schema: &str, configuration: &str) -> Result<Option<Misfit>, String> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    let configuration: Value = match serde_json::from_str(configuration) {
        Ok(configuration) => configuration,
        Err(error) => {
            return Ok(Some(Misfit {
                place: Vec::new(),
                message: error.to_string(),
            }));
        }
    };
    let patterns = PatternOptions::regex()
        .size_limit(PATTERN)
        .dfa_size_limit(PATTERN);
    let validator = jsonschema::options()
        .with_pattern_options(patterns)
        .offline()
        .build(&schema)
        .map_err(|error| match error.instance_path().as_str() {
            "" => error.to_string(),
            place => format!("at `{place}`: {error}"),
        })?;
    Ok(validator.validate(&configuration).err().map(|error| Misfit {
        place: place(error.instance_path()),
        message: message(&error),
    }))
}

/// As far as its names can be shown.
fn place(location: &Location) -> Vec<String> {
    let name = |segment: LocationSegment<'_>| match segment {
        LocationSegment::Property(name) => name.into_owned(),
        LocationSegment::Index(index) => index.to_string(),
    };
    let names = location.segments().map(name).take(MAX_PLACE);
    names.take_while(|name| name.len() <= MAX_NAME).collect()
}

/// With the wrong value in it, unless that is long.
fn message(error: &ValidationError<'_>) -> String {
    let message = error.to_string();
    if message.len() <= MAX_QUOTED {
        return quoted(&message);
    }
    quoted(&error.masked_with("it").to_string())
}
