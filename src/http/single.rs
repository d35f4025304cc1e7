//! GraphQL over Server-Sent Events, single connection mode of graphql-sse: a client reserves a stream, opens it, and starts
//! and ends operations on it by further requests.
//!
//! Source: <https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>. A reservation is in the memory of the
//! process that made it: all requests of a client must come to that one. It knows nothing of what an operation is.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Extension,
    body::{Body as HttpBody, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use canopy_domain::Actor;
use futures_util::{StreamExt, stream};
use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    Gateway,
    access::note_code,
    answer,
    document::Body,
    engine, expiry,
    graphql::{Arrived, read},
    refusal::Refusal,
    request_id::RequestId,
    sse,
};

/// The header that names a stream.
pub(super) const TOKEN: HeaderName = HeaderName::from_static("x-graphql-event-stream-token");
/// The most streams of one process that are reserved or open.
const MAX_STREAMS: usize = 10_000;
/// The most of them that one person or key has on one account.
const MAX_OF_ONE: usize = 1_000;
/// The longest id of an operation, in bytes.
const MAX_ID: usize = 256;

/// The streams that are reserved or open.
#[derive(Default)]
pub(super) struct Streams(Mutex<HashMap<String, Arc<Reserved>>>);

struct Reserved {
    /// Whoever reserved it, on which account.
    owner: String,
    made: Instant,
    frames: mpsc::Sender<Bytes>,
    /// There until the stream is opened.
    waiting: Mutex<Option<mpsc::Receiver<Bytes>>>,
    operations: Mutex<HashMap<String, AbortHandle>>,
    /// Told when an operation ended by itself.
    ended: Notify,
}

impl Reserved {
    fn is_open(&self) -> bool {
        locked(&self.waiting).is_none()
    }

    fn stop_all(&self) {
        for (_, operation) in locked(&self.operations).drain() {
            operation.abort();
        }
    }

    /// Waits until the process is to end and nothing runs any more.
    async fn over(&self, draining: &CancellationToken) {
        draining.cancelled().await;
        loop {
            let ended = self.ended.notified();
            if locked(&self.operations).is_empty() {
                return;
            }
            ended.await;
        }
    }
}

impl Streams {
    fn reserve(&self, owner: String, buffer: usize, unopened: Duration) -> Result<String, Refusal> {
        let mut streams = locked(&self.0);
        let mut of_owner = 0;
        streams.retain(|_, own| {
            let stays = own.is_open() || own.made.elapsed() < unopened;
            of_owner += usize::from(stays && own.owner == owner);
            stays
        });
        if streams.len() >= MAX_STREAMS || of_owner >= MAX_OF_ONE {
            let message = "There are too many streams: try again later.";
            return Err(Refusal::coded(
                StatusCode::SERVICE_UNAVAILABLE,
                "RATE_LIMITED",
                message,
            ));
        }
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
        let (frames, waiting) = mpsc::channel(buffer.max(1));
        let reserved = Reserved {
            owner,
            made: Instant::now(),
            frames,
            waiting: Mutex::new(Some(waiting)),
            operations: Mutex::default(),
            ended: Notify::new(),
        };
        streams.insert(token.clone(), Arc::new(reserved));
        Ok(token)
    }

    /// The stream of this token, if it is that of `owner`.
    fn find(&self, token: &str, owner: &str) -> Result<Arc<Reserved>, Refusal> {
        let found = locked(&self.0).get(token).cloned();
        found.filter(|own| own.owner == owner).ok_or_else(|| {
            Refusal::coded(
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                "There is no such stream: reserve one by PUT.",
            )
        })
    }
}

/// An open stream; when it is dropped, all that runs on it ends. Its frames must be dropped before it: from then on nothing
/// starts on it.
struct Open {
    gateway: Arc<Gateway>,
    token: String,
    stream: Arc<Reserved>,
}

impl Drop for Open {
    fn drop(&mut self) {
        locked(&self.gateway.streams.0).remove(&self.token);
        self.stream.stop_all();
    }
}

/// The token in the header, or in the query string.
pub(super) fn token(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let header = headers.get(&TOKEN).and_then(|value| value.to_str().ok());
    header.map(str::to_owned).or_else(|| parameter(uri, "token"))
}

/// `PUT /graphql/stream`: reserves a stream.
pub(super) async fn reserve(
    State(gateway): State<Arc<Gateway>>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
) -> Response {
    let reserved = async {
        let owner = owner(caller(&gateway, &headers, &id).await?.as_ref())?;
        let bounds = &gateway.config.subscriptions;
        gateway
            .streams
            .reserve(owner, bounds.buffer, bounds.init_timeout.get())
    };
    answered(reserved.await.map(|token| {
        let content_type = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        (StatusCode::CREATED, content_type, token).into_response()
    }))
}

/// `DELETE /graphql/stream?operationId=…`: ends an operation. One that is not there has ended.
pub(super) async fn end(
    State(gateway): State<Arc<Gateway>>,
    Extension(id): Extension<RequestId>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let ended = async {
        let owner = owner(caller(&gateway, &headers, &id).await?.as_ref())?;
        let stream = gateway
            .streams
            .find(&token(&headers, &uri).unwrap_or_default(), &owner)?;
        let operation = parameter(&uri, "operationId").ok_or_else(no_operation_id)?;
        if let Some(running) = locked(&stream.operations).remove(&operation) {
            running.abort();
        }
        stream.ended.notify_waiters();
        Ok(StatusCode::OK.into_response())
    };
    answered(ended.await)
}

/// `GET /graphql/stream` with a token: opens the stream.
pub(super) async fn open(
    gateway: Arc<Gateway>,
    id: RequestId,
    token: String,
    headers: HeaderMap,
) -> Response {
    let opened = async {
        let actor = caller(&gateway, &headers, &id).await?;
        let stream = gateway.streams.find(&token, &owner(actor.as_ref())?)?;
        let waiting = locked(&stream.waiting).take();
        let frames = waiting
            .ok_or_else(|| Refusal::coded(StatusCode::CONFLICT, "CONFLICT", "The stream is open already."))?;
        let open = Open {
            gateway: Arc::clone(&gateway),
            token,
            stream,
        };
        Ok((open, frames, actor))
    };
    let (open, frames, actor) = match opened.await {
        Ok(opened) => opened,
        Err(refusal) => return answered(Err(refusal)),
    };
    let heartbeat = gateway.config.subscriptions.heartbeat.get();
    // Each operation ends with its credential; the stream a moment later, so that they can say so.
    let end = actor
        .as_ref()
        .and_then(Actor::expires_at)
        .map(|end| end + heartbeat);
    let events = stream::unfold((frames, open), |(mut frames, open)| async move {
        let frame = tokio::select! {
            biased;
            frame = frames.recv() => frame,
            () = open.stream.over(&open.gateway.draining) => None,
        };
        frame.map(|frame| (frame, (frames, open)))
    });
    let events = sse::kept_alive(events.take_until(Box::pin(expiry::passed(end))), heartbeat);
    (
        sse::HEADERS,
        HttpBody::from_stream(events.map(Ok::<_, Infallible>)),
    )
        .into_response()
}

/// `POST /graphql/stream` with a token: starts an operation, whose results come on the stream.
pub(super) async fn start(gateway: Arc<Gateway>, id: RequestId, token: String, arrived: Arrived) -> Response {
    let started = async {
        let actor = caller(&gateway, &arrived.headers, &id).await?;
        let stream = gateway.streams.find(&token, &owner(actor.as_ref())?)?;
        let Body::One(mut request) = read(&gateway, arrived).await? else {
            return Err(Refusal::bad_request("A stream is sent one operation at a time."));
        };
        let operation = request
            .operation_id
            .take()
            .filter(|id| (1..=MAX_ID).contains(&id.len()));
        let operation = operation.ok_or_else(no_operation_id)?;
        // What takes a place must be able to give it back.
        let most = gateway.config.subscriptions.max_per_socket;
        stream.require_place(&locked(&stream.operations), &operation, most)?;
        let responses = sse::responses(&gateway, request, actor, &id, false).await?;
        stream.run(operation, responses, id.0.clone(), most)?;
        Ok(StatusCode::ACCEPTED.into_response())
    };
    answered(started.await)
}

impl Reserved {
    fn require_place(
        &self,
        running: &HashMap<String, AbortHandle>,
        operation: &str,
        most: usize,
    ) -> Result<(), Refusal> {
        if !self.is_open() {
            return Err(Refusal::bad_request("The stream is not open: open it by GET."));
        }
        if running.contains_key(operation) {
            let message = "An operation with this id is running.";
            return Err(Refusal::coded(StatusCode::CONFLICT, "CONFLICT", message));
        }
        if running.len() >= most {
            let message = format!("At most {most} operations run on one stream.");
            return Err(Refusal::bad_request(message));
        }
        Ok(())
    }

    /// Runs an operation, if there is a place for it.
    fn run(
        self: &Arc<Self>,
        id: String,
        responses: sse::Responses,
        request_id: String,
        most: usize,
    ) -> Result<(), Refusal> {
        let stream = Arc::clone(self);
        // Held until the operation is in its place: it cannot end before, and no other takes the place.
        let mut running = locked(&self.operations);
        self.require_place(&running, &id, most)?;
        let (name, key) = (serde_json::Value::from(id.as_str()).to_string(), id.clone());
        let task = tokio::spawn(async move {
            let sse::Responses { responses, cut } = responses;
            let mut responses = responses.take_until(cut.clone().cancelled_owned()).boxed();
            while let Some(answer) = responses.next().await {
                let payload = answer::text(answer, &request_id);
                let next = sse::frame("next", &format!("{{\"id\":{name},\"payload\":{payload}}}"));
                if stream.frames.send(next).await.is_err() {
                    break;
                }
            }
            if !cut.is_cancelled() {
                let complete = sse::frame("complete", &format!("{{\"id\":{name}}}"));
                // A stream that is gone needs no end.
                let _ = stream.frames.send(complete).await;
            }
            let mut running = locked(&stream.operations);
            // Another may have its id meanwhile, if it was ended just now.
            if running.get(&key).is_some_and(|own| own.id() == tokio::task::id()) {
                running.remove(&key);
            }
            drop(running);
            stream.ended.notify_waiters();
        });
        if self.frames.is_closed() {
            task.abort();
        } else {
            running.insert(id, task.abort_handle());
        }
        Ok(())
    }
}

/// Whose requests may use a stream. Nobody in particular has none: there would be no end of them.
fn owner(actor: Option<&Actor>) -> Result<String, Refusal> {
    let actor = actor.ok_or_else(engine::invalid_credential)?;
    let account = actor.acting_as().map(ToString::to_string);
    Ok(format!("{} {}", actor.label(), account.unwrap_or_default()))
}

async fn caller(gateway: &Gateway, headers: &HeaderMap, id: &RequestId) -> Result<Option<Actor>, Refusal> {
    let given = engine::credentials(headers)?;
    gateway.engine.authenticate(given, &id.0).await
}

fn parameter(uri: &Uri, wanted: &str) -> Option<String> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    let mut pairs = pairs.0.into_iter();
    pairs.find_map(|(name, value)| (name == wanted && !value.is_empty()).then_some(value))
}

fn no_operation_id() -> Refusal {
    Refusal::bad_request(format!(
        "The operation needs an operationId of 1 to {MAX_ID} bytes."
    ))
}

fn answered(outcome: Result<Response, Refusal>) -> Response {
    outcome.unwrap_or_else(|refusal| {
        note_code(Some(refusal.code));
        refusal.into_response()
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
