//! GraphQL over HTTP: POST and GET on `/graphql`.

use std::sync::Arc;

use async_graphql::{Request, parser::types::OperationType};
use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::{
    Gateway,
    access::{note_code, note_operation},
    answer::Answer,
    document,
    engine::{self, Prepared},
    multipart,
    negotiation::{MediaType, negotiate},
    refusal::Refusal,
    request_id::RequestId,
    sse,
};

/// The methods of `/graphql`, for a 405.
const ALLOWED: &str = "GET, POST, OPTIONS";

/// `POST` and `GET /graphql`. A client that accepts `text/event-stream` gets a stream.
pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Extension(id): Extension<RequestId>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(media) = negotiate(&headers, &MediaType::OF_GRAPHQL) else {
        return not_acceptable().into_response();
    };
    let arrived = Arrived {
        method,
        uri,
        headers,
        body,
    };
    if media == MediaType::EventStream {
        return sse::respond(gateway, id, arrived).await;
    }
    match run(&gateway, &id, arrived).await {
        Ok(Some(answer)) => written(&answer, media),
        Ok(None) => Refusal::timed_out(&id.0).in_media(media).into_response(),
        Err(refusal) => {
            note_code(Some(refusal.code));
            refusal.in_media(media).into_response()
        }
    }
}

/// Any other method on a GraphQL endpoint.
pub(super) async fn wrong_method() -> Refusal {
    Refusal::method(ALLOWED, "Send a GraphQL request by POST or GET.")
}

pub(super) fn not_acceptable() -> Refusal {
    Refusal::new(
        StatusCode::NOT_ACCEPTABLE,
        "The response can be application/graphql-response+json, application/json or text/event-stream.",
    )
}

/// A request as it came in.
pub(super) struct Arrived {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// The answer, or nothing when the time was over.
async fn run(gateway: &Gateway, id: &RequestId, arrived: Arrived) -> Result<Option<Answer>, Refusal> {
    let by_get = arrived.method == Method::GET;
    let actor = gateway
        .engine
        .authenticate(engine::credentials(&arrived.headers)?, &id.0)
        .await?;
    let request = read(gateway, arrived).await?;
    let prepared = match gateway.engine.prepare(request, id) {
        Ok(prepared) => prepared,
        Err(response) => return Ok(Some(noted(Answer::new(*response, &id.0)))),
    };
    note_operation(prepared.operation.name.as_deref());
    check_method(&prepared, by_get)?;
    if prepared.operation.kind == OperationType::Subscription {
        return Err(Refusal::bad_request(
            "A subscription needs a stream: use /graphql/ws, or /graphql/stream with Accept: text/event-stream.",
        ));
    }
    let response = gateway.engine.execute(prepared, actor).await;
    Ok(response.map(|response| noted(Answer::new(response, &id.0))))
}

/// A GET never runs a mutation.
pub(super) fn check_method(prepared: &Prepared, by_get: bool) -> Result<(), Refusal> {
    if by_get && prepared.operation.kind == OperationType::Mutation {
        return Err(Refusal::method("POST", "A mutation must be sent by POST."));
    }
    Ok(())
}

/// Reads the GraphQL request from the body or the query string, within the bounds on size and time.
pub(super) async fn read(gateway: &Gateway, arrived: Arrived) -> Result<Request, Refusal> {
    if arrived.method == Method::GET {
        return document::from_query_string(&arrived.uri);
    }
    let bound = gateway.config.http.max_body.bytes();
    if let Some(boundary) = multipart::boundary(&arrived.headers) {
        let largest = gateway.engine.domain.largest_rule();
        let read = multipart::read(arrived, boundary, bound, largest);
        return tokio::time::timeout(gateway.config.http.request_timeout.get(), read)
            .await
            .map_err(late)?;
    }
    document::check_content_type(&arrived.headers)?;
    let body = within_bounds(gateway, arrived.body, &arrived.headers, bound).await?;
    document::from_body(&body)
}

/// Reads a body of at most `bound` bytes within the time bound. One that says that it is larger is not read at all.
pub(super) async fn within_bounds(
    gateway: &Gateway,
    body: Body,
    headers: &HeaderMap,
    bound: usize,
) -> Result<Bytes, Refusal> {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > bound) {
        return Err(too_large(bound));
    }
    let read = axum::body::to_bytes(body, bound);
    let body = tokio::time::timeout(gateway.config.http.request_timeout.get(), read)
        .await
        .map_err(late)?;
    body.map_err(|error| unread(error, bound))
}

fn late(_: tokio::time::error::Elapsed) -> Refusal {
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.")
}

fn too_large(bound: usize) -> Refusal {
    let message = format!("The body is larger than {bound} bytes.");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

/// Why a body was not read: too large, or the connection broke.
fn unread(error: axum::Error, bound: usize) -> Refusal {
    if std::error::Error::source(&error).is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>()) {
        return too_large(bound);
    }
    Refusal::bad_request("The body could not be read.")
}

fn noted(answer: Answer) -> Answer {
    note_code(answer.first_code());
    answer
}

fn written(answer: &Answer, media: MediaType) -> Response {
    let content_type = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media.content_type()),
    )];
    (answer.status(media), content_type, answer.to_json()).into_response()
}
