//! GraphQL over HTTP: POST and GET on `/graphql`.

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use canopy_domain::Actor;
use canopy_schema::Prepared;
use futures_util::FutureExt;

use super::{
    Gateway,
    access::{note_code, note_operation},
    answer::Answer,
    document::{self, Incoming},
    engine, multipart,
    negotiation::{MediaType, negotiate},
    preflight,
    refusal::Refusal,
    request_id::RequestId,
    sse,
};

/// The methods of `/graphql`, for a 405.
const ALLOWED: &str = "GET, POST, OPTIONS";

/// Makes it safe to send a mutation again, where its input has no key.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
pub(super) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// `POST` and `GET /graphql`. A client that accepts `text/event-stream` gets a stream.
pub(super) async fn handle(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (id, arrived) = Arrived::of(request);
    let Some(media) = negotiate(&arrived.headers, &MediaType::OF_GRAPHQL) else {
        return not_acceptable().into_response();
    };
    if media == MediaType::EventStream {
        return sse::respond(gateway, id, arrived).boxed().await;
    }
    run(&gateway, &id, arrived, media)
        .await
        .unwrap_or_else(|refusal| {
            note_code(Some(refusal.code));
            refusal.in_media(media).into_response()
        })
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

impl Arrived {
    /// The request, and its id.
    pub(super) fn of(request: Request) -> (RequestId, Self) {
        let (mut parts, body) = request.into_parts();
        let id = parts.extensions.remove::<RequestId>().unwrap_or_default();
        let arrived = Self {
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            body,
        };
        (id, arrived)
    }
}

async fn run(
    gateway: &Gateway,
    id: &RequestId,
    arrived: Arrived,
    media: MediaType,
) -> Result<Response, Refusal> {
    let known = (arrived.method == Method::GET).then(|| arrived.headers.get(header::IF_NONE_MATCH).cloned());
    let actor = gateway
        .engine
        .authenticate(engine::credentials(&arrived.headers)?, &id.0)
        .await?;
    match read(gateway, arrived).await? {
        document::Body::One(incoming) => {
            let answer = answer(gateway, id, incoming, actor, known.is_some()).await?;
            Ok(match known {
                Some(known) => written_to_get(&answer, media, known.as_ref()),
                None => written(&answer, media),
            })
        }
        document::Body::Batch(requests) => {
            // One after the other: a batch does not take more of the house at once than a request.
            let mut answers = Vec::with_capacity(requests.len());
            for incoming in requests {
                let answer = answer(gateway, id, incoming, actor.clone(), false).boxed().await;
                // What was done before stays done, so that its answer must not be lost to a later refusal.
                answers.push(match answer {
                    Ok(answer) => answer.to_json(),
                    Err(refusal) => refusal.body().to_string(),
                });
            }
            let content_type = [(header::CONTENT_TYPE, MediaType::Json.content_type())];
            Ok((content_type, format!("[{}]", answers.join(","))).into_response())
        }
    }
}

/// The answer to one request.
async fn answer(
    gateway: &Gateway,
    id: &RequestId,
    incoming: Incoming,
    actor: Option<Actor>,
    by_get: bool,
) -> Result<Answer, Refusal> {
    let prepared = match gateway.engine.prepare(incoming, actor.as_ref(), id).await {
        Ok(prepared) => prepared,
        Err(response) => return Ok(noted(Answer::new(*response, &id.0))),
    };
    note_operation(&prepared);
    check_method(&prepared, by_get)?;
    if prepared.operation.kind == OperationType::Subscription {
        return Err(Refusal::bad_request(
            "A subscription needs a stream: use /graphql/ws, or /graphql/stream with Accept: text/event-stream.",
        ));
    }
    let response = gateway.engine.execute(prepared, actor).await;
    let response = response.ok_or_else(|| Refusal::timed_out(&id.0))?;
    Ok(noted(Answer::new(response, &id.0)))
}

/// A GET never runs a mutation.
pub(super) fn check_method(prepared: &Prepared, by_get: bool) -> Result<(), Refusal> {
    if by_get && prepared.operation.kind == OperationType::Mutation {
        return Err(Refusal::method("POST", "A mutation must be sent by POST."));
    }
    Ok(())
}

/// Reads the GraphQL request from the body or the query string, within the bounds on size and time.
pub(super) async fn read(gateway: &Gateway, arrived: Arrived) -> Result<document::Body, Refusal> {
    let key = idempotency_key(&arrived.headers)?;
    let mut body = received(gateway, arrived).await?;
    match &mut body {
        document::Body::One(incoming) => incoming.idempotency_key = key,
        document::Body::Batch(_) if key.is_none() => {}
        document::Body::Batch(_) => {
            return Err(Refusal::bad_request("A batch cannot share one Idempotency-Key."));
        }
    }
    Ok(body)
}

async fn received(gateway: &Gateway, arrived: Arrived) -> Result<document::Body, Refusal> {
    if arrived.method == Method::GET {
        preflight::check_get(&arrived.headers)?;
        return document::from_query_string(&arrived.uri).map(document::Body::One);
    }
    let bound = gateway.config.http.max_body.bytes();
    if let Some(boundary) = multipart::boundary(&arrived.headers) {
        let largest = gateway.engine.domain.largest_rule();
        let values = gateway.config.graphql.max_values;
        let read = multipart::read(arrived, boundary, bound, values, largest).boxed();
        let read = tokio::time::timeout(gateway.config.http.request_timeout.get(), read).await;
        return read.map_err(late)?.map(document::Body::One);
    }
    document::check_content_type(&arrived.headers)?;
    let body = within_bounds(gateway, arrived.body, &arrived.headers, bound).await?;
    document::check_values(&body, gateway.config.graphql.max_values)?;
    document::from_body(&body, gateway.config.graphql.max_batch)
}

/// The key of the header, which may be there once.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(key)), None) if (1..=255).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Refusal::bad_request(
            "An Idempotency-Key has 1 to 255 characters of ASCII, and there is one at most.",
        )),
    }
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

pub(super) fn late(_: tokio::time::error::Elapsed) -> Refusal {
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
    let mut response = (answer.status(media), content_type, answer.to_json()).into_response();
    if let Some(seconds) = answer.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if answer.is_replay() {
        response
            .headers_mut()
            .insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// The answer to a GET, which the client may keep to itself and ask about by its tag.
fn written_to_get(answer: &Answer, media: MediaType, known: Option<&HeaderValue>) -> Response {
    let tag = answer.entity_tag();
    let is_known = known
        .and_then(|known| known.to_str().ok())
        .is_some_and(|known| known.split(',').any(|own| own.trim() == tag || own.trim() == "*"));
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => written(answer, media),
    };
    let headers = response.headers_mut();
    let tag = HeaderValue::from_str(&tag).expect("a tag has hexadecimal digits");
    headers.insert(header::ETAG, tag);
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    let vary = HeaderValue::from_static("accept, authorization, x-sub-account-id");
    headers.insert(header::VARY, vary);
    response
}
