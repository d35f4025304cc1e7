//! GraphQL over Server-Sent Events, distinct connections mode of graphql-sse: one operation a request. The other mode is
//! in [`super::single`].

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_graphql::parser::types::OperationType;
use axum::{
    body::{Body as HttpBody, Bytes},
    extract::{Request, State},
    http::{HeaderName, Method, header},
    response::{IntoResponse, Response},
};
use canopy_domain::{Actor, entity::time::Timestamp};
use canopy_schema::StreamAnswer;
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};

use tokio_util::sync::CancellationToken;

use super::{
    Gateway,
    access::{note_code, note_operation},
    answer,
    document::{Body, Incoming},
    engine, expiry,
    graphql::{Arrived, check_method, not_acceptable, read},
    negotiation::{MediaType, negotiate},
    refusal::{INVALID_CREDENTIAL, Refusal},
    request_id::RequestId,
    single,
};

/// The headers of a stream.
pub(super) const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/event-stream"),
    (header::CACHE_CONTROL, "no-cache"),
    // Proxies must pass events on as they come.
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

/// `POST` and `GET /graphql/stream`.
pub(super) async fn handle(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (id, arrived) = Arrived::of(request);
    let token = single::token(&arrived.headers, &arrived.uri);
    if let Some(token) = token.clone().filter(|_| arrived.method == Method::POST) {
        return single::start(gateway, id, token, arrived).await;
    }
    if negotiate(&arrived.headers, &MediaType::OF_STREAM).is_none() {
        return not_acceptable().into_response();
    }
    if let Some(token) = token {
        return single::open(gateway, id, token, arrived.headers).await;
    }
    respond(gateway, id, arrived).await
}

/// Starts the operation, or says why not with a status of its own.
pub(super) async fn respond(gateway: Arc<Gateway>, id: RequestId, arrived: Arrived) -> Response {
    let heartbeat = gateway.config.subscriptions.heartbeat.get();
    match start(gateway, id, arrived).await {
        Ok(events) => {
            let frames = kept_alive(events, heartbeat).map(Ok::<_, Infallible>);
            (HEADERS, HttpBody::from_stream(frames)).into_response()
        }
        Err(refusal) => {
            note_code(Some(refusal.code));
            refusal.into_response()
        }
    }
}

/// One event as it goes over the wire. JSON has no line breaks, so `data` is one line.
pub(super) fn frame(event: &str, data: &str) -> Bytes {
    debug_assert!(!data.contains('\n'), "JSON is written in one line");
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}

/// The same stream with a comment whenever it was silent for so long.
pub(super) fn kept_alive(
    events: impl Stream<Item = Bytes> + Send + 'static,
    silence: Duration,
) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(events.boxed(), move |mut events| async move {
        match tokio::time::timeout(silence, events.next()).await {
            Ok(Some(frame)) => Some((frame, events)),
            Ok(None) => None,
            Err(_silent) => Some((Bytes::from_static(b":\n\n"), events)),
        }
    })
}

async fn start(
    gateway: Arc<Gateway>,
    id: RequestId,
    arrived: Arrived,
) -> Result<impl Stream<Item = Bytes> + use<>, Refusal> {
    let by_get = arrived.method == Method::GET;
    let actor = gateway
        .engine
        .authenticate(engine::credentials(&arrived.headers)?, &id.0)
        .await?;
    let Body::One(request) = read(&gateway, arrived).await? else {
        return Err(Refusal::bad_request("A stream has one operation, not a batch."));
    };
    let request_id = id.0.clone();
    let Responses { responses, cut } = responses(&gateway, request, actor, &id, by_get).await?;
    let next = responses.map(move |answer| frame("next", &answer::text(answer, &request_id)));
    // A browser drops an event without a data line, so this one has an empty one.
    let complete = stream::once(async { frame("complete", "") });
    Ok(next.chain(complete).take_until(cut.cancelled_owned()))
}

/// What an operation answers.
pub(super) struct Responses {
    pub(super) responses: BoxStream<'static, StreamAnswer>,
    /// When they break off. At shutdown a subscription ends without `complete`, which tells the client to ask again; a
    /// query or a mutation is answered.
    pub(super) cut: CancellationToken,
}

/// Starts the operation of `request`.
pub(super) async fn responses(
    gateway: &Gateway,
    request: Incoming,
    actor: Option<Actor>,
    id: &RequestId,
    by_get: bool,
) -> Result<Responses, Refusal> {
    let mut cut = CancellationToken::new();
    let responses = match gateway.engine.prepare(request, actor.as_ref(), id).await {
        Ok(prepared) => {
            note_operation(&prepared);
            check_method(&prepared, by_get)?;
            let lasts = prepared.operation.kind == OperationType::Subscription;
            if lasts {
                cut = gateway.draining.clone();
            }
            let end = actor.as_ref().and_then(Actor::expires_at).filter(|_| lasts);
            until_expired(gateway.engine.stream(prepared, actor, id), end)
        }
        // The protocol reports a document that cannot run as an event of an accepted stream.
        Err(response) => stream::once(async { StreamAnswer::Own(response) }).boxed(),
    };
    Ok(Responses { responses, cut })
}

/// The same responses until the credential that they are for has expired; then an error that says so.
fn until_expired(
    responses: BoxStream<'static, StreamAnswer>,
    end: Option<Timestamp>,
) -> BoxStream<'static, StreamAnswer> {
    if end.is_none() {
        return responses;
    }
    let running = (responses, Box::pin(expiry::passed(end)));
    stream::unfold(Some(running), |running| async move {
        let (mut responses, mut passed) = running?;
        tokio::select! {
            biased;
            () = passed.as_mut() => {
                let expired = engine::coded("UNAUTHENTICATED", INVALID_CREDENTIAL);
                Some((engine::own(expired), None))
            }
            next = responses.next() => next.map(|next| (next, Some((responses, passed)))),
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_written_as_the_protocol_says() {
        assert_eq!(frame("next", "{}"), "event: next\ndata: {}\n\n");
        assert_eq!(frame("complete", ""), "event: complete\ndata: \n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_shows_signs_of_life() {
        let events = stream::once(async {
            let later = tokio::time::Instant::now() + Duration::from_secs(25);
            tokio::time::interval_at(later, Duration::from_secs(1))
                .tick()
                .await;
            frame("next", "1")
        });
        let frames: Vec<Bytes> = kept_alive(events, Duration::from_secs(10)).collect().await;
        assert_eq!(frames, [":\n\n", ":\n\n", "event: next\ndata: 1\n\n"]);
    }
}
