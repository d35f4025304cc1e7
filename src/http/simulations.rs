//! `GET /simulations/{id}.csv`: the results of a simulation, as they come from the database.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use canopy_domain::{Error, entity::SimulationId};
use futures_util::StreamExt;

use super::{Gateway, engine, refusal::Refusal, request_id::RequestId};

/// Answers the file, or why there is none. An error half-way breaks the answer off, so that nobody takes a part for
/// the whole.
pub(super) async fn csv(
    State(gateway): State<Arc<Gateway>>,
    Extension(id): Extension<RequestId>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let missing = || refused(&Error::NotFound("simulation"), &id.0);
    let engine = &gateway.engine;
    let actor = engine.signed_in(engine::credentials(&headers)?, &id.0).await?;
    let name = file.strip_suffix(".csv").ok_or_else(missing)?;
    let simulation = SimulationId::parse(name).map_err(|_| missing())?;
    let parts = engine.domain.simulation_csv(&actor, &simulation).await;
    let parts = parts.map_err(|error| refused(&error, &id.0))?;
    let body = Body::from_stream(parts.map(|part| {
        part.inspect_err(|error| tracing::error!(error = ?error, "the download broke off"))
            .map_err(|error| std::io::Error::other(error.to_string()))
    }));
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{simulation}.csv\""));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    );
    if let Ok(disposition) = disposition {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

fn refused(error: &Error, request_id: &str) -> Refusal {
    match error {
        Error::Conflict { .. } => {
            Refusal::coded(StatusCode::CONFLICT, error.code().as_str(), error.to_string())
        }
        _ => engine::refusal_of(error, request_id),
    }
}
