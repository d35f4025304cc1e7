//! The command line: arguments in, exit code out. Each command does one thing with the parts of the process.

mod arguments;
mod bench;
mod demo;
mod explain;
mod keys;
mod output;
mod progress;
mod rules;
mod serve;
mod usage;
mod verify;

use std::{io::Write, process::ExitCode};

use anyhow::Context;

use crate::{
    config::{ConfigError, Format, Loaded, Sources},
    database,
    house::{self, OpenError},
    serve::ServeError,
    telemetry,
};
use arguments::{Cli, Command};
use output::Output;

/// A refusal that is not a failure of Canopy: the thing is not there, or one may not.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

/// A server that is not there, fails, or has too much to do: it may be otherwise in a moment.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unavailable(pub(crate) String);

/// What the exit codes mean. `canopy --help` says the same.
const FAILURE: u8 = 1;
const CONFIGURATION: u8 = 3;
const REFUSED: u8 = 4;
const UNAVAILABLE: u8 = 5;

/// Runs the process: reads the arguments, does what they say, answers the exit code.
pub fn main() -> ExitCode {
    // The process that works apart must do nothing else before: no arguments, no runtime, no threads.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == "compile-rule")
    {
        return canopy_domain::rules_host::work_apart();
    }
    match run(Cli::of_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let sources = Sources::of_process(cli.config);
    match cli.command {
        Command::Serve(options) => {
            let loaded = options.over(sources).load()?;
            work_on(house::threads(&loaded.config), serve::run(loaded))
        }
        Command::Migrate {
            status,
            database_url,
            output,
        } => work(async {
            let loaded = start(sources.flag("--database-url", "database.url", database_url))?;
            migrate(&loaded, status, &Output::new(&output)).await
        }),
        Command::Demo(options) => work(demo::run(sources, options)),
        Command::Bench {
            command,
            database_url,
        } => work(async {
            let loaded = start(sources.flag("--database-url", "database.url", database_url))?;
            bench::run(&loaded.config, command).await
        }),
        Command::Keys {
            command,
            database_url,
            output,
        } => work(async {
            let loaded = start(sources.flag("--database-url", "database.url", database_url))?;
            keys::run(&loaded.config, command, &Output::new(&output)).await
        }),
        Command::Rules {
            command,
            server,
            output,
        } => work(async { rules::run(command, server, &Output::new(&output)).await }),
        Command::Usage {
            command,
            server,
            output,
        } => work(async { usage::run(command, server, &Output::new(&output)).await }),
        Command::Verify {
            command,
            database_url,
            output,
        } => work(async {
            let loaded = start(sources.flag("--database-url", "database.url", database_url))?;
            verify::run(&loaded.config, command, &Output::new(&output)).await
        }),
        Command::Explain(options) => work(explain::run(sources, options)),
        Command::Schema => print(&canopy_schema::sdl()),
        Command::Config { output } => {
            let loaded = sources.load()?;
            let format = if Output::new(&output).is_json() {
                Format::Json
            } else {
                Format::Toml
            };
            print(&loaded.show(format))
        }
    }
}

/// Runs a command to its end, on as many threads as there are processors.
fn work(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    work_on(house::processors(), command)
}

fn work_on(threads: usize, command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let outcome = command.await;
        telemetry::finish().await;
        outcome
    })
}

/// Reads the configuration and starts the log and the traces.
fn start(sources: Sources) -> anyhow::Result<Loaded> {
    let loaded = sources.load()?;
    telemetry::start(&loaded)?;
    Ok(loaded)
}

async fn migrate(loaded: &Loaded, status: bool, output: &Output) -> anyhow::Result<()> {
    let database = database::connect(&loaded.config).await?;
    if status {
        let pending = database::missing(&database).await?;
        output.value(&serde_json::json!({ "pending": pending }), || {
            match pending.len() {
                0 => "The database is up to date.".to_owned(),
                _ => format!("Not applied yet: {}", pending.join(", ")),
            }
        })?;
        return Ok(());
    }
    let applied = database::migrate(&database).await?;
    output.value(&serde_json::json!({ "applied": applied }), || {
        match applied.len() {
            0 => "The database was up to date.".to_owned(),
            _ => format!("Applied: {}", applied.join(", ")),
        }
    })?;
    Ok(())
}

/// Writes text to standard output, with a line break at its end.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.trim_end().as_bytes())?;
    out.write_all(b"\n")?;
    Ok(())
}

fn fail(error: &anyhow::Error) -> ExitCode {
    // A reader such as `head` that has seen enough is no failure.
    let closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    if error.downcast_ref::<std::io::Error>().is_some_and(closed) {
        return ExitCode::SUCCESS;
    }
    let message = output::harmless(&format!("canopy: {error:#}"));
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::from(exit_code(error))
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let is_configuration = |error: &OpenError| matches!(error, OpenError::Config(_) | OpenError::Outdated(_));
    let open = error
        .downcast_ref::<OpenError>()
        .or(match error.downcast_ref::<ServeError>() {
            Some(ServeError::Open(open)) => Some(open),
            _ => None,
        });
    if error.is::<ConfigError>() || open.is_some_and(is_configuration) {
        CONFIGURATION
    } else if error.is::<Refused>()
        || error
            .downcast_ref::<canopy_domain::Error>()
            .is_some_and(is_refusal)
    {
        REFUSED
    } else if error.is::<Unavailable>() {
        UNAVAILABLE
    } else {
        FAILURE
    }
}

fn is_refusal(error: &canopy_domain::Error) -> bool {
    error.code() != canopy_domain::ErrorCode::Internal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_configuration_from_refusal_from_failure() {
        let missing = ConfigError::Missing {
            key: "auth.secret",
            how: "set it",
        };
        assert_eq!(exit_code(&OpenError::Config(missing).into()), CONFIGURATION);
        assert_eq!(
            exit_code(&ServeError::Open(OpenError::Outdated(1)).into()),
            CONFIGURATION
        );
        assert_eq!(exit_code(&Refused("no".into()).into()), REFUSED);
        assert_eq!(
            exit_code(&canopy_domain::Error::NotFound("account").into()),
            REFUSED
        );
        assert_eq!(exit_code(&Unavailable("later".into()).into()), UNAVAILABLE);
        assert_eq!(exit_code(&anyhow::anyhow!("boom")), FAILURE);
    }
}
