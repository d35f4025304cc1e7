//! Logs to standard error and metrics for Prometheus. Never a token, a body or a personal datum.

use std::{
    io::{IsTerminal, stderr},
    sync::OnceLock,
};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{ConfigError, Loaded, LogFormat};

/// Upper bounds of the buckets of durations, in seconds.
const DURATIONS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Starts logging as configured. A second call in one process changes nothing.
pub fn start_logging(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config.log;
    let filter = EnvFilter::try_new(&config.filter).map_err(|_| {
        loaded.bad_value(
            "log.filter",
            "a level, or levels per module such as \"info,canopy=debug\"",
        )
    })?;
    let pretty = match config.format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let started = if pretty {
        let layer = fmt::layer()
            .with_writer(stderr)
            .with_ansi(stderr().is_terminal())
            .with_target(false);
        registry.with(layer).try_init()
    } else {
        registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_current_span(true)
                    .with_span_list(false)
                    .with_writer(stderr),
            )
            .try_init()
    };
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

/// The metrics of the process, which every server in it shares.
pub(crate) fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATIONS)
                .expect("the buckets are not empty")
                .build_recorder();
            let handle = recorder.handle();
            // Where a program that embeds Canopy has a recorder of its own, that one counts.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            handle
        })
        .clone()
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!(
        "canopy_http_requests_total",
        "Requests answered, by method, route and status."
    );
    describe_histogram!(
        "canopy_http_request_duration_seconds",
        Unit::Seconds,
        "Time to the response's head, by route."
    );
    describe_counter!(
        "canopy_graphql_operations_total",
        "Operations, by type and outcome."
    );
    describe_histogram!(
        "canopy_graphql_operation_duration_seconds",
        Unit::Seconds,
        "Time of queries and mutations."
    );
    describe_counter!(
        "canopy_documents_total",
        "Documents looked up among those that are known, by outcome."
    );
    describe_gauge!(
        "canopy_documents_bytes",
        Unit::Bytes,
        "Memory of the documents that are known, as it is estimated."
    );
    describe_counter!(
        "canopy_budget_refusals_total",
        "Answers that an account's budget had no points for, as the database said."
    );
    describe_gauge!("canopy_websockets_open", "Open WebSockets.");
    describe_gauge!(
        "canopy_subscriptions_open",
        "Running subscriptions, on WebSocket and SSE."
    );
    describe_counter!(
        "canopy_worker_rounds_total",
        "Rounds of the workers, by worker and outcome."
    );
    describe_counter!(
        "canopy_worker_items_total",
        "Outbox rows relayed and ratings made, by worker."
    );
}
