//! `canopy rules new`: writes a project that builds, with the SDK of its language inside.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use canopy_domain::rules_host::RuleKind;
use serde_json::json;

use super::{
    arguments::NewProject,
    project::{self, Language},
    templates,
};
use crate::cli::output::Output;

pub(super) fn run(new: &NewProject, output: &Output) -> anyhow::Result<()> {
    let name = project::checked_name(&new.name)?;
    let folder = new.folder.clone().unwrap_or_else(|| PathBuf::from(name));
    let count = write(&folder, name, new.kind, new.lang)?;
    let json =
        json!({ "folder": folder, "kind": new.kind.as_str(), "language": new.lang.as_str(), "files": count });
    output.value(&json, || {
        format!(
            "Made {} with {count} files. Next:\n  cd {}\n  canopy rules test\n  canopy rules check\nREADME.md there says more.",
            folder.display(),
            folder.display()
        )
    })?;
    Ok(())
}

/// Writes the project; answers the number of files.
pub(super) fn write(folder: &Path, name: &str, kind: RuleKind, language: Language) -> anyhow::Result<usize> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is there already and is not empty", folder.display());
    }
    let meters = if kind == RuleKind::Pricing {
        "\"call_minutes\""
    } else {
        ""
    };
    let mut count = 0;
    for (path, text) in templates::files(kind, language) {
        let text = text
            .replace("{{tools}}", templates::tools(language).trim_end())
            .replace("{{name}}", name)
            .replace("{{kind}}", kind.as_str())
            .replace("{{language}}", language.as_str())
            .replace("{{meters}}", meters);
        let file = folder.join(path);
        let parent = file.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        count += 1;
    }
    Ok(count)
}
