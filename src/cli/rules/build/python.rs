//! Python: componentize-py, from a virtual environment of the project's own, puts an interpreter and the rule into
//! one component.

use std::{fs, process::Command};

use anyhow::{Context, bail};

use super::tools;
use crate::cli::{Refused, progress, rules::project::Project};

const HOW_TO_INSTALL: &str = "A Python rule is built with Python 3.10 or newer and its venv module, which are missing. Install them with\n  \
    apt-get install python3 python3-venv\n\
    or from https://www.python.org.";

/// The component of the project.
pub(super) fn compile(project: &Project) -> anyhow::Result<Vec<u8>> {
    let Some(python) = tools::find(&["python3", "python"]) else {
        bail!(Refused(HOW_TO_INSTALL.to_owned()));
    };
    let root = &project.root;
    let binaries = root.join(".venv/bin");
    let packages = tools::Packages::of(root, "requirements.txt", ".venv")?;
    if !packages.are_installed() {
        progress::tell("Installing the packages of requirements.txt into .venv.");
        let mut venv = Command::new(python);
        tools::run(venv.current_dir(root).args(["-m", "venv", ".venv"])).context(HOW_TO_INSTALL)?;
        let mut pip = Command::new(binaries.join("python"));
        tools::run(pip.current_dir(root).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
            "requirements.txt",
        ]))?;
        packages.note()?;
    }
    let folder = project.build_folder().join("python");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let entry = folder.join("canopy_entry.py");
    fs::write(&entry, entry_script(project.kind.as_str()))
        .with_context(|| format!("cannot write {}", entry.display()))?;
    let component = folder.join("component.wasm");
    let mut command = Command::new(binaries.join("componentize-py"));
    command
        .current_dir(root)
        .args(["--wit-path", "wit", "--world", project.kind.as_str(), "--quiet"])
        .args(["componentize", "--stub-wasi"])
        .args(["--python-path", "src", "--python-path", "sdk/python", "--python-path", "build/python"])
        .arg("--output")
        .arg(&component)
        .arg("canopy_entry")
        // A seed of its own for each build would make each build another component.
        .env("PYTHONHASHSEED", "0")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    tools::run(&mut command)?;
    fs::read(&component).with_context(|| format!("cannot read {}", component.display()))
}

/// The module that the component begins with: it ties the rule's function to the contract.
fn entry_script(kind: &str) -> String {
    let class = match kind {
        "pricing" => "PricingRule",
        _ => "LimitsRule",
    };
    format!("from canopy_rules.exported_{kind} import {class}\n\n__all__ = [\"{class}\"]\n")
}
