//! A rule's project: a folder with a rule.toml, as `canopy rules new` makes it. Knows where things lie and what
//! they say, not how they are built.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use canopy_domain::rules_host::RuleKind;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The file that makes a folder a project.
pub(super) const SETTINGS: &str = "rule.toml";
/// Where what is built goes.
const BUILD: &str = "build";
/// Folders of a project that are not its source.
const NOT_SOURCE: [&str; 8] = [
    BUILD,
    "target",
    "node_modules",
    ".venv",
    "__pycache__",
    ".git",
    "fixtures",
    ".mypy_cache",
];

/// What rules can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Language {
    /// Rust, compiled by cargo.
    Rust,
    /// JavaScript, run by QuickJS inside the component.
    #[value(alias = "javascript")]
    Js,
    /// TypeScript, compiled by tsc and run as JavaScript.
    #[value(alias = "typescript")]
    Ts,
    /// Python, run by CPython inside the component.
    Python,
    /// C, compiled by clang.
    C,
}

impl Language {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Ts => "ts",
            Self::Python => "python",
            Self::C => "c",
        }
    }
}

/// rule.toml.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: String,
    kind: String,
    language: Language,
    #[serde(default = "yes")]
    monotonic: bool,
    #[serde(default)]
    meters: Vec<String>,
}

fn yes() -> bool {
    true
}

/// A project that was found.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) root: PathBuf,
    pub(super) name: String,
    pub(super) kind: RuleKind,
    pub(super) language: Language,
    /// Whether more usage never costs less.
    pub(super) monotonic: bool,
    /// The meters that it knows.
    pub(super) meters: Vec<String>,
}

impl Project {
    /// Reads the project in a folder.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(SETTINGS);
        let text = fs::read_to_string(&file).with_context(|| {
            format!(
                "{} is no rule's project: it has no {SETTINGS}. `canopy rules new` makes one",
                folder.display()
            )
        })?;
        let settings: Settings = toml::from_str(&text).with_context(|| file.display().to_string())?;
        let root = folder
            .canonicalize()
            .with_context(|| folder.display().to_string())?;
        Ok(Self {
            root,
            kind: kind(&settings.kind)?,
            name: checked_name(&settings.name)?.to_owned(),
            language: settings.language,
            monotonic: settings.monotonic,
            meters: settings.meters,
        })
    }

    /// Where the component is built.
    pub(super) fn component(&self) -> PathBuf {
        self.build_folder().join(format!("{}.wasm", self.name))
    }

    pub(super) fn build_folder(&self) -> PathBuf {
        self.root.join(BUILD)
    }

    pub(super) fn fixtures(&self) -> PathBuf {
        self.root.join("fixtures")
    }

    /// configuration.json, `{}` where there is none.
    pub(super) fn configuration(&self) -> anyhow::Result<Value> {
        Ok(self
            .json("configuration.json")?
            .unwrap_or_else(|| Value::Object(serde_json::Map::new())))
    }

    /// configuration.schema.json, if there is one.
    pub(super) fn configuration_schema(&self) -> anyhow::Result<Option<Value>> {
        self.json("configuration.schema.json")
    }

    fn json(&self, name: &str) -> anyhow::Result<Option<Value>> {
        let file = self.root.join(name);
        if !file.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text)
            .map(Some)
            .with_context(|| format!("{} is not JSON", file.display()))
    }

    /// SHA-256 over the names and contents of all that the component is made of.
    pub(super) fn source_digest(&self) -> anyhow::Result<String> {
        let mut files = Vec::new();
        collect(&self.root, &mut files)?;
        files.sort();
        let mut digest = Sha256::new();
        for file in files {
            let name = file.strip_prefix(&self.root).unwrap_or(&file);
            let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            digest.update(format!("{} {}\n", name.display(), text.len()));
            digest.update(text);
        }
        let digest: [u8; 32] = digest.finalize().into();
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if kind.is_dir() && !NOT_SOURCE.iter().any(|skipped| name == *skipped) {
            collect(&entry.path(), files)?;
        } else if kind.is_file() && name != "README.md" && name != "configuration.json" {
            files.push(entry.path());
        }
    }
    Ok(())
}

pub(super) fn kind(text: &str) -> anyhow::Result<RuleKind> {
    match text {
        "pricing" => Ok(RuleKind::Pricing),
        "limits" => Ok(RuleKind::Limits),
        other => bail!("there is no kind of rule `{other}`: a rule is of kind pricing or limits"),
    }
}

/// A name that is a package of every language: lowercase letters, digits and `-`, a letter first.
pub(super) fn checked_name(name: &str) -> anyhow::Result<&str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    if !begins || name.len() > 60 || !name.chars().all(allowed) || name.ends_with('-') {
        bail!(
            "`{name}` is no name for a rule: use lowercase letters, digits and `-`, a letter first, at most 60"
        );
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_a_folder_with_settings() {
        let folder = tempfile::tempdir().expect("a directory");
        assert!(Project::open(folder.path()).is_err());
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("writes");
        write(SETTINGS, "name = 'a-1'\nkind = 'limits'\nlanguage = 'c'\n");
        write("configuration.json", "{\"a\": 1}");
        let project = Project::open(folder.path()).expect("a project");
        assert!(project.monotonic && project.kind == RuleKind::Limits && project.language == Language::C);
        assert_eq!(project.configuration().expect("JSON")["a"], 1);
        let before = project.source_digest().expect("digest");
        write("configuration.json", "{}");
        assert_eq!(project.source_digest().expect("digest"), before);
        write("rule.c", "int a;");
        assert_ne!(project.source_digest().expect("digest"), before);
        write(
            SETTINGS,
            "name = 'a'\nkind = 'pricing'\nlanguage = 'c'\nunknown = 1\n",
        );
        assert!(Project::open(folder.path()).is_err());
    }

    #[test]
    fn names_are_those_of_packages() {
        assert!(checked_name("night-rate2").is_ok());
        for wrong in ["", "A", "1a", "a_b", "a-", "../a", "é"] {
            assert!(checked_name(wrong).is_err(), "{wrong}");
        }
    }
}
