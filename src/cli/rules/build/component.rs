//! From a core module to a component with its manifest. Knows the contract's types, no language.

use anyhow::Context;
use canopy_domain::rules_host::RuleKind;
use serde_json::json;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap, WorldId};

use crate::cli::rules::{project::Project, templates};

/// The section of a component that holds its manifest.
const MANIFEST: &str = "canopy:rule";

/// Makes a component of a core module. With a kind, the world's types are put into the module first; without,
/// its compiler has done so.
pub(super) fn of_module(module: &[u8], kind: Option<RuleKind>) -> anyhow::Result<Vec<u8>> {
    let mut module = module.to_vec();
    if let Some(kind) = kind {
        let (resolve, world) = world(kind)?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    }
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .context("the module does not have what the contract asks for")
}

fn world(kind: RuleKind) -> anyhow::Result<(Resolve, WorldId)> {
    let mut files = SourceMap::new();
    for (path, text) in templates::WIT {
        files.push_str(path, *text);
    }
    let files = files.parse().map_err(|(_, error)| error)?;
    let mut resolve = Resolve::default();
    let package = resolve.push_group(files)?;
    let world = resolve.select_world(&[package], Some(kind.as_str()))?;
    Ok((resolve, world))
}

/// Adds what Canopy is to know of the rule: the last section of the component.
pub(super) fn with_manifest(mut component: Vec<u8>, project: &Project) -> anyhow::Result<Vec<u8>> {
    let mut manifest = json!({
        "language": project.language.as_str(),
        "source_digest": project.source_digest()?,
        "monotonic": project.monotonic,
        "meters": project.meters,
    });
    if let Some(schema) = project.configuration_schema()? {
        manifest["configuration_schema"] = schema;
    }
    let mut section = Vec::new();
    number(&mut section, MANIFEST.len());
    section.extend_from_slice(MANIFEST.as_bytes());
    section.extend_from_slice(manifest.to_string().as_bytes());
    component.push(0);
    number(&mut component, section.len());
    component.extend(section);
    Ok(component)
}

/// LEB128, as WebAssembly writes lengths.
fn number(to: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}
