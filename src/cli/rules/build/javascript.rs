//! JavaScript and TypeScript: componentize-qjs, from the project's own node_modules, puts an interpreter and the
//! rule into one component. What it makes is instantiated once at build time, so a call starts where that ended.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, bail};

use super::tools;
use crate::cli::{
    Refused, progress,
    rules::project::{Language, Project},
};

const HOW_TO_INSTALL: &str = "A JavaScript rule is built with Node.js 20 or newer and npm, which are missing. Install them with\n  \
    apt-get install nodejs npm\n\
    or from https://nodejs.org.";

/// What tsc is asked: JavaScript of the rule, with the SDK beside it.
const TSC: [&str; 6] = ["--noEmit", "false", "--rootDir", ".", "--outDir", "build/js"];

/// The component of the project.
pub(super) fn compile(project: &Project) -> anyhow::Result<Vec<u8>> {
    let (Some(node), Some(npm)) = (tools::find(&["node"]), tools::find(&["npm"])) else {
        bail!(Refused(HOW_TO_INSTALL.to_owned()));
    };
    let root = &project.root;
    let binaries = root.join("node_modules/.bin");
    let packages = tools::Packages::of(root, "package.json", "node_modules")?;
    if !packages.are_installed() {
        progress::tell(
            "Installing the packages of package.json, at their exact versions, into node_modules.",
        );
        let mut command = Command::new(npm);
        command.current_dir(root).args([
            "install",
            "--no-package-lock",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ]);
        tools::run(&mut command)?;
        packages.note()?;
    }
    let folder = project.build_folder().join("js");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let above = match project.language {
        Language::Ts => {
            let mut tsc = Command::new(&node);
            tsc.current_dir(root).arg(binaries.join("tsc")).args(TSC);
            tools::run(&mut tsc)?;
            copy_scripts(&root.join("sdk/js"), &folder.join("sdk/js"))?;
            "."
        }
        _ => "../..",
    };
    let entry = folder.join("entry.js");
    fs::write(&entry, entry_script(project.kind.as_str(), above))
        .with_context(|| format!("cannot write {}", entry.display()))?;
    let component = folder.join("component.wasm");
    let mut command = Command::new(node);
    command
        .current_dir(root)
        .arg(binaries.join("componentize-qjs"))
        .args(["--wit", "wit", "--world", project.kind.as_str()])
        .args(["--js", "build/js/entry.js", "--module-root", "."])
        .args(["--stub-wasi", "--sync"])
        .arg("--output")
        .arg(&component);
    tools::run(&mut command)?;
    fs::read(&component).with_context(|| format!("cannot read {}", component.display()))
}

/// The module that the component begins with: it ties the rule's function to the contract.
fn entry_script(kind: &str, above: &str) -> String {
    let function = match kind {
        "pricing" => "price",
        _ => "evaluate",
    };
    format!(
        "import {{ write }} from 'canopy:rules/log@1.0.0';\n\
         import {{ exported }} from '{above}/sdk/js/component.js';\n\
         import {{ {function} as rule }} from '{above}/src/rule.js';\n\
         export const {kind}Rule = {{ {function}: exported(rule, write) }};\n"
    )
}

fn copy_scripts(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let file = entry?.path();
        if let (Some(name), Some("js")) = (file.file_name(), file.extension().and_then(|e| e.to_str())) {
            fs::copy(&file, to.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
        }
    }
    Ok(())
}
