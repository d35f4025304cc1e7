//! Finds a compiler for wasm32 and runs it so that the result is the same
//! wherever the repository lies.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// The stack lies first, so that running out of it traps instead of writing
/// over data, and is small, so that the memory image is.
pub(super) const LINK_FLAGS: [&str; 2] = ["-Clink-arg=-zstack-size=65536", "-Clink-arg=--stack-first"];

/// Debian's compiler: it has no standard library for wasm32 but its sources.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

const HOW_TO_INSTALL: &str = "\
no Rust compiler for wasm32-unknown-unknown is installed. Install either
  rustup target add wasm32-unknown-unknown
or, on Debian,
  apt-get install rustc rust-src rust-lld lld";

pub(super) struct Compiler {
    rustc: PathBuf,
    /// Cargo builds the standard library too, from the compiler's sources.
    builds_std: bool,
    sysroot: PathBuf,
    version: String,
    root: PathBuf,
    target_dir: PathBuf,
}

impl Compiler {
    /// The one in use if it has the target, or Debian's.
    pub(super) fn find(root: &Path) -> Result<Self> {
        let in_use = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
        let has_std = |rustc: &Path| -> Result<bool> {
            let folder = print(rustc, &["--print", "target-libdir", "--target", TARGET])?;
            Ok(Path::new(&folder).is_dir())
        };
        let has_sources = |rustc: &Path| -> Result<bool> {
            let sysroot = print(rustc, &["--print", "sysroot"])?;
            Ok(Path::new(&sysroot)
                .join("lib/rustlib/src/rust/library/core")
                .is_dir())
        };
        let debian = PathBuf::from(DEBIAN_RUSTC);
        let (rustc, builds_std) = if has_std(&in_use)? {
            (in_use, false)
        } else if debian.is_file() && has_std(&debian)? {
            (debian, false)
        } else if debian.is_file() && has_sources(&debian)? {
            (debian, true)
        } else {
            bail!(HOW_TO_INSTALL);
        };
        Ok(Self {
            sysroot: print(&rustc, &["--print", "sysroot"])?.into(),
            version: print(&rustc, &["--version"])?,
            rustc,
            builds_std,
            root: root.to_path_buf(),
            target_dir: root.join("target/rules"),
        })
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Builds the guests, one after the other, so that none has the features that
    /// another asks for.
    pub(super) fn build(&self, guests: &[&str]) -> Result<()> {
        for guest in guests {
            self.build_in("rules", guest)?;
        }
        Ok(())
    }

    /// Builds a package of the workspace in a folder of this repository.
    pub(super) fn build_in(&self, workspace: &str, guest: &str) -> Result<()> {
        let mut cargo = self.cargo(&self.root.join(workspace))?;
        cargo.args(["--locked", "--package", guest]);
        succeed(cargo, guest)
    }

    fn cargo(&self, folder: &Path) -> Result<Command> {
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(folder)
            .args(["build", "--release", "--target", TARGET])
            .arg("--target-dir")
            .arg(&self.target_dir)
            .env("RUSTC", &self.rustc)
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags()?.join("\u{1f}"))
            .env_remove("RUSTFLAGS");
        if self.builds_std {
            cargo
                .arg("-Zbuild-std=core,alloc,panic_abort")
                .env("RUSTC_BOOTSTRAP", "1");
        }
        Ok(cargo)
    }

    /// The core module of a guest that was built.
    pub(super) fn artifact(&self, guest: &str) -> PathBuf {
        let file = format!("{}.wasm", guest.replace('-', "_"));
        self.target_dir.join(TARGET).join("release").join(file)
    }

    /// No path of this machine shall be in the result.
    fn flags(&self) -> Result<Vec<String>> {
        let cargo_home = match std::env::var("CARGO_HOME") {
            Ok(folder) => folder,
            Err(_) => format!(
                "{}/.cargo",
                std::env::var("HOME").context("neither CARGO_HOME nor HOME is set")?
            ),
        };
        let library = self.sysroot.join("lib/rustlib/src/rust");
        let mut folders = vec![(self.root.clone(), "/canopy"), (library, "/rust")];
        // The name of the folder below it depends on how the registry is reached.
        if let Ok(registries) = std::fs::read_dir(Path::new(&cargo_home).join("registry/src")) {
            for registry in registries {
                folders.push((registry?.path(), "/crates"));
            }
        }
        let mut flags: Vec<_> = LINK_FLAGS.iter().map(|flag| flag.to_string()).collect();
        for (from, to) in folders {
            let from = from
                .to_str()
                .with_context(|| format!("not UTF-8: {}", from.display()))?;
            flags.push(format!("--remap-path-prefix={from}={to}"));
        }
        Ok(flags)
    }
}

fn succeed(mut cargo: Command, what: &str) -> Result<()> {
    let status = cargo.status().context("cannot start cargo")?;
    ensure!(status.success(), "{what} does not build");
    Ok(())
}

fn print(rustc: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new(rustc)
        .args(args)
        .output()
        .with_context(|| format!("cannot start {}", rustc.display()))?;
    ensure!(
        output.status.success(),
        "{} {} failed",
        rustc.display(),
        args.join(" ")
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_string())
}
