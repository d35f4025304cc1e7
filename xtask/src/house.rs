//! The rules of the house, as tests: who may depend on whom, who may name what, and how a file looks.
//! A failure says which line breaks which rule and what to do. Code is read as text, never compiled here.

mod edges;
mod source;
mod text;

use self::source::Source;
use crate::tools;

/// The longest file. A longer one asks to be split by idea, not by size.
const MAX_LINES: usize = 400;

/// Files that may be longer, each with the reason. A file that has become short must leave the list.
const LONG_FILES: [(&str, &str); 0] = [];

/// A part of the system that only some places may name.
struct Reserved {
    /// The path segment as it stands in code.
    word: &'static str,
    /// Beginnings of the paths that may name it.
    places: &'static [&'static str],
    instead: &'static str,
}

const RESERVED: [Reserved; 8] = [
    Reserved {
        word: "axum",
        places: &["src/", "tests/", "benches/"],
        instead: "only the process speaks HTTP; hand it plain values",
    },
    Reserved {
        word: "async_graphql",
        places: &["schema/", "src/http/", "src/http.rs", "tests/", "benches/"],
        instead: "only the schema and the GraphQL handlers know GraphQL; services return rows and errors",
    },
    Reserved {
        word: "sea_orm",
        places: &["entity/", "domain/", "migrations/", "src/", "tests/", "benches/"],
        instead: "only entity and domain query; call a service of canopy-domain",
    },
    Reserved {
        word: "sea_orm_migration",
        places: &["migrations/", "src/", "tests/"],
        instead: "tables change in a migration",
    },
    Reserved {
        word: "tokio_postgres",
        places: &["domain/src/store/", "benches/"],
        instead: "only the store knows the driver; ask for rows by `Domain::rows`",
    },
    Reserved {
        word: "async_nats",
        places: &["src/bus/", "tests/"],
        instead: "only the bus knows NATS; say what is to be told to other processes",
    },
    Reserved {
        word: "wasmtime",
        places: &["rules/host/"],
        instead: "only the rules host knows wasmtime; call canopy-rules-host",
    },
    Reserved {
        word: "jsonwebtoken",
        places: &["domain/src/auth/", "domain/src/auth.rs"],
        instead: "only domain::auth makes and verifies tokens",
    },
];

/// What a query needs. The process may open a connection with sea-orm, and no more.
const QUERY_WORDS: [&str; 14] = [
    "EntityTrait",
    "QueryFilter",
    "QuerySelect",
    "QueryOrder",
    "QueryTrait",
    "ColumnTrait",
    "ModelTrait",
    "ActiveModelTrait",
    "PaginatorTrait",
    "LoaderTrait",
    "FromQueryResult",
    "Statement",
    "StatementBuilder",
    "sea_query",
];

fn sources() -> Vec<Source> {
    source::read_all(tools::root())
}

/// Fails with every finding at once, so that one run shows all the work.
fn expect_none(rule: &str, what_to_do: &str, findings: &[String]) {
    assert!(
        findings.is_empty(),
        "\n{rule}\n  {}\n{what_to_do}\n",
        findings.join("\n  ")
    );
}

fn words_out_of_place(source: &Source) -> Vec<String> {
    let path = source.path.as_str();
    let mut findings = Vec::new();
    for reserved in RESERVED
        .iter()
        .filter(|reserved| !reserved.places.iter().any(|at| path.starts_with(at)))
    {
        for line in source.lines_with_word(reserved.word) {
            findings.push(format!(
                "{path}:{line} names {}: {}",
                reserved.word, reserved.instead
            ));
        }
    }
    if path.starts_with("src/") {
        for word in QUERY_WORDS {
            for line in source.lines_with_word(word) {
                findings.push(format!(
                    "{path}:{line} names {word}: call a service of canopy-domain"
                ));
            }
        }
    }
    findings
}

fn without_purpose(source: &Source) -> Option<String> {
    let first = source.text.lines().find(|line| !line.trim().is_empty());
    (!first.is_some_and(|line| line.starts_with("//!"))).then(|| source.path.clone())
}

fn unwraps(source: &Source) -> Vec<String> {
    let lines = source
        .lines_with(".unwrap()")
        .filter(|line| !source.is_test_line(*line));
    lines.map(|line| format!("{}:{line}", source.path)).collect()
}

fn ignored_tests(source: &Source) -> Vec<String> {
    source
        .lines_with("#[ignore")
        .map(|line| format!("{}:{line}", source.path))
        .collect()
}

fn sleeps_in_tests(source: &Source) -> Vec<String> {
    let sleeps = ["sleep", "sleep_until"]
        .into_iter()
        .flat_map(|word| source.lines_with_word(word));
    sleeps
        .filter(|line| source.is_test_line(*line))
        .map(|line| format!("{}:{line}", source.path))
        .collect()
}

#[test]
fn crates_depend_only_along_the_edges() {
    expect_none(
        "The edges between crates are canopy → schema → domain → entity, domain → rules host, canopy → migrations:",
        "Move the code to the crate that may depend on it, or change the design first (docs/ARCHITECTURE.md).",
        &edges::findings(&edges::workspace()),
    );
}

#[test]
fn parts_are_named_only_where_they_belong() {
    let findings: Vec<String> = sources().iter().flat_map(words_out_of_place).collect();
    expect_none(
        "These lines name a part that is not theirs to know:",
        "Move the code.",
        &findings,
    );
}

#[test]
fn file_has_at_most_400_lines() {
    let mut findings = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        let excused = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        if lines > MAX_LINES && !excused {
            findings.push(format!("{} has {lines} lines", source.path));
        } else if lines <= MAX_LINES && excused {
            findings.push(format!("{} is short now: remove it from LONG_FILES", source.path));
        }
    }
    expect_none(
        "Files are too long:",
        "Split each by idea, not by size.",
        &findings,
    );
}

#[test]
fn module_opens_with_its_purpose() {
    let findings: Vec<String> = sources().iter().filter_map(without_purpose).collect();
    expect_none(
        "These files do not open with `//!`:",
        "Say in two sentences what the module is for and what it must not know.",
        &findings,
    );
}

#[test]
fn unwrap_is_only_in_tests() {
    let findings: Vec<String> = sources().iter().flat_map(unwraps).collect();
    expect_none(
        "unwrap() outside tests:",
        "Return the error, or `expect(\"why it cannot fail\")`.",
        &findings,
    );
}

#[test]
fn no_test_is_ignored() {
    let findings: Vec<String> = sources().iter().flat_map(ignored_tests).collect();
    expect_none(
        "Ignored tests:",
        "Mend the test or remove it; an ignored one protects nothing.",
        &findings,
    );
}

#[test]
fn no_test_waits_by_sleeping() {
    let findings: Vec<String> = sources().iter().flat_map(sleeps_in_tests).collect();
    expect_none(
        "Tests that sleep are slow and still fail on a busy machine:",
        "Wait for the event itself, with a timeout as its bound.",
        &findings,
    );
}

#[test]
fn each_rule_finds_its_violation() {
    let at = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned(), false);
    assert_eq!(
        words_out_of_place(&at("domain/src/a.rs", "use axum::Router;")).len(),
        1
    );
    assert_eq!(
        words_out_of_place(&at("schema/src/a.rs", "sea_orm::Entity; jsonwebtoken::encode()")).len(),
        2
    );
    assert_eq!(
        words_out_of_place(&at(
            "src/http/a.rs",
            "use axum::Router; use async_graphql::Schema;"
        ))
        .len(),
        0
    );
    assert_eq!(
        words_out_of_place(&at("src/a.rs", "use sea_orm::{Database, EntityTrait};")).len(),
        1
    );
    assert_eq!(
        words_out_of_place(&at("domain/src/a.rs", "// axum\nlet my_axum = \"axum\";")).len(),
        0
    );
    assert!(without_purpose(&at("a.rs", "use std::fs;\n//! late")).is_some());
    assert_eq!(
        unwraps(&at(
            "a.rs",
            "fn f() { x.unwrap(); }\n#[cfg(test)]\nmod t { fn g() { x.unwrap(); } }"
        ))
        .len(),
        1
    );
    assert_eq!(ignored_tests(&at("a.rs", "#[ignore = \"later\"]")).len(), 1);
    assert_eq!(
        sleeps_in_tests(&at("tests/it/a.rs", "tokio::time::sleep(d).await")).len(),
        1
    );
    assert_eq!(
        sleeps_in_tests(&at("src/a.rs", "tokio::time::sleep(d).await")).len(),
        0
    );
}
