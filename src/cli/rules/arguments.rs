//! The arguments of `canopy rules`, with their help.

use std::path::PathBuf;

use canopy_domain::rules_host::RuleKind;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
    value_parser,
};

use super::project::{self, Language};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RulesCommand {
    /// Make a project for a rule: a small rule that works, its fixtures, and the SDK.
    #[command(after_help = "Examples:\n  \
        canopy rules new pricing night-rate --lang rust\n  \
        canopy rules new pricing night-rate --lang ts\n  \
        canopy rules new limits seats --lang c --folder rules/seats")]
    New(NewProject),
    /// Build a project's component, build/NAME.wasm.
    #[command(after_help = "Example:\n  canopy rules build --project night-rate")]
    Build(ProjectOptions),
    /// Build, and hold the answers to fixtures/*/input.json to those of expected.json beside them.
    #[command(after_help = "Examples:\n  \
        canopy rules test\n  \
        canopy rules test --update     write down the answers as the expected ones")]
    Test(TestOptions),
    /// Build, and say what the server would say: structure, class and the contract's checks.
    #[command(after_help = "Examples:\n  \
        canopy rules check\n  \
        canopy rules check --meter call_minutes --meter sms\n  \
        canopy rules check --rule rul_01k…     have a server check a DRAFT")]
    Check(CheckOptions),
    /// Build a project and upload it as the next version of its name.
    #[command(after_help = "Examples:\n  \
        canopy rules push --account acc_01k…\n  \
        canopy rules push --account acc_01k… --configuration prices.json --activate")]
    Push(Push),
    /// Upload a component, or make a version of a rule that the server has.
    #[command(after_help = "Examples:\n  \
        canopy rules upload --account acc_01k… --kind pricing --name retail --wasm rule.wasm\n  \
        canopy rules upload --account acc_01k… --kind pricing --name retail \\\n      \
            --builtin tiered-pricing --configuration prices.json --activate")]
    Upload(NewRule),
    /// Make a version live from the next event on.
    #[command(after_help = "Examples:\n  \
        canopy rules activate rul_01k… --reason 'new prices of March'\n  \
        canopy rules activate rul_01k… --confirm-variance")]
    Activate(Activation),
    /// Run a version beside the live one, on the same events, without charging its prices.
    #[command(after_help = "Example:\n  canopy rules shadow rul_01k…")]
    Shadow(Step),
    /// Take a version out of use.
    #[command(after_help = "Example:\n  canopy rules retire rul_01k…")]
    Retire(Step),
    /// Make the version live again that was before.
    #[command(after_help = "Example:\n  canopy rules rollback --account acc_01k… --kind pricing")]
    Rollback {
        /// The account whose rule it is.
        #[arg(long, value_name = "ID")]
        account: String,
        /// Which of its rules.
        #[arg(long, value_parser = kind())]
        kind: RuleKind,
        /// Why, for the history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// List the versions of an account, newest first.
    #[command(after_help = "Examples:\n  \
        canopy rules list --account acc_01k…\n  \
        canopy rules list --account acc_01k… --text > versions.txt")]
    List {
        /// The account.
        #[arg(long, value_name = "ID")]
        account: String,
    },
    /// Show a version: its configuration, the steps of its life, and how its shadow compares.
    #[command(after_help = "Example:\n  canopy rules show rul_01k…")]
    Show {
        /// The version.
        #[arg(value_name = "RULE_ID")]
        rule: String,
    },
    /// Show the last calls of a version: what it charged or how it failed, and what it logged.
    #[command(after_help = "Example:\n  canopy rules logs rul_01k… --first 5")]
    Logs {
        /// The version.
        #[arg(value_name = "RULE_ID")]
        rule: String,
        /// How many calls, at most 100.
        #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..=100))]
        first: u32,
    },
    /// Say what a version would have charged for stored usage.
    #[command(after_help = "Examples:\n  \
        canopy rules simulate rul_01k… --from 2026-01-01 --to 2026-02-01\n  \
        canopy rules simulate rul_01k… --from 2026-01-01 --to 2026-02-01 --csv accounts.csv")]
    Simulate(Simulate),
    /// Run the rules behind a price or a limit again, on this machine, and say whether the answers are the same.
    #[command(after_help = "Examples:\n  \
        canopy rules replay rat_01k…                                     the price of a usage event\n  \
        canopy rules replay --account acc_01k… --limit subaccounts       a limit\n  \
        canopy rules replay --account acc_01k…                           all limits of an account")]
    Replay(Replay),
}

/// What to run again: a receipt, or an account's limits.
#[derive(Debug, Args)]
pub(in crate::cli) struct Replay {
    /// The rating.
    #[arg(
        value_name = "RATING_ID",
        required_unless_present = "account",
        conflicts_with = "account"
    )]
    rating: Option<String>,
    /// The account whose limits they are.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Only the limit of this resource.
    #[arg(long, value_name = "RESOURCE", requires = "account")]
    limit: Option<String>,
}

/// What a replay is about.
pub(super) enum Subject<'a> {
    Rating(&'a str),
    Limits {
        account: &'a str,
        limit: Option<&'a str>,
    },
}

impl Replay {
    pub(super) fn subject(&self) -> Subject<'_> {
        match &self.account {
            Some(account) => Subject::Limits {
                account,
                limit: self.limit.as_deref(),
            },
            None => Subject::Rating(self.rating.as_deref().unwrap_or_default()),
        }
    }
}

/// What a new project is.
#[derive(Debug, Args)]
pub(in crate::cli) struct NewProject {
    /// What the rule decides.
    #[arg(value_parser = kind())]
    pub(in crate::cli) kind: RuleKind,
    /// Its name: lowercase letters, digits and `-`.
    pub(in crate::cli) name: String,
    /// The language that it is written in.
    #[arg(long, value_enum)]
    pub(in crate::cli) lang: Language,
    /// The folder to make. Default: the name.
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::cli) folder: Option<PathBuf>,
}

/// Which project.
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
    /// Have the server check this DRAFT, instead of the project here.
    #[arg(long, value_name = "RULE_ID", conflicts_with_all = ["project", "meters", "allow_below_cost"])]
    pub(in crate::cli) rule: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Push {
    #[command(flatten)]
    pub(in crate::cli) project: ProjectOptions,
    /// Its name within the account. Default: that of rule.toml.
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,
    /// The configuration: JSON, or a file that holds it. Default: configuration.json.
    #[arg(long, value_name = "JSON|FILE")]
    pub(in crate::cli) configuration: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) destination: Destination,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["wasm", "builtin", "from"]))]
pub(in crate::cli) struct NewRule {
    /// What it decides.
    #[arg(long, value_parser = kind())]
    pub(in crate::cli) kind: RuleKind,
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
    #[command(flatten)]
    pub(in crate::cli) destination: Destination,
}

/// Where a new version goes, and how far.
#[derive(Debug, Args)]
pub(in crate::cli) struct Destination {
    /// The account whose rule it is.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) account: String,
    /// What happens when it fails.
    #[arg(long, value_parser = ["keep-pending", "deny", "parent-rule", "last-good"])]
    pub(in crate::cli) failure_policy: Option<String>,
    /// Store it as a DRAFT that is not compiled or checked yet.
    #[arg(long, conflicts_with = "activate")]
    pub(in crate::cli) draft: bool,
    /// Make it live at once.
    #[arg(long)]
    pub(in crate::cli) activate: bool,
}

/// A step of a version's life.
#[derive(Debug, Args)]
pub(in crate::cli) struct Step {
    /// The version.
    #[arg(value_name = "RULE_ID")]
    pub(in crate::cli) rule: String,
    /// Why, for the history.
    #[arg(long)]
    pub(in crate::cli) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Activation {
    #[command(flatten)]
    pub(in crate::cli) step: Step,
    /// Go live although the guard of the account is not met by a simulation.
    #[arg(long)]
    pub(in crate::cli) confirm_variance: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Simulate {
    /// The version.
    #[arg(value_name = "RULE_ID")]
    pub(in crate::cli) rule: String,
    /// The first day (UTC) or moment of the usage.
    #[arg(long, value_name = "DAY|TIME", value_parser = moment)]
    pub(in crate::cli) from: DateTime<Utc>,
    /// The first day or moment after it.
    #[arg(long, value_name = "DAY|TIME", value_parser = moment)]
    pub(in crate::cli) to: DateTime<Utc>,
    /// Another configuration: JSON, or a file that holds it.
    #[arg(long, value_name = "JSON|FILE")]
    pub(in crate::cli) configuration: Option<String>,
    /// Only the usage of this customer; may be repeated.
    #[arg(long = "account", value_name = "ID")]
    pub(in crate::cli) accounts: Vec<String>,
    /// Write the results of all accounts as CSV; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) csv: Option<PathBuf>,
}

/// A kind of rule, by its name.
fn kind() -> impl TypedValueParser<Value = RuleKind> {
    PossibleValuesParser::new(["pricing", "limits"]).try_map(|name| project::kind(&name))
}

/// A moment, or the beginning of a day in UTC.
fn moment(given: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = given.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    let moment = DateTime::parse_from_rfc3339(given);
    moment
        .map(|moment| moment.to_utc())
        .map_err(|_| "it is neither a day like 2026-01-31 nor a time like 2026-01-31T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_or_a_time() {
        let read = |given| moment(given).map(|moment| moment.to_rfc3339());
        assert_eq!(read("2026-01-31").as_deref(), Ok("2026-01-31T00:00:00+00:00"));
        assert_eq!(
            read("2026-01-31T13:00:00+01:00").as_deref(),
            Ok("2026-01-31T12:00:00+00:00")
        );
        assert!(read("January").is_err());
    }
}
