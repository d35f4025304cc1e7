//! From a core module to a component with its manifest. Knows the contract's types, no language.

use anyhow::Context;
use canopy_domain::rules_host::{self, Manifest, RuleKind};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap, WorldId};

use crate::cli::rules::{project::Project, templates};

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

/// Adds what Canopy is to know of the rule.
pub(super) fn with_manifest(component: &[u8], project: &Project) -> anyhow::Result<Vec<u8>> {
    let manifest = Manifest {
        language: Some(project.language.as_str().to_owned()),
        source_digest: Some(project.source_digest()?),
        configuration_schema: project.configuration_schema()?,
        monotonic: project.monotonic,
        meters: project.meters.clone(),
    };
    Ok(rules_host::with_manifest(component, &manifest))
}
