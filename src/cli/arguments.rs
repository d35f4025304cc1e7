//! The arguments of every command, with their help.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use reqwest::Url;

use super::explain::ExplainOptions;
use super::rules::RulesCommand;
use super::usage::UsageCommand;
use super::verify::VerifyCommand;
use crate::config::Sources;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed or different, 2 wrong usage, 3 wrong configuration,\n\
    4 refused or not found, 5 the server cannot be reached, failed or is busy: try again.\n\
    Output is JSON where standard output is not a terminal, or with --json; words with --text.\n\
    The log and progress go to standard error.";

/// A GraphQL gateway for account trees: nested tenants, priced usage, live updates.
#[derive(Debug, Parser)]
#[command(
    name = "canopy",
    version,
    propagate_version = true,
    after_help = EXIT_CODES
)]
pub(super) struct Cli {
    /// The configuration file; `canopy config` shows what is in effect.
    #[arg(long, global = true, env = "CANOPY_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Cli {
    /// Reads the arguments of this process, or ends it with help.
    pub(super) fn of_process() -> Self {
        let matches = Self::with_exit_codes().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// The command line, with the exit codes told by each command of `canopy rules` and `canopy usage`, since scripts call those.
    fn with_exit_codes() -> clap::Command {
        let told = |command: clap::Command| {
            let examples = command.get_after_help().map(ToString::to_string);
            let examples = examples.unwrap_or_default();
            command.after_help(format!("{examples}\n\n{EXIT_CODES}"))
        };
        let all_told = |group| told(group).mut_subcommands(told);
        Self::command()
            .mut_subcommand("rules", all_told)
            .mut_subcommand("usage", all_told)
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve GraphQL until SIGTERM or SIGINT.
    #[command(after_help = "Examples:\n  \
        CANOPY__AUTH__SECRET=$(openssl rand -hex 32) canopy serve --migrate\n  \
        canopy --config canopy.toml serve --address 0.0.0.0 --port 8080")]
    Serve(ServeOptions),
    /// Bring the tables of the database up to date.
    #[command(after_help = "Examples:\n  \
        canopy migrate\n  \
        CANOPY__DATABASE__URL=postgres://canopy@db/canopy canopy migrate --status")]
    Migrate {
        /// Only say what is missing.
        #[arg(long)]
        status: bool,
        /// The database; overrides database.url.
        #[arg(long, value_name = "URL")]
        database_url: Option<String>,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Make a realistic tree with a month of usage, print tokens and commands to try, and serve it.
    #[command(after_help = "Examples:\n  \
        canopy demo\n  \
        canopy demo --json --port 0 > demo.json &\n  \
        canopy demo --database-url postgres://canopy@localhost/canopy\n\n\
        Without a database URL the demo lives in a new directory that is removed at the end.\n\
        A second run on the same database finds its tree and goes on with it.")]
    Demo(DemoOptions),
    /// Fill an empty database for benchmarks.
    #[command(after_help = "Example:\n  canopy bench seed --database-url sqlite://forest.db?mode=rwc")]
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
        /// The database; overrides database.url.
        #[arg(long, global = true, value_name = "URL")]
        database_url: Option<String>,
    },
    /// Make, list and revoke API keys, directly in the database.
    #[command(after_help = "Examples:\n  \
        canopy keys create --account acc_01k… --name production --full\n  \
        canopy keys create --account acc_01k… --name metering --level USAGE=FULL --expires 90d\n  \
        canopy keys list --account acc_01k…\n  \
        canopy keys revoke key_01k… --account acc_01k…")]
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
        /// The database; overrides database.url.
        #[arg(long, global = true, value_name = "URL")]
        database_url: Option<String>,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Write rules, and take them from a folder to a live price on a running server.
    #[command(after_help = "Examples:\n  \
        canopy rules new pricing my-rule --lang rust && cd my-rule\n  \
        canopy rules test --update\n  \
        canopy rules check\n\n  \
        canopy rules upload --account acc_01k… --kind pricing --name retail \\\n      \
            --builtin tiered-pricing --configuration prices.json --activate\n  \
        canopy rules list --account acc_01k…\n\n\
        The token comes from --token or CANOPY_TOKEN, the server from --url or CANOPY_URL.\n\
        docs/rules/README.md tells the life of a rule.")]
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
        #[command(flatten)]
        server: ServerOptions,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Fetch usage from a running server.
    Usage {
        #[command(subcommand)]
        command: UsageCommand,
        #[command(flatten)]
        server: ServerOptions,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Count again what is kept as a sum, directly in the database, and tell what differs.
    #[command(after_help = "Examples:\n  \
        canopy verify usage\n  \
        canopy verify usage --database-url postgres://canopy@db/canopy --json\n\n\
        It reads all events, ratings and postings in one snapshot, changes nothing, and holds nothing up.\n\
        Exit code 1 says that something differs.")]
    Verify {
        #[command(subcommand)]
        command: VerifyCommand,
        /// The database; overrides database.url.
        #[arg(long, global = true, value_name = "URL")]
        database_url: Option<String>,
        #[command(flatten)]
        output: OutputOptions,
    },
    /// Tell how a query is answered: its query plan, and with a token the SQL that is sent for it.
    #[command(after_help = "Examples:\n  \
        canopy explain query.graphql\n  \
        canopy explain query.graphql --token ck_live_… --variables '{\"id\":\"acc_01k…\"}'\n  \
        canopy explain - --token ck_live_… --analyze --database-url postgres://canopy@db/canopy\n\n\
        Without a token it needs no database. With one it runs the query twice on the configured database, and\n\
        lists what was sent the second time: what seldom changes is remembered by then, as in a process that serves.\n\
        docs/nested-reads.md tells how queries are answered.")]
    Explain(ExplainOptions),
    /// Print the GraphQL schema.
    #[command(after_help = "Example:\n  canopy schema > schema.graphql")]
    Schema,
    /// Print the configuration in effect and where each value comes from. Secrets are masked.
    #[command(after_help = "Examples:\n  \
        canopy config\n  \
        CANOPY__HTTP__PORT=9000 canopy config --json")]
    Config {
        #[command(flatten)]
        output: OutputOptions,
    },
}

#[derive(Debug, Args)]
pub(super) struct ServeOptions {
    #[command(flatten)]
    pub(super) listen: ListenOptions,
    /// Apply pending migrations first; sets database.migrate.
    #[arg(long)]
    pub(super) migrate: bool,
}

impl ServeOptions {
    /// The configuration with these on top.
    pub(super) fn over(self, sources: Sources) -> Sources {
        let migrate = self.migrate.then_some(true);
        self.listen
            .over(sources)
            .flag("--migrate", "database.migrate", migrate)
    }
}

#[derive(Debug, Args)]
pub(super) struct DemoOptions {
    #[command(flatten)]
    pub(super) listen: ListenOptions,
    /// Print one line of JSON when ready, for scripts.
    #[arg(long)]
    pub(super) json: bool,
}

/// Where a server listens, and on which database.
#[derive(Debug, Args)]
pub(super) struct ListenOptions {
    /// The address to listen on; overrides http.address.
    #[arg(long)]
    address: Option<IpAddr>,
    /// The port to listen on, 0 for any; overrides http.port.
    #[arg(long)]
    port: Option<u16>,
    /// The database; overrides database.url.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

impl ListenOptions {
    /// The configuration with these on top.
    pub(super) fn over(self, sources: Sources) -> Sources {
        sources
            .flag("--address", "http.address", self.address)
            .flag("--port", "http.port", self.port)
            .flag("--database-url", "database.url", self.database_url)
    }
}

#[derive(Debug, Args)]
pub(super) struct OutputOptions {
    /// Print JSON, also on a terminal.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print words, also into a pipe.
    #[arg(long, global = true, conflicts_with = "json")]
    pub(super) text: bool,
}

#[derive(Debug, Args)]
pub(super) struct ServerOptions {
    /// The server's GraphQL endpoint.
    #[arg(
        long,
        global = true,
        env = "CANOPY_URL",
        default_value = "http://127.0.0.1:8080/graphql",
        value_parser = endpoint
    )]
    pub(super) url: Url,
    /// Certificates, as PEM, of authorities to trust besides the system's.
    #[arg(long, global = true, env = "CANOPY_CA", value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// A token or an API key.
    #[arg(long, global = true, env = "CANOPY_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
}

fn endpoint(given: &str) -> Result<Url, String> {
    let url = Url::parse(given).ok();
    url.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
        .ok_or_else(|| "it is not like http://127.0.0.1:8080/graphql or https://…".to_owned())
}

#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Write trees of accounts with members, restrictions, limits, transfers of billing and a month of usage into an
    /// empty database: the same rows each time. The last line of output is JSON: what was written, the main account of
    /// each tree, and API keys to sign in with.
    #[command(after_help = "Examples:\n  \
        canopy bench seed --database-url postgres://canopy@localhost/forest\n  \
        canopy bench seed --trees 2 --database-url sqlite://grove.db?mode=rwc > forest.json")]
    Seed {
        /// How many trees. Each has a main account, 25 subaccounts and four accounts below those.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        trees: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key. Its secret is shown this once.
    Create(NewKey),
    /// List the keys of an account, revoked ones included.
    List {
        /// The account.
        #[arg(long, value_name = "ID")]
        account: String,
    },
    /// Revoke a key, with immediate effect.
    Revoke {
        /// The key.
        #[arg(value_name = "KEY_ID")]
        key: String,
        /// The account that it belongs to.
        #[arg(long, value_name = "ID")]
        account: String,
    },
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("rights").required(true).args(["full", "level"]))]
pub(super) struct NewKey {
    /// The account that the key acts for.
    #[arg(long, value_name = "ID")]
    pub(super) account: String,
    /// What people call it.
    #[arg(long)]
    pub(super) name: String,
    /// All permissions at their highest level.
    #[arg(long)]
    pub(super) full: bool,
    /// One permission and its level (NONE, READ, LIMITED, FULL); may be repeated.
    #[arg(long, value_name = "KEY=LEVEL")]
    pub(super) level: Vec<String>,
    /// From when on it is refused, such as 90d.
    #[arg(long, value_name = "DURATION")]
    pub(super) expires: Option<String>,
    /// Where it may be used from, such as 203.0.113.0/24; may be repeated. Anywhere if it is left out.
    #[arg(long, value_name = "ADDRESS_OR_RANGE")]
    pub(super) allow_ip: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(command: &clap::Command, see: &mut impl FnMut(&clap::Command)) {
        see(command);
        for inner in command.get_subcommands() {
            walk(inner, see);
        }
    }

    #[test]
    fn the_arguments_are_consistent_and_every_one_has_help() {
        Cli::with_exit_codes().debug_assert();
        walk(&Cli::with_exit_codes(), &mut |command| {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        });
    }

    #[test]
    fn each_command_of_rules_tells_examples_and_exit_codes() {
        let cli = Cli::with_exit_codes();
        let rules = cli.find_subcommand("rules").expect("it is there");
        walk(rules, &mut |command| {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(help.contains("Example"), "{}", command.get_name());
            assert!(help.contains("Exit codes: 0"), "{}", command.get_name());
        });
    }

    /// The words of an example as a shell reads them, without what stands before, behind and beside the command.
    fn words(example: &str) -> Vec<String> {
        let ends = [" && ", " > ", "   ", " &"];
        let command = ends.iter().fold(example.trim_start(), |command, end| {
            command.split(end).next().unwrap_or(command)
        });
        let mut words = Vec::new();
        for (place, part) in command.split('\'').enumerate() {
            match place % 2 {
                1 => words.push(part.to_owned()),
                _ => words.extend(part.split_whitespace().map(str::to_owned)),
            }
        }
        let variables = words.iter().take_while(|word| *word != "canopy").count();
        words.split_off(variables)
    }

    #[test]
    fn each_example_in_the_help_is_a_command_that_is_understood() {
        let mut examples = Vec::new();
        walk(&Cli::with_exit_codes(), &mut |command| {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default().replace("\\\n      ", "");
            let lines = help.lines().filter(|line| line.starts_with("  "));
            let examples_here = lines.filter(|line| line.contains("canopy "));
            examples.extend(examples_here.map(str::to_owned));
        });
        assert!(examples.len() > 30, "{examples:#?}");
        for example in examples {
            let read = Cli::with_exit_codes().try_get_matches_from(words(&example));
            assert!(read.is_ok(), "{example}\n{}", read.expect_err("it is not"));
        }
    }
}
