//! Logs to standard error, traces to a collector, metrics for Prometheus. Never a token, a body or a personal datum.

mod metrics;
mod traces;

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{ConfigError, Loaded, LogFormat};

pub(crate) use metrics::metrics;
pub(crate) use traces::{continued, finish, note_trace, onward};

/// Starts logging and tracing as configured. A second call in one process changes nothing.
pub fn start(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    let filter = |key: &'static str, filter: &str| {
        let expected = "a level, or levels per module such as \"info,canopy=debug\"";
        EnvFilter::try_new(filter).map_err(|_| loaded.bad_value(key, expected))
    };
    let traces = match config.telemetry.otlp_endpoint.as_str() {
        "" => None,
        endpoint => {
            let layer = traces::layer(&config.telemetry, endpoint).map_err(|_| {
                loaded.bad_value(
                    "telemetry.otlp_endpoint",
                    "a URL such as \"http://localhost:4318\"",
                )
            })?;
            Some(layer.with_filter(filter("telemetry.filter", &config.telemetry.filter)?))
        }
    };
    let pretty = match config.log.format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let log = if pretty {
        fmt::layer()
            .with_writer(stderr)
            .with_ansi(stderr().is_terminal())
            .with_target(false)
            .boxed()
    } else {
        fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(stderr)
            .boxed()
    };
    let log = log.with_filter(filter("log.filter", &config.log.filter)?);
    let started = tracing_subscriber::registry().with(traces).with(log).try_init();
    // A process that runs several servers, as a test does, has one log.
    if started.is_ok() {
        log_panics();
    }
    Ok(())
}

/// Panics go to the log like any other error, in its format.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, message = panic.payload_as_str().unwrap_or("a panic"));
    }));
}
