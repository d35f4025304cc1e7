//! The Rust files of this repository, read once, each with what is needed to search its code.
//! It knows where test code lies, not what may stand in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::text::{self, TestItem};

/// Directories that are not ours to judge.
const SKIPPED: [&str; 3] = ["target", "node_modules", ".git"];

/// One file.
pub(super) struct Source {
    /// Relative to the workspace, with `/` between the parts.
    pub(super) path: String,
    pub(super) text: String,
    code: String,
    all_test: bool,
    test_lines: Vec<(usize, usize)>,
}

impl Source {
    pub(super) fn new(path: String, text: String, all_test: bool) -> Self {
        let code = text::blank_out(&text);
        let test_lines = text::test_items(&code).into_iter().filter_map(|item| match item {
            TestItem::Lines(first, last) => Some((first, last)),
            TestItem::Module(_) => None,
        });
        let test_lines = test_lines.collect();
        let all_test = all_test || path.split('/').any(|part| part == "tests" || part == "benches");
        Self {
            path,
            text,
            code,
            all_test,
            test_lines,
        }
    }

    /// The lines whose code, without comments and strings, contains `needle`.
    pub(super) fn lines_with(&self, needle: &str) -> impl Iterator<Item = usize> {
        self.code
            .lines()
            .zip(1..)
            .filter(move |(line, _)| line.contains(needle))
            .map(|(_, number)| number)
    }

    /// The lines that contain `word` as a whole word.
    pub(super) fn lines_with_word(&self, word: &str) -> impl Iterator<Item = usize> {
        let names = move |line: &str| line.split(|c| !text::is_word(c)).any(|part| part == word);
        self.code
            .lines()
            .zip(1..)
            .filter(move |(line, _)| names(line))
            .map(|(_, number)| number)
    }

    /// Whether a line is compiled for tests only.
    pub(super) fn is_test_line(&self, line: usize) -> bool {
        self.all_test
            || self
                .test_lines
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// The files of the modules that this one declares for tests only: `stem.rs`, or everything in `stem/`.
    fn test_stems(&self) -> Vec<String> {
        let (directory, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let directory = match name.trim_end_matches(".rs") {
            "main" | "lib" | "mod" => directory.to_owned(),
            stem => format!("{directory}/{stem}"),
        };
        let modules = text::test_items(&self.code)
            .into_iter()
            .filter_map(|item| match item {
                TestItem::Module(name) => Some(format!("{directory}/{name}")),
                TestItem::Lines(..) => None,
            });
        modules.collect()
    }
}

/// All Rust files under `root`, in order of their paths.
pub(super) fn read_all(root: &Path) -> Vec<Source> {
    let mut files = BTreeSet::new();
    collect(root, &mut files);
    assert!(
        files.len() > 10,
        "found only {} Rust files under {}",
        files.len(),
        root.display()
    );
    let read = |file: &PathBuf| {
        let path = file
            .strip_prefix(root)
            .expect("the files were found under the root");
        let path = path.to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("cannot read {path}: {error}"));
        Source::new(path, text, false)
    };
    let mut sources: Vec<Source> = files.iter().map(read).collect();
    let stems: Vec<String> = sources.iter().flat_map(Source::test_stems).collect();
    for source in &mut sources {
        let belongs = |stem: &String| {
            source
                .path
                .strip_prefix(stem.as_str())
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        source.all_test |= stems.iter().any(belongs);
    }
    sources
}

fn collect(directory: &Path, files: &mut BTreeSet<PathBuf>) {
    let entries = fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", directory.display()));
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_ref()) && !path.is_symlink() {
                collect(&path, files);
            }
        } else if name.ends_with(".rs") {
            files.insert(path);
        }
    }
}
