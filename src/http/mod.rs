//! The front door: GraphQL over HTTP, WebSocket and SSE, usage as CloudEvents, the probes, the metrics, the explorer.
//!
//! It translates and bounds; what a request may see or do is decided behind it.

mod access;
mod answer;
mod browsers;
mod client;
mod document;
mod door;
mod encoding;
mod engine;
mod expiry;
mod explorer;
mod graphql;
mod multipart;
mod negotiation;
mod persisted;
mod preflight;
mod probes;
mod refusal;
mod request_id;
mod rules;
mod simulations;
mod single;
mod sse;
mod usage;
mod ws;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, StatusCode},
    middleware,
    routing::{any, get, post, put},
};
use canopy_domain::Domain;
use canopy_schema::CanopySchema;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{config::Config, workers::Pulse};
use engine::Engine;
use persisted::Persisted;
pub(crate) use persisted::PersistedError;
use refusal::Refusal;
use single::Streams;

/// What every handler needs.
pub(crate) struct Gateway {
    engine: Engine,
    config: Arc<Config>,
    pulse: Pulse,
    metrics: PrometheusHandle,
    /// The header that keeps browsers to https, if it is to be sent.
    transport: Option<HeaderValue>,
    /// Cancelled when the process is shutting down: streams and sockets end.
    draining: CancellationToken,
    /// The open sockets, which outlive their HTTP connections.
    sockets: TaskTracker,
    /// The event streams that several requests share.
    streams: Streams,
}

impl Gateway {
    pub(crate) fn new(
        config: Arc<Config>,
        domain: Domain,
        schema: CanopySchema,
        pulse: Pulse,
        metrics: PrometheusHandle,
        draining: CancellationToken,
        sockets: TaskTracker,
    ) -> Result<Self, PersistedError> {
        let persisted = Persisted::load(&config.documents.directory, &schema)?;
        let engine = Engine {
            domain,
            schema,
            persisted: Arc::new(persisted),
            automatic: config.documents.automatic,
            persisted_only: config.documents.persisted_only,
            timeout: config.http.request_timeout.get(),
            slow: config.telemetry.slow_operation.get(),
        };
        let transport = browsers::transport_security(config.http.hsts.get());
        Ok(Self {
            engine,
            config,
            pulse,
            metrics,
            transport,
            draining,
            sockets,
            streams: Streams::default(),
        })
    }

    /// All routes.
    pub(crate) fn into_router(self) -> Router {
        let config = Arc::clone(&self.config);
        let gateway = Arc::new(self);
        let mut routes = Router::new()
            .route(
                "/graphql",
                get(graphql::handle)
                    .post(graphql::handle)
                    .fallback(graphql::wrong_method),
            )
            .route(
                "/graphql/stream",
                get(sse::handle)
                    .post(sse::handle)
                    .put(single::reserve)
                    .delete(single::end)
                    .fallback(graphql::wrong_method),
            )
            .route("/graphql/ws", any(ws::handle))
            .route("/usage", post(usage::post).fallback(usage::wrong_method))
            .route("/usage/export", get(usage::export::get))
            .route("/rules", put(rules::put).fallback(rules::wrong_method))
            .route("/rules/{file}", get(rules::get))
            .route("/simulations/{file}", get(simulations::csv))
            .route("/healthz", get(probes::healthz))
            .route("/readyz", get(probes::readyz))
            .route("/metrics", get(probes::metrics));
        if config.http.graphiql {
            routes = routes
                .route("/", get(explorer::home))
                .route("/graphiql", get(explorer::page))
                .route("/graphiql/{file}", get(explorer::file));
        }
        // Each body is bounded where it is read: `graphql::within_bounds`.
        let mut routes = routes.fallback(not_found).layer(DefaultBodyLimit::disable());
        if let Some(layer) = browsers::cors(&config.http) {
            routes = routes.layer(layer);
        }
        routes
            .layer(middleware::from_fn_with_state(Arc::clone(&gateway), door::pass))
            .with_state(gateway)
    }
}

async fn not_found() -> Refusal {
    Refusal::coded(
        StatusCode::NOT_FOUND,
        "NOT_FOUND",
        "There is nothing here. GraphQL is at /graphql.",
    )
}
