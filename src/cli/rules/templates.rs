//! What `canopy rules new` writes: the SDKs, the contract and the templates, embedded at build time so that a
//! project needs nothing of this repository. A test holds that no file of them is forgotten.

use canopy_domain::rules_host::RuleKind;

use super::project::Language;

/// Path in the project, and what is written there.
pub(super) type File = (&'static str, &'static str);

/// Files whose place in a project is their place below `rules/` but for a prefix.
macro_rules! files {
    ($prefix:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../rules/", $prefix, $path)))),*]
    };
}

pub(super) const WIT: &[File] = files!("": "wit/limits.wit", "wit/log.wit", "wit/pricing.wit");

const COMMON: &[File] = files!("templates/common/": ".gitignore", "README.md", "rule.toml");
const PRICING: &[File] = files!("templates/pricing/":
    "configuration.json", "configuration.schema.json",
    "fixtures/at-night/input.json", "fixtures/at-night/expected.json",
    "fixtures/below-margin/input.json", "fixtures/below-margin/expected.json",
    "fixtures/by-day/input.json", "fixtures/by-day/expected.json",
    "fixtures/unknown-meter/input.json", "fixtures/unknown-meter/expected.json",
);
const LIMITS: &[File] = files!("templates/limits/":
    "configuration.json", "configuration.schema.json",
    "fixtures/second-level/input.json", "fixtures/second-level/expected.json",
    "fixtures/top-level/input.json", "fixtures/top-level/expected.json",
);

const RUST_SDK: &[File] = files!("":
    "sdk/rust/Cargo.toml", "sdk/rust/src/config.rs", "sdk/rust/src/lib.rs", "sdk/rust/src/limits.rs",
    "sdk/rust/src/log.rs", "sdk/rust/src/money.rs", "sdk/rust/src/pricing.rs", "sdk/rust/src/runtime.rs",
    "sdk/rust/src/sample.rs",
);
const RUST: &[File] = files!("templates/rust/": "Cargo.toml", "Cargo.lock");
const RUST_PRICING: &[File] = files!("templates/rust/pricing/": "src/lib.rs");
const RUST_LIMITS: &[File] = files!("templates/rust/limits/": "src/lib.rs");

const C_SDK: &[File] = files!("":
    "sdk/c/canopy.h", "sdk/c/canopy_limits.h", "sdk/c/canopy_pricing.h", "sdk/c/canopy_test.h",
    "sdk/c/json.c", "sdk/c/limits.c", "sdk/c/money.c", "sdk/c/pricing.c", "sdk/c/runtime.c", "sdk/c/text.c",
    "sdk/c/wasm/string.h",
);
const C_PRICING: &[File] = files!("templates/c/pricing/": "src/rule.c", "tests/rule_test.c");
const C_LIMITS: &[File] = files!("templates/c/limits/": "src/rule.c", "tests/rule_test.c");

const JS_SDK: &[File] = files!("":
    "sdk/js/component.js", "sdk/js/configuration.js", "sdk/js/index.d.ts", "sdk/js/index.js", "sdk/js/log.js",
    "sdk/js/money.js", "sdk/js/package.json", "sdk/js/refusal.js", "sdk/js/sample.js",
);
const JS: &[File] = files!("templates/js/": "package.json", "tsconfig.json");
const JS_PRICING: &[File] = files!("templates/js/pricing/": "src/rule.js", "tests/rule.test.js");
const JS_LIMITS: &[File] = files!("templates/js/limits/": "src/rule.js", "tests/rule.test.js");

const TS: &[File] = files!("templates/ts/": "package.json", "tsconfig.json", "tests/tsconfig.json");
const TS_PRICING: &[File] = files!("templates/ts/pricing/": "src/rule.ts", "tests/rule.test.ts");
const TS_LIMITS: &[File] = files!("templates/ts/limits/": "src/rule.ts", "tests/rule.test.ts");

const PYTHON_SDK: &[File] = files!("":
    "sdk/python/canopy_rules/__init__.py", "sdk/python/canopy_rules/configuration.py",
    "sdk/python/canopy_rules/errors.py", "sdk/python/canopy_rules/exported_limits.py",
    "sdk/python/canopy_rules/exported_pricing.py", "sdk/python/canopy_rules/limits.py",
    "sdk/python/canopy_rules/log.py", "sdk/python/canopy_rules/money.py",
    "sdk/python/canopy_rules/pricing.py", "sdk/python/canopy_rules/sample.py",
);
const PYTHON: &[File] = files!("templates/python/": "requirements.txt");
const PYTHON_PRICING: &[File] = files!("templates/python/pricing/": "src/rule.py", "tests/test_rule.py");
const PYTHON_LIMITS: &[File] = files!("templates/python/limits/": "src/rule.py", "tests/test_rule.py");

/// The files of a new project.
pub(super) fn files(kind: RuleKind, language: Language) -> impl Iterator<Item = File> {
    let shared = match kind {
        RuleKind::Pricing => PRICING,
        RuleKind::Limits => LIMITS,
    };
    let (sdk, own, of_kind): (&[File], &[File], &[File]) = match (language, kind) {
        (Language::Rust, RuleKind::Pricing) => (RUST_SDK, RUST, RUST_PRICING),
        (Language::Rust, RuleKind::Limits) => (RUST_SDK, RUST, RUST_LIMITS),
        (Language::C, RuleKind::Pricing) => (C_SDK, &[], C_PRICING),
        (Language::C, RuleKind::Limits) => (C_SDK, &[], C_LIMITS),
        (Language::Js, RuleKind::Pricing) => (JS_SDK, JS, JS_PRICING),
        (Language::Js, RuleKind::Limits) => (JS_SDK, JS, JS_LIMITS),
        (Language::Ts, RuleKind::Pricing) => (JS_SDK, TS, TS_PRICING),
        (Language::Ts, RuleKind::Limits) => (JS_SDK, TS, TS_LIMITS),
        (Language::Python, RuleKind::Pricing) => (PYTHON_SDK, PYTHON, PYTHON_PRICING),
        (Language::Python, RuleKind::Limits) => (PYTHON_SDK, PYTHON, PYTHON_LIMITS),
    };
    [COMMON, shared, WIT, sdk, own, of_kind]
        .into_iter()
        .flatten()
        .copied()
}

/// What the project's README says of the language's tools.
pub(super) fn tools(language: Language) -> &'static str {
    match language {
        Language::Rust => include_str!("../../../rules/templates/rust/tools.md"),
        Language::C => include_str!("../../../rules/templates/c/tools.md"),
        Language::Js => include_str!("../../../rules/templates/js/tools.md"),
        Language::Ts => include_str!("../../../rules/templates/ts/tools.md"),
        Language::Python => include_str!("../../../rules/templates/python/tools.md"),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use clap::ValueEnum;

    use super::*;

    /// What lies in an SDK's folder but is not for a project.
    const NOT_EMBEDDED: [&str; 4] = ["tests", "target", "__pycache__", "README.md"];

    fn list(folder: &Path, root: &Path, files: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let entry = entry.expect("an entry");
            let name = entry.file_name();
            if NOT_EMBEDDED.iter().any(|skipped| name == *skipped) {
                continue;
            }
            if entry.path().is_dir() {
                list(&entry.path(), root, files);
            } else {
                let path = entry.path();
                let path = path.strip_prefix(root).expect("it is below the root");
                files.insert(path.to_string_lossy().into_owned());
            }
        }
    }

    #[test]
    fn no_file_of_the_sdks_is_forgotten() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut there = BTreeSet::new();
        list(&root.join("sdk"), &root, &mut there);
        list(&root.join("wit"), &root, &mut there);
        let mut embedded = BTreeSet::new();
        for &language in Language::value_variants() {
            for (path, _) in files(RuleKind::Pricing, language).chain(files(RuleKind::Limits, language)) {
                if path.starts_with("sdk/") || path.starts_with("wit/") {
                    embedded.insert(path.to_owned());
                }
            }
        }
        assert_eq!(there, embedded);
    }

    #[test]
    fn a_project_has_each_file_once_and_no_placeholder_left() {
        for kind in [RuleKind::Pricing, RuleKind::Limits] {
            for &language in Language::value_variants() {
                let folder = tempfile::tempdir().expect("a directory");
                let paths: Vec<_> = files(kind, language).map(|(path, _)| path).collect();
                assert_eq!(
                    paths.len(),
                    paths.iter().collect::<BTreeSet<_>>().len(),
                    "{paths:?}"
                );
                let made = crate::cli::rules::new::write(&folder.path().join("a"), "a", kind, language);
                assert_eq!(made.expect("it is written"), paths.len());
                for path in paths {
                    let text = fs::read_to_string(folder.path().join("a").join(path)).expect("it is there");
                    assert!(!text.contains("{{"), "{path}");
                }
            }
        }
    }
}
