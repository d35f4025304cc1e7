//! The server's own sandbox, in this process: what runs here runs there. Compiled rules are kept in a folder of the
//! user's, never in the project: a project that came from somewhere else must not bring machine code with it.

use std::{
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use canopy_domain::rules_host::{CacheSettings, CompilerCommand, Host, HostSettings, LoadedRule};

use crate::cli::progress;

const KEPT: usize = 100;
/// In bytes; no component of a compiled language is as large.
const LARGE: usize = 1 << 20;

/// Opens a sandbox with the default bounds.
pub(super) fn open() -> anyhow::Result<Host> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut settings = HostSettings::new(CompilerCommand {
        program,
        args: vec!["compile-rule".to_owned()],
    });
    // Without a place to keep them rules are compiled each time, which is slower and nothing else.
    settings.cache = cache_folder().and_then(|folder| cache(&folder).ok());
    Ok(Host::new(settings)?)
}

/// Loads a component. What brings an interpreter along is compiled for seconds when it is seen for the first time.
pub(super) async fn load(host: &Host, wasm: Vec<u8>) -> anyhow::Result<LoadedRule> {
    if wasm.len() > LARGE {
        progress::tell("Compiling the component for the sandbox: the first time takes some seconds.");
    }
    Ok(host.prepare(wasm).await?)
}

fn cache_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    base.filter(|path| path.is_absolute())
        .or_else(home)
        .map(|path| path.join("canopy/authors"))
}

/// The key lies beside the folder, for this user alone.
fn cache(folder: &Path) -> anyhow::Result<CacheSettings> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    let file = folder.join("key");
    let mut new = fs::OpenOptions::new();
    new.write(true).create_new(true).mode(0o600);
    if let Ok(mut file) = new.open(&file) {
        file.write_all(&rand::random::<[u8; 32]>())?;
    }
    let key: [u8; 32] = fs::read(&file)?
        .try_into()
        .map_err(|_| anyhow::anyhow!("{} is not a key", file.display()))?;
    Ok(CacheSettings {
        folder: folder.join("rules"),
        key,
        files: KEPT,
    })
}
