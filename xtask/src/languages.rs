//! What rules are written with, tested from outside: the SDKs by their languages' own test runners, and the way from
//! an empty folder to a price by commands alone.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::tools::{self, Missing};

const CLANG: &str = "Install it with `apt-get install clang lld`.";
const PYTHON: &str = "Install it with `apt-get install python3 python3-venv`.";
const RUST: &str = "Install it with `rustup target add wasm32-unknown-unknown`, or, on Debian, \
    `apt-get install cargo-web rustc-web rust-web-src rust-web-llvm lld-22`.";

/// The commands of the SDKs' unit tests, run natively; that of Rust is with the guests.
pub(crate) fn sdk_tests(folder: &Path) -> Result<Vec<Command>> {
    tools::require_node()?;
    require("python3", PYTHON)?;
    require("cc", "Install a C compiler, such as Debian's gcc.")?;
    let mut javascript = tools::command("node", "rules/sdk/js");
    javascript.args(["--test", "--test-reporter=spec", "tests/sdk.test.js"]);
    let mut python = tools::command("python3", "rules/sdk/python");
    python
        .args(["-B", "-m", "unittest", "tests/test_sdk.py"])
        .env("PYTHONPATH", ".");
    let program = folder.join("sdk");
    let mut build = tools::command("sh", "rules/sdk/c");
    build
        .args([
            "-c",
            "cc -std=c11 -O1 -Wall -Wextra -Werror -Wno-unused-function -I. *.c tests/sdk.c -o \"$0\"",
        ])
        .arg(&program);
    Ok(vec![
        javascript,
        python,
        build,
        tools::command(program, "rules/sdk/c"),
    ])
}

/// The command that goes the whole way in each language against the given program.
pub(crate) fn whole_way(canopy: &Path) -> Result<Command> {
    tools::require_node()?;
    require("python3", PYTHON)?;
    require("clang", CLANG)?;
    require("wasm-ld", CLANG)?;
    let debian = Path::new("/usr/lib/rustlib/src/rust/library/core");
    if !debian.is_dir() && !has_target()? {
        bail!(missing("a Rust compiler for wasm32-unknown-unknown", RUST));
    }
    let mut test = tools::command("node", "tests/languages");
    test.args(["--test", "--test-reporter=spec"])
        .env("CANOPY_BIN", canopy);
    Ok(test)
}

fn has_target() -> Result<bool> {
    let folder = crate::process::capture(Command::new("rustc").args([
        "--print",
        "target-libdir",
        "--target",
        "wasm32-unknown-unknown",
    ]))?;
    Ok(Path::new(folder.trim()).is_dir())
}

fn require(program: &str, install: &'static str) -> Result<()> {
    if tools::on_path(program).is_none() {
        bail!(missing(program, install));
    }
    Ok(())
}

fn missing(tool: &str, install: &'static str) -> Missing {
    Missing {
        tool: tool.to_owned(),
        install,
        optional: false,
    }
}
