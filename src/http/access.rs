//! One span, one log line and the counters of each request. Never a token, a body or a query string.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument, Span, field::Empty, info, info_span};

use super::request_id::RequestId;

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
    let span = info_span!(
        "request",
        request_id = id,
        method,
        path = route,
        operation = Empty,
        code = Empty,
        status = Empty,
        duration_ms = Empty
    );
    let response = next.run(request).instrument(span.clone()).await;

    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    span.record("status", status);
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

/// Puts the operation's name into the span of the request.
pub(super) fn note_operation(name: Option<&str>) {
    if let Some(name) = name {
        let short: String = name.chars().take(64).collect();
        Span::current().record("operation", short);
    }
}

/// Puts the code of the first error into the span of the request.
pub(super) fn note_code(code: Option<&str>) {
    if let Some(code) = code {
        Span::current().record("code", code);
    }
}
