//! Reads the layers of the configuration, the last one wins, and remembers where each value came from.
//!
//! The keys of `config/default.toml` are the known keys: any other is an error that names it.

use std::{collections::BTreeMap, fmt, fs, path::PathBuf};

use toml::{Table, Value, de::DeTable};

use super::{Config, ConfigError, DEFAULTS, error::expectation, mask::shown, nearest::closest};

/// The prefix of environment variables that set a key.
const PREFIX: &str = "CANOPY__";
/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `config/default.toml`, built into the binary.
    Default,
    /// A line of the configuration file.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// An option of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in default"),
            Self::File(path, line) => write!(f, "{} line {line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "option {name}"),
        }
    }
}

/// What a configuration is read from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The configuration file, if one is named.
    pub file: Option<PathBuf>,
    /// The environment; only names that begin with `CANOPY__` count.
    pub environment: Vec<(String, String)>,
    /// Options of the command line: option, key, value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// A configuration with the origin of each key.
#[derive(Debug)]
pub struct Loaded {
    /// The values, checked.
    pub config: Config,
    pub(super) values: BTreeMap<String, Value>,
    pub(super) origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Whether something other than the built-in default set the key.
    pub fn is_set(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }

    /// The error that the value of `key` is not `expected`, found by whoever uses it.
    pub fn bad_value(&self, key: &str, expected: &str) -> ConfigError {
        ConfigError::BadValue {
            key: key.to_owned(),
            expected: expected.to_owned(),
            value: self
                .values
                .get(key)
                .map(|value| shown(key, value))
                .unwrap_or_default(),
            origin: self.origins.get(key).cloned().unwrap_or(Origin::Default),
        }
    }
}

impl Sources {
    /// The file given and the environment of this process.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
            })
            .collect();
        Self {
            file,
            environment,
            flags: Vec::new(),
        }
    }

    /// Adds an option of the command line, when it was given.
    #[must_use]
    pub fn flag(mut self, option: &'static str, key: &'static str, value: Option<impl ToString>) -> Self {
        self.flags
            .extend(value.map(|value| (option, key, value.to_string())));
        self
    }

    /// Reads all layers and checks the result.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut layers = Layers::defaults();
        if let Some(path) = &self.file {
            layers.add_file(path)?;
        }
        for (name, text) in &self.environment {
            if let Some(rest) = name.strip_prefix(PREFIX) {
                let key = rest.to_lowercase().replace("__", ".");
                layers.add_text(key, text, Origin::Environment(name.clone()))?;
            }
        }
        for (option, key, text) in &self.flags {
            layers.add_text((*key).to_owned(), text, Origin::Flag(option))?;
        }
        layers.finish()
    }
}

/// The values so far, by dotted key.
struct Layers {
    values: BTreeMap<String, Value>,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    fn defaults() -> Self {
        let table: Table = DEFAULTS
            .parse()
            .expect("config/default.toml is valid, which a test holds");
        let mut values = BTreeMap::new();
        flatten("", table, &mut |key, value| {
            values.insert(key, value);
        });
        Self {
            values,
            origins: BTreeMap::new(),
        }
    }

    fn add_file(&mut self, path: &PathBuf) -> Result<(), ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let syntax = |error: toml::de::Error| ConfigError::Syntax {
            path: path.clone(),
            detail: error.to_string().trim_end().to_owned(),
        };
        let mut lines = BTreeMap::new();
        line_numbers(
            "",
            DeTable::parse(&text).map_err(syntax)?.get_ref(),
            &text,
            &mut lines,
        );
        let mut found = Vec::new();
        flatten("", text.parse().map_err(syntax)?, &mut |key, value| {
            found.push((key, value))
        });
        for (key, value) in found {
            let line = lines.get(&key).copied().unwrap_or(1);
            self.set(key, value, Origin::File(path.clone(), line))?;
        }
        Ok(())
    }

    /// Sets a key from text, read as the type that its default has.
    fn add_text(&mut self, key: String, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let bad = |expected: &str| ConfigError::BadValue {
            key: key.clone(),
            expected: expected.to_owned(),
            value: shown(&key, &Value::String(text.to_owned())),
            origin: origin.clone(),
        };
        let value = match self.values.get(&key) {
            Some(Value::Integer(_)) => {
                Value::Integer(text.trim().parse().map_err(|_| bad("a whole number"))?)
            }
            Some(Value::Boolean(_)) => Value::Boolean(text.trim().parse().map_err(|_| bad("true or false"))?),
            Some(Value::Array(_)) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
            }
            _ => Value::String(text.to_owned()),
        };
        self.set(key, value, origin)
    }

    fn set(&mut self, key: String, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let in_table = |known: &String| known.strip_prefix(&key).is_some_and(|rest| rest.starts_with('.'));
        if value.as_table().is_some_and(Table::is_empty) && self.values.keys().any(in_table) {
            return Ok(());
        }
        if !self.values.contains_key(&key) {
            let suggestion = closest(&key, self.values.keys());
            return Err(ConfigError::UnknownKey {
                key,
                origin,
                suggestion,
            });
        }
        self.origins.insert(key.clone(), origin);
        self.values.insert(key, value);
        Ok(())
    }

    fn finish(self) -> Result<Loaded, ConfigError> {
        let mut table = Table::new();
        for (key, value) in &self.values {
            let (sections, name) = key
                .rsplit_once('.')
                .expect("every key of the defaults is in a table");
            let section = sections.split('.').fold(&mut table, |table, section| {
                let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
                inner.as_table_mut().expect("made as a table")
            });
            section.insert(name.to_owned(), value.clone());
        }
        let config = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let key = self.key_of(&error.path().to_string());
            let message = error.inner().to_string();
            ConfigError::BadValue {
                expected: expectation(&message),
                value: self
                    .values
                    .get(&key)
                    .map(|value| shown(&key, value))
                    .unwrap_or_default(),
                origin: self.origins.get(&key).cloned().unwrap_or(Origin::Default),
                key,
            }
        })?;
        Ok(Loaded {
            config,
            values: self.values,
            origins: self.origins,
        })
    }

    /// The key that a path of the deserializer is in: `http.cors_origins[0]` is in `http.cors_origins`.
    fn key_of(&self, path: &str) -> String {
        let mut key = path.split('[').next().unwrap_or(path);
        while !self.values.contains_key(key) {
            match key.rsplit_once('.') {
                Some((outer, _)) => key = outer,
                None => return path.to_owned(),
            }
        }
        key.to_owned()
    }
}

/// Calls `visit` for each value that is not a table, with its dotted key. An empty table counts as a
/// value, so that an unknown one is reported.
fn flatten(prefix: &str, table: Table, visit: &mut impl FnMut(String, Value)) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Table(inner) if !inner.is_empty() => flatten(&key, inner, visit),
            value => visit(key, value),
        }
    }
}

fn line_numbers(prefix: &str, table: &DeTable<'_>, text: &str, lines: &mut BTreeMap<String, usize>) {
    for (name, value) in table {
        let name_text: &str = name.get_ref();
        let key = if prefix.is_empty() {
            name_text.to_owned()
        } else {
            format!("{prefix}.{name_text}")
        };
        match value.get_ref().as_table() {
            Some(inner) => line_numbers(&key, inner, text, lines),
            None => {
                let before = text.get(..name.span().start).unwrap_or_default();
                lines.insert(key, before.matches('\n').count() + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Sources {
        let environment = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Sources {
            environment,
            ..Sources::default()
        }
    }

    fn message(sources: &Sources) -> String {
        sources.load().expect_err("the sources are wrong").to_string()
    }

    #[test]
    fn the_defaults_are_complete_and_valid() {
        let loaded = Sources::default().load().expect("config/default.toml is valid");
        assert_eq!(loaded.config.http.port, 8080);
        assert!(loaded.config.auth.secret.is_empty());
    }

    #[test]
    fn every_default_has_a_comment() {
        let mut documented = false;
        for line in DEFAULTS.lines() {
            let is_key = line.contains(" = ") && !line.starts_with('#');
            assert!(!is_key || documented, "no comment above: {line}");
            documented = line.starts_with("# ");
        }
    }

    #[test]
    fn the_environment_overrides_the_defaults_and_flags_override_both() {
        let nested = environment(&[("CANOPY__RULES__QUARANTINE__FAILURES", "3")]).load();
        assert_eq!(
            nested
                .expect("a key of a table in a table")
                .config
                .rules
                .quarantine
                .failures,
            3
        );
        let sources = environment(&[
            ("CANOPY__HTTP__PORT", "9000"),
            ("CANOPY__HTTP__CORS_ORIGINS", "https://a, https://b"),
            ("PATH", ""),
        ])
        .flag("--port", "http.port", Some(0));
        let loaded = sources.load().expect("valid");
        assert_eq!(loaded.config.http.port, 0);
        assert_eq!(loaded.config.http.cors_origins.len(), 2);
        assert_eq!(loaded.origins["http.port"], Origin::Flag("--port"));
    }

    #[test]
    fn an_unknown_variable_is_named_with_the_nearest_key() {
        assert_eq!(
            message(&environment(&[("CANOPY__DATABSE__URL", "x")])),
            "unknown key databse.url (environment variable CANOPY__DATABSE__URL); did you mean database.url?"
        );
    }

    #[test]
    fn an_unknown_key_of_a_file_is_named_with_its_line() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("canopy.toml");
        fs::write(&path, "[http]\nport = 1\nwrong_name = 2\n").expect("written");
        let sources = Sources {
            file: Some(path.clone()),
            ..Sources::default()
        };
        assert_eq!(
            message(&sources),
            format!("unknown key http.wrong_name ({} line 3)", path.display())
        );
    }

    #[test]
    fn a_bad_value_names_key_type_value_and_origin() {
        assert_eq!(
            message(&environment(&[("CANOPY__HTTP__PORT", "eighty")])),
            "bad value for http.port: expected a whole number, got \"eighty\" (environment variable CANOPY__HTTP__PORT)"
        );
        assert_eq!(
            message(&environment(&[("CANOPY__HTTP__PORT", "70000")])),
            "bad value for http.port: expected a whole number from 0 to 65535, got 70000 (environment variable CANOPY__HTTP__PORT)"
        );
        assert!(message(&environment(&[("CANOPY__AUTH__TOKEN_TTL", "15")])).contains("a duration such as"));
        assert!(
            message(&environment(&[("CANOPY__LOG__FORMAT", "xml")])).contains("bad value for log.format")
        );
    }

    #[test]
    fn a_table_in_place_of_a_value_is_an_unknown_key() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("canopy.toml");
        fs::write(&path, "[http.port]\nnumber = 1\n").expect("written");
        let sources = Sources {
            file: Some(path),
            ..Sources::default()
        };
        assert!(message(&sources).starts_with("unknown key http.port.number"));
    }
}
