//! The dependencies that each crate of the workspace declares, held to the edges of the design.
//! It reads manifests, no code.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::tools;

/// What one crate may depend on among our own crates, in any kind of dependency.
const EDGES: [(&str, &[&str]); 7] = [
    ("canopy", &["canopy-schema", "canopy-domain", "canopy-migrations"]),
    ("canopy-schema", &["canopy-domain"]),
    ("canopy-domain", &["canopy-entity", "canopy-rules-host"]),
    ("canopy-entity", &[]),
    ("canopy-rules-host", &[]),
    ("canopy-migrations", &[]),
    ("xtask", &[]),
];

/// What the tests of a crate may depend on besides: the domain's make their tables with the real migrations.
const TEST_EDGES: [(&str, &str); 1] = [("canopy-domain", "canopy-migrations")];

/// The crates that may depend on a part, by the beginning of the part's name.
const OWNERS: [(&str, &[&str]); 8] = [
    ("axum", &["canopy"]),
    ("tower-http", &["canopy"]),
    ("async-graphql", &["canopy", "canopy-schema"]),
    ("sea-orm-migration", &["canopy-migrations"]),
    (
        "sea-orm",
        &["canopy", "canopy-domain", "canopy-entity", "canopy-migrations"],
    ),
    ("sqlx", &[]),
    ("wasmtime", &["canopy-rules-host"]),
    ("jsonwebtoken", &["canopy-domain"]),
];

/// The manifests of the workspace, without those of its dependencies.
pub(super) fn workspace() -> Metadata {
    let manifest = tools::root().join("Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec()
        .expect("cargo can read the workspace")
}

/// Every dependency that is not allowed, as a sentence.
pub(super) fn findings(workspace: &Metadata) -> Vec<String> {
    let packages = workspace.workspace_packages();
    let ours = |name: &str| packages.iter().any(|package| package.name.as_str() == name);
    let mut findings = Vec::new();
    for package in &packages {
        let name = package.name.as_str();
        let Some((_, allowed)) = EDGES.iter().find(|(from, _)| *from == name) else {
            findings.push(format!(
                "{name} is a new crate: add it to EDGES in xtask/src/house/edges.rs"
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            // A crate may name itself, to turn on a feature for its own tests.
            let for_tests =
                dependency.kind == DependencyKind::Development && TEST_EDGES.contains(&(name, to));
            if ours(to) && to != name && !allowed.contains(&to) && !for_tests {
                findings.push(format!("{name} depends on {to}"));
            }
            findings.extend(foreign(name, to));
        }
    }
    findings
}

/// A part that the crate may not depend on. The first owner in the list decides: longer names come first.
fn foreign(name: &str, part: &str) -> Option<String> {
    let belongs = |prefix: &str| {
        part == prefix
            || part
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with('-'))
    };
    let (_, owners) = OWNERS.iter().find(|(prefix, _)| belongs(prefix))?;
    (!owners.contains(&name)).then(|| format!("{name} depends on {part}, which is for {}", list(owners)))
}

fn list(owners: &[&str]) -> String {
    if owners.is_empty() {
        "nobody (sea-orm wraps it)".to_owned()
    } else {
        owners.join(", ")
    }
}

#[test]
fn part_of_another_crate_is_found() {
    assert!(foreign("canopy-domain", "axum").is_some());
    assert!(foreign("canopy", "axum").is_none());
    assert!(foreign("canopy", "wasmtime-wasi").is_some());
    assert!(foreign("canopy-domain", "sea-orm-migration").is_some());
    assert!(foreign("canopy-domain", "sea-orm").is_none());
    assert!(foreign("canopy-domain", "wasmtimer").is_none());
}
