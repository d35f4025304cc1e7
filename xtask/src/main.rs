//! `cargo xtask`: what a developer and CI run on this repository, in one place.
//! It drives cargo, npm and PostgreSQL from outside and depends on none of our crates.

mod conformance;
mod evidence;
mod fuzz;
mod graphiql;
#[cfg(test)]
mod house;
mod interrupt;
mod languages;
mod nats;
mod postgres;
mod process;
mod rules;
mod schema;
mod steps;
mod suite;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::suite::Mode;

const EXAMPLES: &str = "\
Examples:
  cargo xtask test                     everything that CI checks
  cargo xtask test --only it-sqlite    one step of it
  cargo xtask schema                   after a change of the GraphQL schema
  cargo xtask postgres                 a PostgreSQL to try things on, until Ctrl-C";

/// Development tasks of Canopy.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every check and test, on SQLite and on a PostgreSQL that is started for it.
    ///
    /// A step whose tool is missing is skipped and says how to install it. With CI=true that is a failure.
    #[command(after_help = "Example:\n  cargo xtask test --only unit --only it-postgres")]
    Test(Selection),
    /// Run what `test` runs, with a missing tool as a failure, and cargo-deny where it is installed.
    #[command(after_help = "Example:\n  cargo xtask ci")]
    Ci(Selection),
    /// Write schema/schema.graphql from the code.
    #[command(after_help = "Examples:\n  cargo xtask schema --check\n  cargo xtask schema --release")]
    Schema {
        #[command(flatten)]
        check: Check,
        /// Copy it to schema/released.graphql instead: from then on a change that breaks it fails.
        #[arg(long, conflicts_with = "check")]
        release: bool,
    },
    /// Build the guests and write rules/builtin/*.wasm with the digest of their sources.
    #[command(after_help = "Example:\n  cargo xtask rules --check")]
    Rules(Check),
    /// Build the other embedding that the rules benchmark compares with, and its guest, into target/bench-rules.
    #[command(after_help = "Example:\n  cargo xtask peer && cargo bench -p canopy-rules-host --bench rules")]
    Peer,
    /// Fuzz what strangers give us: the validation of uploads, and the answers of rules. Needs cargo-fuzz.
    #[command(after_help = "Example:\n  cargo xtask fuzz --seconds 3600")]
    Fuzz {
        /// How long each target runs.
        #[arg(long, default_value_t = fuzz::SECONDS)]
        seconds: u64,
    },
    /// Fetch GraphiQL's browser build from npm into target/graphiql, where the server looks for it.
    #[command(after_help = "Example:\n  cargo xtask graphiql && cargo run -- demo")]
    Graphiql,
    /// Run the suites of tests/conformance on SQLite and PostgreSQL and those of tests/contract, and print how many of
    /// their tests pass.
    #[command(after_help = "Example:\n  cargo xtask conformance --json target/conformance.json")]
    Conformance {
        /// Write the table as JSON, too.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Start a throw-away PostgreSQL and print its URL; Ctrl-C stops it and removes its data.
    #[command(
        after_help = "Example:\n  cargo xtask postgres\n  CANOPY__DATABASE__URL=<the URL> cargo run -- demo"
    )]
    Postgres,
}

#[derive(Args)]
struct Selection {
    /// Run only this step; may be given several times.
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// List the steps and run none.
    #[arg(long)]
    list: bool,
}

#[derive(Args)]
struct Check {
    /// Write nothing; fail if what is committed differs from what would be written.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match interrupt::install().and_then(|()| run(cli.task)) {
        Ok(code) => code,
        Err(_) if interrupt::interrupted() => {
            eprintln!("Interrupted.");
            ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Test(selection) => return suite::run(&selection.only, selection.list, Mode::of_environment()),
        Task::Ci(selection) => return suite::run(&selection.only, selection.list, Mode::Ci),
        Task::Schema { release: true, .. } => schema::release()?,
        Task::Schema {
            check: Check { check: false },
            ..
        } => schema::write()?,
        Task::Schema { .. } => schema::check(&tools::build_and_find_canopy()?)?,
        Task::Rules(Check { check: false }) => rules::build()?,
        Task::Rules(Check { check: true }) => rules::check()?,
        Task::Peer => rules::peer::build()?,
        Task::Fuzz { seconds } => {
            if let Some(failure) = fuzz::run(seconds)?.failure {
                anyhow::bail!("{failure}");
            }
        }
        Task::Graphiql => graphiql::fetch()?,
        Task::Conformance { json } => conformance::scoreboard(json.as_deref())?,
        Task::Postgres => postgres::serve_until_interrupted()?,
    }
    Ok(ExitCode::SUCCESS)
}
