//! `canopy serve`, and when to stop.

use tokio::signal::unix::{SignalKind, signal};

use crate::{config::Loaded, serve::Server, telemetry};

/// The exit code of a process that a second Ctrl-C ended.
const INTERRUPTED: i32 = 130;

pub(super) async fn run(loaded: Loaded) -> anyhow::Result<()> {
    telemetry::start(&loaded)?;
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
