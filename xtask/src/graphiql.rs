//! Fetches the browser build of GraphiQL, so that the explorer's page needs no CDN.
//! The versions are pinned by xtask/graphiql/package-lock.json; the page that loads them is the server's.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::tools;

/// The files that the page names, each with the package file that it is a copy of.
const FILES: [(&str, &str); 4] = [
    ("react.production.min.js", "react/umd/react.production.min.js"),
    (
        "react-dom.production.min.js",
        "react-dom/umd/react-dom.production.min.js",
    ),
    ("graphiql.min.js", "graphiql/graphiql.min.js"),
    ("graphiql.min.css", "graphiql/graphiql.min.css"),
];

/// Installs the locked packages and copies the four files to `target/graphiql`.
pub(crate) fn fetch() -> Result<()> {
    tools::require_node()?;
    let target = tools::root().join("target");
    let packages = target.join("graphiql-npm");
    fs::create_dir_all(&packages).with_context(|| format!("cannot make {}", packages.display()))?;
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        copy(
            &tools::root().join("xtask/graphiql").join(file),
            &packages.join(file),
        )?;
    }
    tools::npm_ci(tools::command("npm", "").current_dir(&packages))?;

    let assets = target.join("graphiql");
    fs::create_dir_all(&assets).with_context(|| format!("cannot make {}", assets.display()))?;
    for (name, source) in FILES {
        copy(&packages.join("node_modules").join(source), &assets.join(name))?;
    }
    fs::remove_dir_all(&packages).with_context(|| format!("cannot remove {}", packages.display()))?;
    println!(
        "GraphiQL lies in {}. `canopy serve` and `canopy demo` serve it at /graphiql.",
        assets.display()
    );
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
