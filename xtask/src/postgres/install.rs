//! Finds the PostgreSQL that is installed here, and the system account that its server may run as.
//! It starts no server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;
use crate::tools::{self, Missing};

/// The oldest PostgreSQL that Canopy supports.
const MAJOR: u32 = 15;

const INSTALL: &str = "Install PostgreSQL 15 or newer: `apt-get install postgresql` on Debian and Ubuntu, \
                       `brew install postgresql@17` on macOS. Its service need not run.";

/// Directories with one folder for each installed version, in which the programs are under `bin`.
const VERSIONED: [&str; 4] = [
    "/usr/lib/postgresql",
    "/usr/local/lib/postgresql",
    "/opt/homebrew/opt",
    "/usr/local/opt",
];

/// The directory with the programs of one PostgreSQL.
pub(super) struct Programs(PathBuf);

impl Programs {
    /// The newest installation of a version that Canopy supports.
    pub(super) fn find() -> Result<Self> {
        let newest = candidates()
            .into_iter()
            .filter_map(|directory| Some((major_version(&directory)?, directory)))
            .max_by_key(|(major, _)| *major);
        let tool = match newest {
            Some((major, directory)) if major >= MAJOR => return Ok(Self(directory)),
            Some((major, _)) => format!("PostgreSQL {MAJOR} (the newest here is {major})"),
            None => "PostgreSQL".to_owned(),
        };
        bail!(Missing {
            tool,
            install: INSTALL,
            optional: false
        })
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.0.join(program)
    }
}

fn candidates() -> Vec<PathBuf> {
    // A link on the PATH leads to the directory that has all the programs.
    let linked = tools::on_path("initdb").and_then(|file| fs::canonicalize(file).ok());
    let mut found: Vec<PathBuf> = linked
        .iter()
        .filter_map(|file| file.parent())
        .map(Path::to_owned)
        .collect();
    for versions in VERSIONED {
        let Ok(entries) = fs::read_dir(versions) else {
            continue;
        };
        found.extend(
            entries
                .filter_map(Result::ok)
                .map(|entry| entry.path().join("bin")),
        );
    }
    found.retain(|directory| directory.join("initdb").is_file() && directory.join("postgres").is_file());
    found
}

/// The 15 of `postgres (PostgreSQL) 15.18 (Debian …)`.
fn major_version(directory: &Path) -> Option<u32> {
    let text = process::capture(Command::new(directory.join("postgres")).arg("--version")).ok()?;
    let version = text
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    version
        .split(|other: char| !other.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// A system account by its numbers.
#[derive(Clone, Copy)]
pub(super) struct Account {
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Account {
    /// `None` where we may run the server ourselves; root may not.
    pub(super) fn for_server() -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let (Some(user), Some(group)) = (number("-u", name), number("-g", name)) {
                return Ok(Some(Self { user, group }));
            }
        }
        bail!(
            "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as"
        )
    }
}

fn number(kind: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([kind, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
