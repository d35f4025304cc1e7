//! The committed SDL: written from the code, and held equal to it.
//! It asks the `canopy` program for the schema and knows nothing of GraphQL.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::tools;

const COMMITTED: &str = "schema/schema.graphql";
/// The schema that was released last. The suites of tests/contract hold the committed one against it.
const RELEASED: &str = "schema/released.graphql";

/// Writes the schema of the code over the committed one.
pub(crate) fn write() -> Result<()> {
    let schema = process::capture(&mut tools::cargo(&[
        "run",
        "--quiet",
        "--package",
        "canopy",
        "--",
        "schema",
    ]))?;
    let file = committed();
    fs::write(&file, schema).with_context(|| format!("cannot write {}", file.display()))?;
    println!("Wrote {COMMITTED}.");
    Ok(())
}

/// Compares the committed schema with the one that `canopy` prints.
pub(crate) fn check(canopy: &Path) -> Result<()> {
    let schema = process::capture(tools::command(canopy, "").arg("schema"))?;
    let file = committed();
    let committed = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    match first_difference(&committed, &schema) {
        None => {
            println!("{COMMITTED} is the schema of the code.");
            Ok(())
        }
        Some((line, committed, current)) => bail!(
            "{COMMITTED} is not the schema of the code. Line {line}:\n  committed: {committed}\n  code:      {current}\n\
             Run `cargo xtask schema`, read the difference and commit it."
        ),
    }
}

/// Makes the committed schema the released one: a part of a release, after which it may not be broken.
pub(crate) fn release() -> Result<()> {
    let released = tools::root().join(RELEASED);
    fs::copy(committed(), &released).with_context(|| format!("cannot write {}", released.display()))?;
    println!("{RELEASED} is the schema of {COMMITTED} now.");
    Ok(())
}

fn committed() -> PathBuf {
    tools::root().join(COMMITTED)
}

/// The number of the first line that differs, with both sides of it.
fn first_difference<'a>(left: &'a str, right: &'a str) -> Option<(usize, &'a str, &'a str)> {
    if left == right {
        return None;
    }
    let end = "(nothing)";
    let lines = left.lines().count().max(right.lines().count());
    let pairs = (0..lines)
        .zip(left.lines().map(Some).chain(std::iter::repeat(None)))
        .zip(right.lines().map(Some).chain(std::iter::repeat(None)));
    let different = pairs
        .map(|((index, left), right)| (index + 1, left, right))
        .find(|(_, left, right)| left != right);
    match different {
        Some((line, left, right)) => Some((line, left.unwrap_or(end), right.unwrap_or(end))),
        None => Some((lines, "(other line ends)", "(other line ends)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_differing_line_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some((2, "b", "c")));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some((2, "(nothing)", "b")));
        assert!(first_difference("a\n", "a").is_some());
    }
}
