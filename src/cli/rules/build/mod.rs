//! `canopy rules build`: the project's language's own tools compile it, and the result becomes a component that
//! carries its manifest. Nothing here runs a rule.

mod c;
mod component;
mod javascript;
mod python;
mod rust;
mod tools;

use std::{fs, path::PathBuf, time::Instant};

use anyhow::Context;
use canopy_domain::rules_host;
use serde_json::json;

use super::project::{Language, Project};
use crate::cli::{output::Output, progress};

/// A component that was built.
pub(super) struct Built {
    pub(super) path: PathBuf,
    pub(super) wasm: Vec<u8>,
    pub(super) seconds: f64,
}

pub(super) fn run(project: &Project, output: &Output) -> anyhow::Result<()> {
    let built = build(project)?;
    let json = json!({ "component": built.path, "sizeBytes": built.wasm.len(), "seconds": built.seconds });
    output.value(&json, || {
        format!(
            "{}: {} bytes, built in {:.1} s.",
            built.path.display(),
            built.wasm.len(),
            built.seconds
        )
    })?;
    Ok(())
}

/// The component of the project as it is now: the one that lies there if it was built of the same sources, or a new
/// one. Some tools make another component each time, and what was checked shall be what is uploaded.
pub(super) fn built(project: &Project) -> anyhow::Result<Built> {
    let begin = Instant::now();
    let path = project.component();
    if let Ok(wasm) = fs::read(&path) {
        let digest = rules_host::manifest(&wasm)
            .ok()
            .and_then(|manifest| manifest.source_digest);
        if digest == Some(project.source_digest()?) {
            let seconds = begin.elapsed().as_secs_f64();
            return Ok(Built { path, wasm, seconds });
        }
    }
    build(project)
}

/// Builds the component of a project and writes it to its place.
fn build(project: &Project) -> anyhow::Result<Built> {
    let begin = Instant::now();
    progress::tell(&match project.language {
        Language::Rust => "Building the rule with cargo: the first time takes a minute or two.".to_owned(),
        Language::Python => "Building the rule with componentize-py: that takes some seconds.".to_owned(),
        language => format!("Building the rule, which is in {}.", language.as_str()),
    });
    let folder = project.build_folder();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let component = match project.language {
        Language::Rust => component::of_module(&rust::compile(project)?, None)?,
        Language::C => component::of_module(&c::compile(project)?, Some(project.kind))?,
        Language::Js | Language::Ts => javascript::compile(project)?,
        Language::Python => python::compile(project)?,
    };
    let wasm = component::with_manifest(&component, project)?;
    let path = project.component();
    fs::write(&path, &wasm).with_context(|| format!("cannot write {}", path.display()))?;
    let seconds = begin.elapsed().as_secs_f64();
    Ok(Built { path, wasm, seconds })
}
