//! What can be wrong with a configuration. Each message names the key and where its value came from.

use std::path::PathBuf;

use super::Origin;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named by `--config` or `CANOPY_CONFIG` cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// The file is not TOML. `detail` has the line and column.
    #[error("the configuration file {} is not valid TOML: {detail}", path.display())]
    Syntax { path: PathBuf, detail: String },
    /// There is no such key.
    #[error("unknown key {key} ({origin}){}", hint(suggestion))]
    UnknownKey {
        key: String,
        origin: Origin,
        suggestion: Option<String>,
    },
    /// The value has the wrong type or is out of range. `value` is masked for a secret.
    #[error("bad value for {key}: expected {expected}, got {value} ({origin})")]
    BadValue {
        key: String,
        expected: String,
        value: String,
        origin: Origin,
    },
    /// A key that this command needs has no value.
    #[error("{key} is not set: {how}")]
    Missing { key: &'static str, how: &'static str },
}

fn hint(suggestion: &Option<String>) -> String {
    suggestion
        .as_ref()
        .map(|key| format!("; did you mean {key}?"))
        .unwrap_or_default()
}

/// What a deserializer's message expected, in plain words.
pub(super) fn expectation(message: &str) -> String {
    let sentence = message.lines().next().unwrap_or_default();
    let Some((_, expected)) = sentence.split_once("expected ") else {
        return sentence.to_owned();
    };
    match expected {
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list of strings".to_owned(),
        other => other.to_owned(),
    }
}
