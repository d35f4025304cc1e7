//! The steps of `xtask test`: each names the command that does the work.
//! Nothing here knows the order of results or how they are shown.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::nats::Nats;
use crate::postgres::Postgres;
use crate::process::{self, Report};
use crate::tools::{self, Missing};
use crate::{conformance, fuzz, languages, rules, schema};

/// A compile of everything on two cores takes half of this.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// The manifest of the guests' own workspace.
const GUESTS: &str = "rules/Cargo.toml";

/// One step. `only_ci` keeps it out of a developer's run unless it is named.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) only_ci: bool,
    pub(crate) run: fn(&Bench) -> Result<Report>,
}

const fn step(name: &'static str, about: &'static str, run: fn(&Bench) -> Result<Report>) -> Step {
    Step {
        name,
        about,
        only_ci: false,
        run,
    }
}

/// All steps, the quick ones first.
pub(crate) const STEPS: [Step; 20] = [
    step("fmt", "the code is formatted as rustfmt.toml says", fmt),
    step(
        "rules",
        "the committed guests are built from the sources here",
        |_| done(rules::check()),
    ),
    step("clippy", "no lint of the compiler or clippy is broken", clippy),
    step(
        "unit",
        "unit tests of every crate, the sandbox of the rules, and the rules of the house",
        unit,
    ),
    step("guests", "the guests' tests, run natively", guests),
    step("sdks", "the SDKs' tests, in their own languages", sdks),
    step("schema", "the committed SDL is the one of the code", |bench| {
        done(schema::check(bench.canopy()?))
    }),
    step(
        "contract",
        "the SDL as code generators, linters and the clients of the last release see it",
        |_| some_tests(conformance::contract(None)?),
    ),
    step("it-sqlite", "features through GraphQL, on SQLite", |_| {
        integration(None)
    }),
    step(
        "it-postgres",
        "features through GraphQL, on PostgreSQL",
        |bench| integration(Some(bench.database("it")?)),
    ),
    step("nodes", "several processes on one PostgreSQL and one NATS", nodes),
    step(
        "faults",
        "three processes, clients that retry, and a few faults drawn from a seed",
        faults,
    ),
    step(
        "clients-sqlite",
        "public GraphQL clients against a demo on SQLite",
        |bench| clients(bench, None),
    ),
    step(
        "clients-postgres",
        "public GraphQL clients against a demo on PostgreSQL",
        |bench| clients(bench, Some(bench.database("clients")?)),
    ),
    step(
        "conformance-sqlite",
        "audits of the protocols, clients of frontends and schemathesis against a demo on SQLite",
        |bench| some_tests(conformance::suites(bench.canopy()?, None, None)?),
    ),
    step(
        "conformance-postgres",
        "the same against a demo on PostgreSQL",
        |bench| {
            let database = bench.database("conformance")?;
            some_tests(conformance::suites(bench.canopy()?, Some(database), None)?)
        },
    ),
    step(
        "languages",
        "a rule in each language, from an empty folder to a price by commands",
        |bench| some_tests(process::run(&mut languages::whole_way(bench.canopy()?)?, LIMIT)?),
    ),
    step("fuzz", "uploads and answers at random, a minute each", |_| {
        fuzz::run(fuzz::SECONDS)
    }),
    step("docs", "the documentation builds without a warning", docs),
    Step {
        name: "deny",
        about: "licences, advisories, duplicates and sources of dependencies",
        only_ci: true,
        run: deny,
    },
];

/// What several steps share: made when the first needs it, gone with the run.
#[derive(Default)]
pub(crate) struct Bench {
    canopy: OnceCell<PathBuf>,
    postgres: OnceCell<Postgres>,
    nats: OnceCell<Nats>,
}

impl Bench {
    /// The path of the `canopy` program, built in the development profile.
    pub(crate) fn canopy(&self) -> Result<&Path> {
        if self.canopy.get().is_none() {
            let _ = self.canopy.set(tools::build_and_find_canopy()?);
        }
        Ok(self.canopy.get().expect("it was set above"))
    }

    /// The URL of a new database on the PostgreSQL of this run.
    pub(crate) fn database(&self, name: &str) -> Result<String> {
        if self.postgres.get().is_none() {
            let _ = self.postgres.set(Postgres::start()?);
        }
        self.postgres
            .get()
            .expect("it was set above")
            .create_database(name)
    }

    /// The URL of the NATS of this run.
    pub(crate) fn nats(&self) -> Result<String> {
        if self.nats.get().is_none() {
            let _ = self.nats.set(Nats::start()?);
        }
        Ok(self.nats.get().expect("it was set above").url())
    }
}

/// How many faults a run of all steps deals: about a minute of them.
const FAULTS: &str = "25";

fn nodes(bench: &Bench) -> Result<Report> {
    let nats = bench.nats()?;
    let mut test = tools::cargo(&["test", "--workspace", "--locked", "--test", "it", "--", "nodes::"]);
    test.env("CANOPY_TEST_DATABASE_URL", bench.database("nodes")?)
        .env("CANOPY_TEST_NATS_URL", nats);
    some_tests(process::run(&mut test, LIMIT)?)
}

fn faults(bench: &Bench) -> Result<Report> {
    // Both have instances of their own there, which come and go.
    Nats::find()?;
    Postgres::find()?;
    bench.canopy()?;
    let arguments = [
        "test",
        "--workspace",
        "--locked",
        "--test",
        "faults",
        "--",
        "run",
        "--spends",
        "100",
    ];
    process::run(tools::cargo(&arguments).args(["--faults", FAULTS]), LIMIT)
}

fn fmt(_: &Bench) -> Result<Report> {
    in_order([
        tools::cargo(&["fmt", "--all", "--check"]),
        tools::cargo(&["fmt", "--all", "--check", "--manifest-path", GUESTS]),
    ])
}

fn clippy(_: &Bench) -> Result<Report> {
    let everything = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    let [workspace, mut guests] = [tools::cargo(&everything), tools::cargo(&everything)];
    guests
        .current_dir(guests_directory())
        .env("CARGO_TARGET_DIR", guests_target()?);
    in_order([workspace, guests])
}

fn unit(_: &Bench) -> Result<Report> {
    let report = in_order([
        tools::cargo(&[
            "test",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--test",
            "host",
        ]),
        tools::cargo(&["test", "--workspace", "--locked", "--no-fail-fast", "--doc"]),
    ])?;
    some_tests(report)
}

fn guests(_: &Bench) -> Result<Report> {
    let mut test = tools::cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    test.current_dir(guests_directory())
        .env("CARGO_TARGET_DIR", guests_target()?);
    some_tests(process::run(&mut test, LIMIT)?)
}

fn sdks(_: &Bench) -> Result<Report> {
    let folder = tempfile::tempdir().context("cannot make a directory")?;
    some_tests(in_order(languages::sdk_tests(folder.path())?)?)
}

/// The same binary on both databases: the URL is all that differs.
fn integration(database: Option<String>) -> Result<Report> {
    let mut test = tools::cargo(&["test", "--workspace", "--locked", "--test", "it"]);
    if let Some(url) = database {
        test.env("CANOPY_TEST_DATABASE_URL", url);
    }
    some_tests(process::run(&mut test, LIMIT)?)
}

fn clients(bench: &Bench, database: Option<String>) -> Result<Report> {
    tools::require_node()?;
    let canopy = bench.canopy()?;
    tools::npm_ci(&mut tools::command("npm", "tests/clients"))?;
    let mut test = tools::command("node", "tests/clients");
    test.args(["--test", "--test-reporter=spec"])
        .env("CANOPY_BIN", canopy);
    if let Some(url) = database {
        test.env("CANOPY__DATABASE__URL", url);
    }
    some_tests(process::run(&mut test, LIMIT)?)
}

fn docs(_: &Bench) -> Result<Report> {
    let mut doc = tools::cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--locked",
    ]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    process::run(&mut doc, LIMIT)
}

fn deny(_: &Bench) -> Result<Report> {
    if tools::on_path("cargo-deny").is_none() {
        bail!(Missing {
            tool: "cargo-deny".to_owned(),
            install: "Install it with `cargo install --locked cargo-deny`.",
            optional: true,
        });
    }
    process::run(&mut tools::cargo(&["deny", "--locked", "check"]), LIMIT)
}

/// Runs all commands; the first failure is the report's.
fn in_order(commands: impl IntoIterator<Item = Command>) -> Result<Report> {
    let mut sum = Report::default();
    for mut command in commands {
        let report = process::run(&mut command, LIMIT)?;
        sum.counts.add(report.counts);
        sum.evidence.add(report.evidence);
        sum.failure = sum.failure.or(report.failure);
    }
    Ok(sum)
}

/// A step without commands of its own has no tests to count.
fn done(result: Result<()>) -> Result<Report> {
    result.map(|()| Report::default())
}

/// A test step that ran nothing proves nothing.
fn some_tests(mut report: Report) -> Result<Report> {
    if report.failure.is_none() && report.counts.passed == 0 {
        report.failure = Some("ran no test".to_owned());
    }
    Ok(report)
}

fn guests_directory() -> PathBuf {
    tools::root()
        .join(GUESTS)
        .parent()
        .expect("the manifest lies in a directory")
        .to_owned()
}

/// The guests have a workspace of their own, but their artifacts lie with ours.
fn guests_target() -> Result<PathBuf> {
    Ok(tools::target_directory()
        .context("cannot find the target directory")?
        .join("guests"))
}
