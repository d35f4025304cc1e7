//! C: clang compiles the project's sources and the SDK's, and lld links them. No C library is needed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use super::tools;
use crate::cli::{Refused, rules::project::Project};

const HOW_TO_INSTALL: &str = "A C rule is built by clang and lld, which are missing. Install them with\n  \
    apt-get install clang lld\n\
    or your system's packages of LLVM 14 or newer.";

const CLANGS: [&str; 10] = [
    "clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15",
    "clang-14",
];
const LINKERS: [&str; 10] = [
    "wasm-ld",
    "wasm-ld-22",
    "wasm-ld-21",
    "wasm-ld-20",
    "wasm-ld-19",
    "wasm-ld-18",
    "wasm-ld-17",
    "wasm-ld-16",
    "wasm-ld-15",
    "wasm-ld-14",
];

/// What every file is compiled with. The sandbox takes these features of WebAssembly.
const FLAGS: [&str; 13] = [
    "--target=wasm32",
    "-std=c11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-nostdlib",
    "-ffreestanding",
    "-fno-builtin",
    "-fvisibility=hidden",
    "-mbulk-memory",
    "-msign-ext",
    "-mnontrapping-fptoint",
    "-c",
];

/// The stack lies first, so that running out of it traps instead of writing over data, and is small, so that
/// the memory image is.
const LINK_FLAGS: [&str; 7] = [
    "--no-entry",
    "--stack-first",
    "-z",
    "stack-size=65536",
    "--strip-all",
    "--gc-sections",
    "--fatal-warnings",
];

/// The core module of the project.
pub(super) fn compile(project: &Project) -> anyhow::Result<Vec<u8>> {
    let (Some(clang), Some(linker)) = (tools::find(&CLANGS), tools::find(&LINKERS)) else {
        bail!(Refused(HOW_TO_INSTALL.to_owned()));
    };
    let sdk = project.root.join("sdk/c");
    let objects = project.build_folder().join("objects");
    fs::create_dir_all(&objects).with_context(|| format!("cannot make {}", objects.display()))?;
    // The export of the other kind would ask for a function that is not there.
    let other = match project.kind.as_str() {
        "pricing" => "limits.c",
        _ => "pricing.c",
    };
    let mut sources = sources(&project.root.join("src"))?;
    sources.extend(
        self::sources(&sdk)?
            .into_iter()
            .filter(|file| file.file_name().is_some_and(|name| name != other)),
    );
    let mut made = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let object = objects.join(format!("{index}.o"));
        let mut command = Command::new(&clang);
        command
            .current_dir(&project.root)
            .args(FLAGS)
            .arg(format!("-ffile-prefix-map={}=/rule", project.root.display()))
            .arg("-I")
            .arg(&sdk)
            .arg("-isystem")
            .arg(sdk.join("wasm"))
            .arg(source)
            .arg("-o")
            .arg(&object);
        tools::run(&mut command)?;
        made.push(object);
    }
    let module = objects.join("module.wasm");
    tools::run(
        Command::new(linker)
            .args(LINK_FLAGS)
            .args(made)
            .arg("-o")
            .arg(&module),
    )?;
    fs::read(&module).with_context(|| format!("cannot read {}", module.display()))
}

/// The C files of a folder, in order of their names.
fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
    files.sort();
    Ok(files)
}
