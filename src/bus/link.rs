//! The connection to NATS: made in the background, made again for ever, and told of.

use std::io;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::NatsConfig;

/// How often a silent server is asked whether it is there.
const PING: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The first and the longest wait before connecting again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(3));

/// Why the bus cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("nats.credentials_file {path}: {source}")]
    Credentials { path: String, source: io::Error },
    #[error("nats.url or nats.ca_file: {0}")]
    Options(String),
}

/// A client that connects in the background, and a count of the turns of its connection.
pub(super) async fn open(config: &NatsConfig) -> Result<(Client, watch::Receiver<u64>), BusError> {
    // Whoever was first has installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (count, turns) = watch::channel(0);
    let mut options = match config.credentials_file.as_str() {
        "" => ConnectOptions::new(),
        path => ConnectOptions::with_credentials_file(path)
            .await
            .map_err(|source| BusError::Credentials {
                path: path.to_owned(),
                source,
            })?,
    };
    if !config.ca_file.is_empty() {
        options = options.add_root_certificates(config.ca_file.clone().into());
    }
    let servers: Vec<&str> = config.url.split(',').map(str::trim).collect();
    let client = options
        .name("canopy")
        .ping_interval(PING)
        .connection_timeout(CONNECT)
        .retry_on_initial_connect()
        .reconnect_delay_callback(|tries| {
            let doublings = u32::try_from(tries).unwrap_or(u32::MAX).min(10);
            AGAIN.1.min(AGAIN.0 * 2_u32.pow(doublings))
        })
        .event_callback(move |event| {
            tell(&event);
            if matches!(event, Event::Connected | Event::Disconnected | Event::Closed) {
                count.send_modify(|turns| *turns += 1);
            }
            std::future::ready(())
        })
        .connect(servers.as_slice())
        .await
        .map_err(|error| BusError::Options(error.to_string()))?;
    metrics::gauge!("canopy_nats_connected").set(0.0);
    Ok((client, turns))
}

fn tell(event: &Event) {
    match event {
        Event::Connected => {
            metrics::gauge!("canopy_nats_connected").set(1.0);
            metrics::counter!("canopy_nats_connections_total").increment(1);
            info!("connected to NATS");
        }
        Event::Disconnected | Event::Closed => {
            metrics::gauge!("canopy_nats_connected").set(0.0);
            warn!("lost NATS: news of other processes comes by the database until it is back");
        }
        Event::ServerError(error) => warn!(%error, "NATS refused something"),
        Event::ClientError(error) => warn!(%error, "NATS cannot be reached: it is tried again"),
        Event::SlowConsumer(_) => {
            warn!("NATS sent more than was taken: the database is read for what is missing")
        }
        Event::LameDuckMode | Event::Draining => info!(%event, "NATS is going away"),
    }
}
