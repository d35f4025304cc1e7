//! Builds the rules that come with Canopy: guests under rules/builtin become
//! components beside them, with the digests of their sources, so that a check can
//! tell without a compiler whether what is committed is up to date.

mod compiler;
pub(crate) mod peer;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use wit_component::ComponentEncoder;

use self::compiler::{Compiler, LINK_FLAGS, TARGET};

/// The guests: packages of the workspace rules/, and the .wasm beside them.
const GUESTS: [&str; 2] = ["limits-by-plan", "tiered-pricing"];

const RECORD: &str = "rules/builtin/digests.json";

/// Builds every guest and writes the components and their digests.
pub(crate) fn build() -> Result<()> {
    let root = root();
    let compiler = Compiler::find(&root)?;
    println!("building rules with {}", compiler.version());
    compiler.build(&GUESTS)?;
    let mut record = Map::new();
    for guest in GUESTS {
        let core = compiler.artifact(guest);
        let component = component(&core).with_context(|| format!("cannot make a component of {guest}"))?;
        fs::write(wasm(&root, guest), &component)?;
        println!("  rules/builtin/{guest}.wasm  {} bytes", component.len());
        record.insert(guest.into(), digests(&root, guest, compiler.version())?);
    }
    let text = serde_json::to_string_pretty(&Value::Object(record))? + "\n";
    fs::write(root.join(RECORD), text)?;
    Ok(())
}

/// Compares what is committed to its sources, without building.
pub(crate) fn check() -> Result<()> {
    let root = root();
    let text = fs::read_to_string(root.join(RECORD)).with_context(|| format!("cannot read {RECORD}"))?;
    let record: Value = serde_json::from_str(&text).with_context(|| format!("{RECORD} is not JSON"))?;
    for guest in GUESTS {
        let now = digests(&root, guest, "")?;
        for (part, what) in [("sources", "the sources of"), ("wasm", "the component")] {
            ensure!(
                record[guest][part] == now[part],
                "{what} {guest} changed since it was built: run `cargo xtask rules` and commit rules/builtin"
            );
        }
    }
    println!("rules/builtin/*.wasm are those of their sources");
    Ok(())
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .expect("xtask lies in the repository")
        .to_path_buf()
}

fn wasm(root: &Path, guest: &str) -> PathBuf {
    root.join(format!("rules/builtin/{guest}.wasm"))
}

/// The world is in a custom section that the SDK leaves in the core module.
fn component(core: &Path) -> Result<Vec<u8>> {
    let module = fs::read(core).with_context(|| format!("cannot read {}", core.display()))?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)?
        .encode()
}

fn digests(root: &Path, guest: &str, compiler: &str) -> Result<Value> {
    let wasm = fs::read(wasm(root, guest)).with_context(|| format!("there is no component {guest}"))?;
    Ok(json!({
        "sources": sources(root, guest)?,
        "wasm": hex::encode(Sha256::digest(&wasm)),
        "compiler": compiler,
    }))
}

/// SHA-256 over the names and contents of all that goes into a guest.
fn sources(root: &Path, guest: &str) -> Result<String> {
    let guest = format!("rules/builtin/{guest}");
    let own = [format!("{guest}/src"), format!("{guest}/Cargo.toml")];
    let shared = [
        "rules/wit",
        "rules/sdk/rust/src",
        "rules/sdk/rust/Cargo.toml",
        "rules/Cargo.toml",
        "rules/Cargo.lock",
    ];
    let mut files = Vec::new();
    for part in shared.into_iter().chain(own.iter().map(String::as_str)) {
        collect(&root.join(part), &mut files)?;
    }
    files.sort();
    let mut digest = Sha256::new();
    digest.update(format!("{TARGET} {LINK_FLAGS:?}\n"));
    for file in files {
        let name = file.strip_prefix(root).expect("it was found below the root");
        let Some(name) = name.to_str() else {
            bail!("a file name is not UTF-8: {}", name.display())
        };
        let text = fs::read(&file)?;
        digest.update(format!("{name} {}\n", text.len()));
        digest.update(text);
    }
    Ok(hex::encode(digest.finalize()))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}
