//! Finds the tools that tasks drive, and says how to install the ones that are missing.
//! It knows where this repository lies, not what the tools are asked to do.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);

/// The oldest Node.js that the client libraries run on.
const NODE_MAJOR: u32 = 20;

/// A tool that is not on this machine. A step that returns it is skipped rather than failed.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) tool: String,
    pub(crate) install: &'static str,
    /// Whether CI may go on without it.
    pub(crate) optional: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is missing. {}", self.tool, self.install)
    }
}

impl std::error::Error for Missing {}

/// The directory of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace's directory")
}

/// A command that runs in `directory` of the workspace, free of the caller's Canopy settings: a test
/// means the same wherever it is started.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, directory: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root().join(directory));
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CANOPY_")) {
        command.env_remove(name);
    }
    command
}

/// The cargo that started this task.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), "");
    cargo.args(arguments);
    cargo
}

/// Runs a command of which only success matters.
pub(crate) fn succeed(command: &mut Command, limit: Duration) -> Result<()> {
    match process::run(command, limit)?.failure {
        None => Ok(()),
        Some(failure) => bail!("{}: {failure}", command.get_program().display()),
    }
}

/// Builds everything that the tests need and returns the path of the `canopy` program among it.
///
/// It builds the whole workspace with its tests, so that all steps share one set of artifacts: another
/// choice of packages means another set of features, and dependencies compiled twice.
pub(crate) fn build_and_find_canopy() -> Result<PathBuf> {
    succeed(
        &mut cargo(&["test", "--workspace", "--locked", "--no-run"]),
        BUILD_LIMIT,
    )?;
    let program = target_directory()?.join("debug").join("canopy");
    if !program.is_file() {
        bail!(
            "cargo built the workspace, but {} is not there",
            program.display()
        );
    }
    Ok(program)
}

/// The one directory for build artifacts, wherever the developer's settings put it.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cannot read the workspace's metadata")?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// Whether `program` is on the PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// Makes sure that Node.js with npm is there and new enough.
pub(crate) fn require_node() -> Result<()> {
    let missing = |tool: String| Missing {
        tool,
        install: "Install Node.js 20 or newer with npm (https://nodejs.org, or your system's packages).",
        optional: false,
    };
    if on_path("node").is_none() || on_path("npm").is_none() {
        bail!(missing("Node.js with npm".to_owned()));
    }
    let version = process::capture(command("node", "").arg("--version"))?;
    match version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok())
    {
        Some(major) if major >= NODE_MAJOR => Ok(()),
        _ => bail!(missing(format!(
            "Node.js {NODE_MAJOR} (this one is {})",
            version.trim()
        ))),
    }
}

/// Installs the packages of `directory` exactly as its lock names them; none of them runs a script.
pub(crate) fn npm_ci(npm: &mut Command) -> Result<()> {
    npm.args([
        "ci",
        "--ignore-scripts",
        "--prefer-offline",
        "--no-audit",
        "--no-fund",
    ]);
    succeed(npm, Duration::from_secs(10 * 60)).context("npm could not install the locked packages")
}
