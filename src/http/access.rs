//! One span, one log line and the counters of each request. Never a token, a body or a query string.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument, Span, field::Empty, info, info_span};

use canopy_schema::Prepared;

use super::{engine::kind_name, request_id::RequestId};
use crate::telemetry;

/// Runs the request in its span and counts it.
pub(super) async fn record(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().to_string();
    // The route, not the path that was typed: it bounds the number of time series.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("(none)".to_owned(), |path| path.as_str().to_owned());
    let id = request
        .extensions()
        .get::<RequestId>()
        .map(|id| id.0.clone())
        .unwrap_or_default();
    // The names of OpenTelemetry's conventions, where there is one.
    let span = info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        request_id = id,
        trace_id = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        graphql.operation.name = Empty,
        graphql.operation.type = Empty,
        graphql.document.hash = Empty,
        error.type = Empty,
        duration_ms = Empty
    );
    telemetry::continued(&span, request.headers());
    telemetry::note_trace(&span);
    let response = next.run(request).instrument(span.clone()).await;

    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
    span.record("duration_ms", millis(elapsed));
    let quiet = matches!(route.as_str(), "/healthz" | "/readyz" | "/metrics");
    span.in_scope(|| {
        if quiet {
            tracing::debug!("answered")
        } else {
            info!("answered")
        }
    });
    let labels = [
        ("method", method),
        ("route", route.clone()),
        ("status", status.to_string()),
    ];
    metrics::counter!("canopy_http_requests_total", &labels).increment(1);
    metrics::histogram!("canopy_http_request_duration_seconds", "route" => route)
        .record(elapsed.as_secs_f64());
    response
}

/// Milliseconds with a fraction, for a log line.
pub(super) fn millis(elapsed: std::time::Duration) -> f64 {
    (elapsed.as_secs_f64() * 1e6).round() / 1e3
}

/// Puts the operation into the span of the request.
pub(super) fn note_operation(prepared: &Prepared) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    if let Some(name) = &prepared.operation.name {
        span.record("graphql.operation.name", short(name));
    }
    span.record("graphql.operation.type", kind_name(prepared.operation.kind));
    span.record("graphql.document.hash", prepared.document().to_string());
}

/// A name of the client's choice as it may stand in a log line.
pub(super) fn short(name: &str) -> String {
    name.chars().take(64).collect()
}

/// Puts the code of the first error into the span of the request.
pub(super) fn note_code(code: Option<&str>) {
    if let Some(code) = code {
        Span::current().record("error.type", code);
    }
}
