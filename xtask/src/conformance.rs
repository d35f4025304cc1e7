//! The suites of tests/conformance against a running demo, those of tests/contract on the SDL, and their scoreboard.
//! It knows how they are started and which numbers of others to show beside ours, not what they test.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::process::{self, Report};
use crate::steps::Bench;
use crate::tools::{self, Missing};

const FOLDER: &str = "tests/conformance";
const CONTRACT: &str = "tests/contract";
/// What schemathesis is installed from: every package with its version.
const REQUIREMENTS: &str = "tests/conformance/schemathesis/requirements.txt";
const LIMIT: Duration = Duration::from_secs(15 * 60);
const INSTALL_LIMIT: Duration = Duration::from_secs(10 * 60);
const PYTHON: &str = "Install it with `apt-get install python3 python3-venv`.";

/// What the suites of a board ran against.
const SQLITE: &str = "SQLite";
const POSTGRES: &str = "PostgreSQL";
const SDL: &str = "the SDL";

/// What others score in a suite, as their own documentation or our measurement says.
const REFERENCES: [(&str, &str); 1] = [(
    "graphql-http",
    "graphql-yoga 61 of 61, async-graphql's axum handlers 46 of 61",
)];

/// Runs all suites against one demo of `canopy`, on the database of the URL or on SQLite. The score of each suite is
/// written to `scoreboard`.
pub(crate) fn suites(canopy: &Path, database: Option<String>, scoreboard: Option<&Path>) -> Result<Report> {
    tools::require_node()?;
    let schemathesis = schemathesis()?;
    tools::npm_ci(&mut tools::command("npm", FOLDER))?;
    let mut run = tools::command("node", FOLDER);
    run.arg("run.mjs")
        .env("CANOPY_BIN", canopy)
        .env("SCHEMATHESIS", schemathesis);
    if let Some(file) = scoreboard {
        run.arg("--scoreboard").arg(file);
    }
    if let Some(url) = database {
        run.env("CANOPY__DATABASE__URL", url);
    }
    process::run(&mut run, LIMIT)
}

/// Runs the suites that need the committed SDL only. Their score is written to `scoreboard`.
pub(crate) fn contract(scoreboard: Option<&Path>) -> Result<Report> {
    tools::require_node()?;
    tools::npm_ci(&mut tools::command("npm", CONTRACT))?;
    let mut run = tools::command("node", CONTRACT);
    run.arg("run.mjs");
    if let Some(file) = scoreboard {
        run.arg("--scoreboard").arg(file);
    }
    process::run(&mut run, LIMIT)
}

/// Runs all suites, on both databases where they need one, prints the table, and writes it as JSON to the given file.
pub(crate) fn scoreboard(json: Option<&Path>) -> Result<()> {
    let bench = Bench::default();
    let folder = tempfile::tempdir().context("cannot make a directory")?;
    let mut boards = Vec::new();
    let mut failures = Vec::new();
    for name in [SQLITE, POSTGRES, SDL] {
        let file = folder.path().join(name);
        let report = match name {
            SQLITE => suites(bench.canopy()?, None, Some(&file))?,
            POSTGRES => suites(bench.canopy()?, Some(bench.database("conformance")?), Some(&file))?,
            _ => contract(Some(&file))?,
        };
        failures.extend(report.failure.map(|failure| format!("{name}: {failure}")));
        boards.push(Board::read(name, &file)?);
    }
    print!("\n{}", table(&boards));
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&as_json(&boards)).expect("it has string keys only");
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    match failures.as_slice() {
        [] => Ok(()),
        failures => bail!("{}", failures.join("; ")),
    }
}

/// The scores of one run.
struct Board {
    against: &'static str,
    scores: Vec<Score>,
}

struct Score {
    suite: String,
    version: String,
    passed: u64,
    of: u64,
}

impl Board {
    fn read(against: &'static str, file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).context("the suites wrote no score")?;
        let rows: Vec<Value> = serde_json::from_str(&text).context("the suites' score cannot be read")?;
        let scores = rows.iter().map(Score::of).collect::<Option<_>>();
        Ok(Self {
            against,
            scores: scores.context("the suites' score is not what it should be")?,
        })
    }
}

impl Score {
    fn of(row: &Value) -> Option<Self> {
        Some(Self {
            suite: row["suite"].as_str()?.to_owned(),
            version: row["version"].as_str()?.to_owned(),
            passed: row["passed"].as_u64()?,
            of: row["of"].as_u64()?,
        })
    }
}

/// What others score in the suite, or nothing.
fn reference(suite: &str) -> &'static str {
    REFERENCES
        .iter()
        .find(|(name, _)| *name == suite)
        .map_or("", |(_, reference)| reference)
}

/// A table in Markdown, a row for each suite and a column for each board.
fn table(boards: &[Board]) -> String {
    let mut rows = vec![vec!["suite".to_owned(), "version".to_owned()]];
    rows[0].extend(boards.iter().map(|board| board.against.to_owned()));
    rows[0].push("others".to_owned());
    let mut seen = BTreeSet::new();
    let all = boards.iter().flat_map(|board| &board.scores);
    for first in all.filter(|score| seen.insert(score.suite.as_str())) {
        let mut row = vec![first.suite.clone(), first.version.clone()];
        row.extend(boards.iter().map(|board| {
            let score = board.scores.iter().find(|score| score.suite == first.suite);
            score.map_or_else(String::new, |score| format!("{} of {}", score.passed, score.of))
        }));
        row.push(reference(&first.suite).to_owned());
        rows.push(row);
    }
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
        if index == 0 {
            let rule: String = widths
                .iter()
                .map(|width| format!("|{}", "-".repeat(width + 2)))
                .collect();
            text.push_str(&rule);
            text.push_str("|\n");
        }
    }
    text
}

fn as_json(boards: &[Board]) -> Value {
    let rows = boards.iter().flat_map(|board| {
        board.scores.iter().map(|score| {
            json!({
                "suite": score.suite,
                "version": score.version,
                "against": board.against,
                "passed": score.passed,
                "of": score.of,
                "others": reference(&score.suite),
            })
        })
    });
    rows.collect()
}

/// The path of the schemathesis program, installed again only when its requirements have changed.
fn schemathesis() -> Result<PathBuf> {
    let missing = || Missing {
        tool: "Python 3 with venv".to_owned(),
        install: PYTHON,
        optional: false,
    };
    if tools::on_path("python3").is_none() {
        bail!(missing());
    }
    let requirements = tools::root().join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements).with_context(|| format!("cannot read {REQUIREMENTS}"))?;
    let folder = tools::target_directory()?.join("conformance-python");
    let (stamp, program) = (folder.join("installed.txt"), folder.join("bin/schemathesis"));
    if program.is_file() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(program);
    }
    let mut venv = tools::command("python3", "");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    tools::succeed(&mut venv, INSTALL_LIMIT).with_context(|| missing().to_string())?;
    let mut install = tools::command(folder.join("bin/python"), "");
    install
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "-r",
        ])
        .arg(&requirements);
    tools::succeed(&mut install, INSTALL_LIMIT).context("pip could not install schemathesis")?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(against: &'static str, suite: &str, passed: u64) -> Board {
        let row = json!({"suite": suite, "version": "1.23.1", "passed": passed, "of": 61});
        Board {
            against,
            scores: vec![Score::of(&row).unwrap()],
        }
    }

    #[test]
    fn table_shows_each_database_beside_what_others_score() {
        let boards = [
            board(SQLITE, "graphql-http", 61),
            board(POSTGRES, "graphql-http", 60),
            board(SDL, "linters", 59),
        ];
        let text = table(&boards);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(
            lines[0].contains("SQLite") && lines[0].contains("PostgreSQL"),
            "{text}"
        );
        assert!(
            lines[2].contains("61 of 61") && lines[2].contains("60 of 61"),
            "{text}"
        );
        assert!(lines[2].contains("graphql-yoga"), "{text}");
        assert!(
            lines[3].contains("59 of 61") && !lines[3].contains("60 of 61"),
            "{text}"
        );
    }

    #[test]
    fn score_without_a_number_is_no_score() {
        assert!(Score::of(&json!({"suite": "x", "version": "1", "passed": "1", "of": 1})).is_none());
    }

    #[test]
    fn schemathesis_is_pinned_with_everything_it_needs() {
        let text = fs::read_to_string(tools::root().join(REQUIREMENTS)).unwrap();
        assert!(
            text.lines().any(|line| line.starts_with("schemathesis==")),
            "{text}"
        );
        assert!(text.lines().all(|line| line.contains("==")), "{text}");
    }
}
