//! Components as they are: `PUT /rules` takes one in, `GET /rules/{id}.wasm` gives one out. Both go by the services
//! that GraphQL goes by.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use canopy_domain::{
    Actor,
    entity::{
        AccountId, RuleVersionId,
        rule_version::{FailurePolicy, RuleKind},
    },
    rules::{RuleSource, UploadRule},
};
use serde_json::{Value, json};

use super::{
    Gateway,
    access::note_code,
    engine::{self, refusal_of},
    graphql,
    refusal::Refusal,
    request_id::RequestId,
};

/// The methods of `/rules`, for a 405.
const ALLOWED: &str = "PUT, OPTIONS";
const WASM: HeaderValue = HeaderValue::from_static("application/wasm");

/// The query of `PUT /rules`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewRule {
    account_id: String,
    kind: RuleKind,
    name: String,
    /// A JSON object; empty if not given.
    configuration: Option<String>,
    failure_policy: Option<FailurePolicy>,
    check: Option<bool>,
}

/// `PUT /rules`: the body is the component. Answers the version, or errors with their codes.
pub(super) async fn put(
    State(gateway): State<Arc<Gateway>>,
    Extension(id): Extension<RequestId>,
    query: Result<Query<NewRule>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = upload(&gateway, &id, query, &headers, body).await;
    answer.unwrap_or_else(refused)
}

async fn upload(
    gateway: &Gateway,
    id: &RequestId,
    query: Result<Query<NewRule>, QueryRejection>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let actor = signed_in(gateway, id, headers).await?;
    let Query(new) = query.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let key = headers
        .get("idempotency-key")
        .map(HeaderValue::to_str)
        .transpose();
    let key = key.map_err(|_| Refusal::bad_request("The idempotency key is not text."))?;
    let configuration = match &new.configuration {
        None => json!({}),
        Some(text) => serde_json::from_str(text)
            .map_err(|_| Refusal::bad_request("The parameter \"configuration\" is not valid JSON."))?,
    };
    let account = AccountId::parse(&new.account_id);
    let missing = |_| Refusal::coded(StatusCode::NOT_FOUND, "NOT_FOUND", "There is no such account.");
    let bound = gateway.engine.domain.largest_rule();
    let wasm = graphql::within_bounds(gateway, body, headers, bound).await?;
    let upload = UploadRule {
        account_id: account.map_err(missing)?,
        kind: new.kind,
        name: new.name,
        source: RuleSource::Wasm(wasm.into()),
        configuration,
        failure_policy: new.failure_policy,
        check: new.check.unwrap_or(true),
    };
    let uploaded = gateway.engine.domain.upload_rule(&actor, upload, key).await;
    let uploaded = uploaded.map_err(|error| refusal_of(&error, &id.0))?;
    let row = uploaded.value.row;
    let version: Value = json!({
        "id": row.id, "kind": row.kind, "name": row.name, "version": row.version, "digest": row.digest,
        "sizeBytes": row.size_bytes, "class": row.class, "status": row.status,
        "configuration": row.configuration, "failurePolicy": row.failure_policy, "createdAt": row.created_at,
        "replayed": uploaded.replayed,
    });
    let status = match uploaded.replayed {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    Ok((status, axum::Json(version)).into_response())
}

/// `GET /rules/{id}.wasm`: the bytes of a version, as they were uploaded.
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    Extension(id): Extension<RequestId>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    download(&gateway, &id, &file, &headers)
        .await
        .unwrap_or_else(refused)
}

async fn download(
    gateway: &Gateway,
    id: &RequestId,
    file: &str,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let actor = signed_in(gateway, id, headers).await?;
    let version = file.strip_suffix(".wasm").map(RuleVersionId::parse);
    let Some(Ok(version)) = version else {
        return Err(Refusal::coded(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "There is no such rule version.",
        ));
    };
    let wasm = gateway.engine.domain.rule_wasm(&actor, &version).await;
    let wasm = wasm.map_err(|error| refusal_of(&error, &id.0))?;
    Ok(([(header::CONTENT_TYPE, WASM)], wasm).into_response())
}

/// Any other method on `/rules`.
pub(super) async fn wrong_method() -> Refusal {
    Refusal::method(ALLOWED, "Send a component by PUT.")
}

async fn signed_in(gateway: &Gateway, id: &RequestId, headers: &HeaderMap) -> Result<Actor, Refusal> {
    let credentials = engine::credentials(headers)?;
    gateway.engine.signed_in(credentials, &id.0).await
}

fn refused(refusal: Refusal) -> Response {
    note_code(Some(refusal.code));
    refusal.into_response()
}
