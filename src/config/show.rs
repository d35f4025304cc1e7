//! Prints the effective configuration, with secrets masked and the origin of each changed value.

use std::fmt::Write as _;

use serde_json::json;

use super::{
    layers::Loaded,
    mask::{SECRETS, URLS, shown, without_password},
};

/// How the configuration is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TOML with comments, for people.
    Toml,
    /// One JSON object: key → value and origin.
    Json,
}

impl Loaded {
    /// The effective configuration as text.
    pub fn show(&self, format: Format) -> String {
        match format {
            Format::Toml => self.as_toml(),
            Format::Json => self.as_json().to_string(),
        }
    }

    fn as_toml(&self) -> String {
        let mut text = String::new();
        let mut table = "";
        for (key, value) in &self.values {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            if section != table {
                let gap = if table.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{gap}[{section}]");
                table = section;
            }
            let origin = self
                .origins
                .get(key)
                .map(|origin| format!("  # {origin}"))
                .unwrap_or_default();
            let _ = writeln!(text, "{name} = {}{origin}", shown(key, value));
        }
        text
    }

    fn as_json(&self) -> serde_json::Value {
        let entries = self.values.iter().map(|(key, value)| {
            let value = match value {
                toml::Value::String(text) if !text.is_empty() && SECRETS.contains(&key.as_str()) => {
                    json!("********")
                }
                toml::Value::String(text) if URLS.contains(&key.as_str()) => json!(without_password(text)),
                value => json!(value),
            };
            let origin = self
                .origins
                .get(key)
                .map_or_else(|| "built-in default".to_owned(), ToString::to_string);
            (key.clone(), json!({ "value": value, "origin": origin }))
        });
        serde_json::Value::Object(entries.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn secrets_are_masked_and_origins_are_shown() {
        let secret = "a-secret-of-at-least-thirty-two-bytes".to_owned();
        let sources = Sources {
            environment: vec![
                ("CANOPY__AUTH__SECRET".into(), secret.clone()),
                ("CANOPY__DATABASE__URL".into(), "postgres://u:hunter2@h/d".into()),
            ],
            ..Sources::default()
        };
        let loaded = sources.load().expect("valid");
        for format in [Format::Toml, Format::Json] {
            let text = loaded.show(format);
            assert!(!text.contains(&secret) && !text.contains("hunter2"), "{text}");
            assert!(
                text.contains("environment variable CANOPY__AUTH__SECRET"),
                "{text}"
            );
        }
        assert!(!format!("{:?}", loaded.config).contains(&secret));
    }
}
