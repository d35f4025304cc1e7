//! What an operator's machines ask: is the process alive, may it get traffic, what does it count.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use canopy_migrations::{Migrator, MigratorTrait};
use serde_json::{Value, json};

use super::Gateway;

/// How long a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process answers. It says nothing of the database, so that an outage of the database does not
/// restart every process.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// `GET /readyz`: 200 if a request would be served, 503 with what is missing otherwise. Whether it
/// leads and hears of others by NATS is told, too: it serves without.
pub(super) async fn readyz(State(gateway): State<Arc<Gateway>>) -> impl IntoResponse {
    let database = gateway.engine.domain.database();
    let reachable = checked(database.ping()).await;
    let migrated = reachable && matches!(pending(database).await, Some(0));
    let checks = json!({
        "database": reachable,
        "migrations": migrated,
        "outboxRelay": gateway.pulse.is_alive(),
        "accepting": !gateway.draining.is_cancelled(),
    });
    let ready = checks
        .as_object()
        .is_some_and(|checks| checks.values().all(|check| check == &json!(true)));
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(json!({
            "status": if ready { "ok" } else { "unavailable" },
            "checks": checks,
            "leader": gateway.pulse.leads(),
            "nats": gateway.pulse.nats(),
        })),
    )
}

async fn checked<T, E>(check: impl Future<Output = Result<T, E>>) -> bool {
    matches!(tokio::time::timeout(CHECK_TIMEOUT, check).await, Ok(Ok(_)))
}

/// How many migrations are not applied, if the database tells.
async fn pending(database: &sea_orm::DatabaseConnection) -> Option<usize> {
    let pending = tokio::time::timeout(CHECK_TIMEOUT, Migrator::get_pending_migrations(database)).await;
    pending.ok()?.ok().map(|migrations| migrations.len())
}

/// `GET /metrics`: the Prometheus text format.
pub(super) async fn metrics(State(gateway): State<Arc<Gateway>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        gateway.metrics.render(),
    )
}
