//! `canopy serve`, and when to stop.

use tokio::signal::unix::{SignalKind, signal};

use super::arguments::ServeOptions;
use crate::{config::Sources, serve::Server};

/// The exit code of a process that a second Ctrl-C ended.
const INTERRUPTED: i32 = 130;

pub(super) async fn run(sources: Sources, options: ServeOptions) -> anyhow::Result<()> {
    let sources =
        options
            .listen
            .over(sources)
            .flag("--migrate", "database.migrate", options.migrate.then_some(true));
    let loaded = super::start(sources)?;
    let server = Server::bind(loaded.config).await?;
    server.run(stopped()?).await?;
    Ok(())
}

/// Resolves at the first SIGTERM or SIGINT. A second one ends the process at once.
pub(super) fn stopped() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(INTERRUPTED);
        });
    })
}
