//! One span, one log line and the counters of each request. Never a token, a body or a query string.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    response::Response,
};
use tracing::{Span, field::Empty, info, info_span};

use canopy_schema::Prepared;

use super::{engine::kind_name, request_id::RequestId};
use crate::telemetry;

/// Stands for the route of a path that nothing answers.
const NO_ROUTE: &str = "(none)";

/// A request that is under way.
pub(super) struct Record {
    started: Instant,
    method: Method,
    /// The route, not the path that was typed: it bounds the number of time series.
    route: Option<MatchedPath>,
    pub(super) span: Span,
}

impl Record {
    pub(super) fn begin(request: &Request, id: &RequestId) -> Self {
        let started = Instant::now();
        let method = request.method().clone();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let named = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        // The names of OpenTelemetry's conventions, where there is one.
        let span = info_span!(
            "request",
            otel.name = format!("{method} {named}"),
            otel.kind = "server",
            otel.status_code = Empty,
            request_id = id.0,
            trace_id = Empty,
            http.request.method = method.as_str(),
            http.route = named,
            http.response.status_code = Empty,
            graphql.operation.name = Empty,
            graphql.operation.type = Empty,
            graphql.document.hash = Empty,
            error.type = Empty,
            duration_ms = Empty
        );
        telemetry::continued(&span, request.headers());
        telemetry::note_trace(&span);
        Self {
            started,
            method,
            route,
            span,
        }
    }

    /// Writes and counts what became of it.
    pub(super) fn end(self, response: &Response) {
        let elapsed = self.started.elapsed();
        let status = response.status().as_u16();
        self.span.record("http.response.status_code", status);
        if status >= 500 {
            self.span.record("otel.status_code", "ERROR");
        }
        self.span.record("duration_ms", millis(elapsed));
        let route = self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        let quiet = matches!(route, "/healthz" | "/readyz" | "/metrics");
        self.span.in_scope(|| {
            if quiet {
                tracing::debug!("answered")
            } else {
                info!("answered")
            }
        });
        let labels = [
            ("method", self.method.to_string()),
            ("route", route.to_owned()),
            ("status", status.to_string()),
        ];
        metrics::counter!("canopy_http_requests_total", &labels).increment(1);
        metrics::histogram!("canopy_http_request_duration_seconds", "route" => route.to_owned())
            .record(elapsed.as_secs_f64());
    }
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
