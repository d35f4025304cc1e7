//! Rust: cargo builds the library of the project for wasm32, with whichever compiler can.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use super::tools;
use crate::cli::{Refused, rules::project::Project};

const TARGET: &str = "wasm32-unknown-unknown";

/// The stack lies first, so that running out of it traps instead of writing over data, and is small, so that
/// the memory image is.
const LINK_FLAGS: [&str; 2] = ["-Clink-arg=-zstack-size=65536", "-Clink-arg=--stack-first"];

/// Debian's compiler: it has no standard library for wasm32 but its sources.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

const HOW_TO_INSTALL: &str = "There is no cargo with a compiler for wasm32-unknown-unknown. Install its target with\n  \
    rustup target add wasm32-unknown-unknown\n\
    or, on Debian, a compiler that builds the standard library itself with\n  \
    apt-get install cargo-web rustc-web rust-web-src rust-web-llvm lld-22";

/// The core module of the project.
pub(super) fn compile(project: &Project) -> anyhow::Result<Vec<u8>> {
    let compiler = Compiler::find()?;
    let target = project.root.join("target");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(&project.root)
        .args(["build", "--release", "--lib", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTC", &compiler.rustc)
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            flags(&project.root, &compiler)?.join("\u{1f}"),
        )
        .env_remove("RUSTFLAGS");
    if compiler.builds_std {
        cargo
            .arg("-Zbuild-std=core,alloc,panic_abort")
            .env("RUSTC_BOOTSTRAP", "1");
    }
    tools::run(&mut cargo)?;
    let file = format!("{}.wasm", project.name.replace('-', "_"));
    let module = target.join(TARGET).join("release").join(file);
    fs::read(&module).with_context(|| {
        format!(
            "cargo made no {}: is the package in Cargo.toml named {}?",
            module.display(),
            project.name
        )
    })
}

struct Compiler {
    rustc: PathBuf,
    /// Cargo builds the standard library too, from the compiler's sources.
    builds_std: bool,
}

impl Compiler {
    /// The one in use if it has the target, or Debian's.
    fn find() -> anyhow::Result<Self> {
        let (Some(in_use), Some(_)) = (tools::find(&["rustc"]), tools::find(&["cargo"])) else {
            bail!(Refused(HOW_TO_INSTALL.to_owned()));
        };
        let debian = PathBuf::from(DEBIAN_RUSTC);
        for rustc in [&in_use, &debian] {
            if rustc.is_file() && has_library(rustc) {
                let rustc = rustc.clone();
                return Ok(Self {
                    rustc,
                    builds_std: false,
                });
            }
        }
        if debian.is_file() && has_sources(&debian) {
            return Ok(Self {
                rustc: debian,
                builds_std: true,
            });
        }
        bail!(Refused(HOW_TO_INSTALL.to_owned()))
    }
}

fn has_library(rustc: &Path) -> bool {
    let asked = tools::ask(rustc, &["--print", "target-libdir", "--target", TARGET]);
    asked.is_ok_and(|folder| Path::new(&folder).is_dir())
}

fn has_sources(rustc: &Path) -> bool {
    let asked = tools::ask(rustc, &["--print", "sysroot"]);
    asked.is_ok_and(|root| {
        Path::new(&root)
            .join("lib/rustlib/src/rust/library/core")
            .is_dir()
    })
}

/// No path of this machine shall be in the result: the same sources make the same component everywhere.
fn flags(root: &Path, compiler: &Compiler) -> anyhow::Result<Vec<String>> {
    let sysroot = tools::ask(&compiler.rustc, &["--print", "sysroot"])?;
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let mut folders = vec![
        (root.to_owned(), "/rule"),
        (Path::new(&sysroot).join("lib/rustlib/src/rust"), "/rust"),
    ];
    // The name of the folder below it depends on how the registry is reached.
    let registries = cargo_home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    for registry in registries.into_iter().flatten() {
        folders.push((registry?.path(), "/crates"));
    }
    let remapped = folders
        .iter()
        .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    Ok(LINK_FLAGS
        .iter()
        .map(ToString::to_string)
        .chain(remapped)
        .collect())
}
