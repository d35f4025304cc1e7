//! The arguments of `canopy rules`, with their help.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::project::Language;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RulesCommand {
    /// Make a project for a rule: a small rule that works, its fixtures, and the SDK.
    #[command(after_help = "Examples:\n  \
        canopy rules new pricing night-rate --lang rust\n  \
        canopy rules new limits seats --lang c --folder rules/seats")]
    New(NewProject),
    /// Build a project's component, build/NAME.wasm.
    #[command(after_help = "Example:\n  canopy rules build --project night-rate")]
    Build(ProjectOptions),
    /// Build, and hold the answers to fixtures/*/input.json to those of expected.json beside them.
    #[command(after_help = "Examples:\n  \
        canopy rules test\n  \
        canopy rules test --update     write down the answers as the expected ones\n\n\
        Exit code 1 if an answer differs.")]
    Test(TestOptions),
    /// Build, and say what the server would say: structure, class and the contract's checks.
    #[command(after_help = "Examples:\n  \
        canopy rules check\n  \
        canopy rules check --meter call_minutes --meter sms\n\n\
        Exit code 4 if the rule would be refused.")]
    Check(CheckOptions),
    /// Upload a version of a rule. It is checked, compiled and tried first.
    Upload(NewRule),
    /// Make a version live from the next event on.
    Activate {
        /// The version.
        #[arg(value_name = "RULE_ID")]
        rule: String,
    },
    /// List the versions of an account, newest first.
    List {
        /// The account.
        #[arg(long, value_name = "ID")]
        account: String,
    },
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["wasm", "builtin", "from"]))]
pub(in crate::cli) struct NewRule {
    /// The account whose rule it is.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) account: String,
    /// What it decides.
    #[arg(long, value_parser = ["pricing", "limits"])]
    pub(in crate::cli) kind: String,
    /// Its name within the account.
    #[arg(long)]
    pub(in crate::cli) name: String,
    /// A WebAssembly component.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) wasm: Option<PathBuf>,
    /// A rule that comes with Canopy, such as tiered-pricing.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) builtin: Option<String>,
    /// The component of an earlier version.
    #[arg(long, value_name = "RULE_ID")]
    pub(in crate::cli) from: Option<String>,
    /// The configuration: JSON, or a file that holds it.
    #[arg(long, value_name = "JSON|FILE", default_value = "{}")]
    pub(in crate::cli) configuration: String,
    /// What happens when it fails.
    #[arg(long, value_parser = ["keep-pending", "deny"])]
    pub(in crate::cli) failure_policy: Option<String>,
    /// Make it live at once.
    #[arg(long)]
    pub(in crate::cli) activate: bool,
}

/// What a new project is.
#[derive(Debug, Args)]
pub(in crate::cli) struct NewProject {
    /// What the rule decides.
    #[arg(value_parser = ["pricing", "limits"])]
    pub(in crate::cli) kind: String,
    /// Its name: lowercase letters, digits and `-`.
    pub(in crate::cli) name: String,
    /// The language that it is written in.
    #[arg(long, value_enum)]
    pub(in crate::cli) lang: Language,
    /// The folder to make. Default: the name.
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::cli) folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ProjectOptions {
    /// The folder of the project's rule.toml.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(in crate::cli) project: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TestOptions {
    #[command(flatten)]
    pub(in crate::cli) project: ProjectOptions,
    /// Write the answers down as the expected ones.
    #[arg(long)]
    pub(in crate::cli) update: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckOptions {
    #[command(flatten)]
    pub(in crate::cli) project: ProjectOptions,
    /// A meter to try, besides those of rule.toml and the configuration; may be repeated.
    #[arg(long = "meter", value_name = "NAME")]
    pub(in crate::cli) meters: Vec<String>,
    /// The seller's plan allows prices below cost.
    #[arg(long)]
    pub(in crate::cli) allow_below_cost: bool,
}
