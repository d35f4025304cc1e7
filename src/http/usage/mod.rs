//! `POST /usage`: usage as CloudEvents 1.0, one event, a batch, or a stream of lines. It goes by the service that
//! `recordUsage` goes by; what an event means and what became of it is translated here, and nothing is decided.
//!
//! Source: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>.

mod batch;
mod cloud_event;
mod decimal;
pub(super) mod export;
mod intake;
mod lines;
mod result;
mod stream;
mod table;

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use canopy_domain::Actor;
use tracing::Span;

use super::{
    Gateway,
    access::note_code,
    engine::{self, refusal_of},
    refusal::Refusal,
    request_id::RequestId,
};
use intake::{Encoding, take_in, whole};
use result::{EventResult, Place};

/// The methods of `/usage`, for a 405.
const ALLOWED: &str = "POST, OPTIONS";

/// How the events of a request are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The attributes are headers, the data is the body.
    Binary,
    /// One event is the body.
    Structured,
    /// An array of events.
    Batch,
    /// An event a line.
    Lines,
}

impl Mode {
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let media = match headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) {
            Some(Ok(media)) => media.split(';').next().unwrap_or_default().trim(),
            _ => "",
        };
        let is = |own: &str| media.eq_ignore_ascii_case(own);
        if is("application/cloudevents+json") {
            Ok(Self::Structured)
        } else if is("application/cloudevents-batch+json") {
            Ok(Self::Batch)
        } else if is("application/x-ndjson") || is("application/ndjson") {
            Ok(Self::Lines)
        } else if headers.contains_key("ce-specversion") && cloud_event::is_json(media) {
            Ok(Self::Binary)
        } else {
            Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Usage is application/cloudevents+json, application/cloudevents-batch+json, application/x-ndjson, \
                 or application/json with the event's attributes in ce- headers.",
            ))
        }
    }
}

/// `POST /usage`.
pub(super) async fn post(
    State(gateway): State<Arc<Gateway>>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = answer(gateway, id, headers, body).await;
    answer.unwrap_or_else(|refusal| {
        note_code(Some(refusal.code));
        refusal.into_response()
    })
}

/// Any other method on `/usage`.
pub(super) async fn wrong_method() -> Refusal {
    Refusal::method(ALLOWED, "Send usage by POST.")
}

async fn answer(
    gateway: Arc<Gateway>,
    id: RequestId,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let credentials = engine::credentials(&headers)?;
    let actor = gateway.engine.signed_in(credentials.clone(), &id.0).await?;
    let mode = Mode::of(&headers)?;
    let encoding = Encoding::of(&headers)?;
    let received = match mode {
        Mode::Lines => {
            let stream = stream::Usage::new(gateway, id, credentials, body, encoding, Span::current());
            return stream.answer().await;
        }
        Mode::Batch => {
            let body = whole(&gateway, body, &headers, encoding).await?;
            let events = batch::read(&body)?;
            let results = taken(&gateway, &id, &actor, events).await?;
            return Ok(axum::Json(Results { results }).into_response());
        }
        Mode::Structured => cloud_event::structured(&whole(&gateway, body, &headers, encoding).await?),
        Mode::Binary => cloud_event::binary(&headers, &whole(&gateway, body, &headers, encoding).await?),
    };
    let results = taken(&gateway, &id, &actor, vec![received]).await?;
    let result = results.into_iter().next();
    Ok(single(result.expect("each event has its result"), &id))
}

/// The answer to a batch.
#[derive(serde::Serialize)]
struct Results {
    results: Vec<EventResult>,
}

async fn taken(
    gateway: &Gateway,
    id: &RequestId,
    actor: &Actor,
    received: Vec<cloud_event::Received>,
) -> Result<Vec<EventResult>, Refusal> {
    let places = (0..).map(Place::of_batch).zip(received).collect();
    let taken = take_in(&gateway.engine, actor, places);
    let taken = tokio::time::timeout(gateway.engine.timeout, taken).await;
    let taken = taken.map_err(|_elapsed| Refusal::timed_out(&id.0))?;
    taken.map_err(|error| refusal_of(&error, &id.0))
}

/// The answer to a single event: its result, and what was wrong with it as any refusal says it.
fn single(mut result: EventResult, id: &RequestId) -> Response {
    let Some(error) = &result.error else {
        return (result.status.of_http(), axum::Json(result)).into_response();
    };
    let mut refusal = refusal_of(error, &id.0);
    refusal.field.clone_from(&result.field);
    refusal.message = result.message.clone().unwrap_or(refusal.message);
    note_code(Some(refusal.code));
    result.errors = Some(refusal.body()["errors"].take());
    let mut response = (refusal.status, axum::Json(result)).into_response();
    if let Some(seconds) = refusal.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(headers: &[(&'static str, &str)]) -> Option<Mode> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect();
        Mode::of(&headers).ok()
    }

    #[test]
    fn the_content_type_tells_how_events_are_written() {
        let of_type = |media| mode(&[("content-type", media)]);
        assert_eq!(
            of_type("application/cloudevents+json; charset=utf-8"),
            Some(Mode::Structured)
        );
        assert_eq!(of_type("Application/CloudEvents-Batch+JSON"), Some(Mode::Batch));
        assert_eq!(of_type("application/x-ndjson"), Some(Mode::Lines));
        let binary = |media| mode(&[("content-type", media), ("ce-specversion", "1.0")]);
        assert_eq!(binary("application/json"), Some(Mode::Binary));
        assert_eq!(binary("text/xml"), None);
        assert_eq!(of_type("application/json"), None);
        assert_eq!(mode(&[]), None);
    }
}
