//! Builds what the benchmark of the rules compares with: another embedding, and the built-in rule as its guest.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::compiler::Compiler;
use crate::tools;

const PEER: &str = "rules/host/benches/peer";
const PROGRAM: &str = "canopy-bench-peer";
const GUEST: &str = "canopy-bench-peer-guest";

/// Another engine and its compiler, optimized.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Puts the program and its guest where the benchmark looks for them: target/bench-rules.
pub(crate) fn build() -> Result<()> {
    let folder = tools::target_directory()?.join("bench-rules");
    let build = folder.join("build");
    fs::create_dir_all(&build).with_context(|| format!("cannot make {}", build.display()))?;
    let compiler = Compiler::find(tools::root())?;
    compiler.build_in(&format!("{PEER}/guest"), GUEST)?;
    let manifest = format!("{PEER}/Cargo.toml");
    let mut cargo = tools::cargo(&["build", "--release", "--locked", "--manifest-path", &manifest]);
    tools::succeed(cargo.arg("--target-dir").arg(&build), LIMIT)?;
    let program = build.join("release").join(PROGRAM);
    for (from, name) in [(compiler.artifact(GUEST), "peer.wasm"), (program, "peer")] {
        let to = folder.join(name);
        // Renamed rather than written over: the old one may be running.
        let temporary = folder.join(format!("{name}.new"));
        fs::copy(&from, &temporary).with_context(|| format!("cannot copy {}", from.display()))?;
        fs::rename(&temporary, &to).with_context(|| format!("cannot write {}", to.display()))?;
        println!("{}", to.display());
    }
    Ok(())
}
