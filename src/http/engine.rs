//! The seam between the transports and the house: who is asking, and what the schema answers.
//!
//! All three transports (HTTP, WebSocket, SSE) come through here. It must not know which one calls.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use async_graphql::{ServerError, parser::types::OperationType};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use canopy_domain::{Actor, Credentials, Domain, Error, ErrorCode};
use canopy_schema::{
    Ask, CanopySchema, ClientAddress, Document, DocumentHash, Prepared, Reply, StreamAnswer,
};
use futures_util::{
    FutureExt, Stream, StreamExt,
    stream::{self, BoxStream},
};

use tracing::{Instrument, Span, info_span, warn};

use super::{
    access::{millis, short},
    client,
    document::{Incoming, Source},
    persisted::Persisted,
    refusal::Refusal,
    request_id::RequestId,
};

/// The header that narrows a credential to one account below its own.
pub(super) const SUB_ACCOUNT: &str = "x-sub-account-id";

/// The schema, and which documents it answers.
#[derive(Clone)]
pub(super) struct Engine {
    pub(super) domain: Domain,
    pub(super) schema: CanopySchema,
    pub(super) persisted: Arc<Persisted>,
    /// Whether a client may name a document by its hash after it sent it once.
    pub(super) automatic: bool,
    /// Whether only persisted documents are answered.
    pub(super) persisted_only: bool,
    pub(super) timeout: Duration,
    /// What takes so long is logged.
    pub(super) slow: Duration,
}

/// The credentials in HTTP headers.
pub(super) fn credentials(headers: &HeaderMap) -> Result<Credentials, Refusal> {
    Ok(Credentials {
        authorization: single(headers, header::AUTHORIZATION.as_str())?,
        sub_account: single(headers, SUB_ACCOUNT)?,
        address: client::address(),
    })
}

/// The value of a header that may be there once at most.
fn single(headers: &HeaderMap, name: &str) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned);
    match (values.next().map(text), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(invalid_credential()),
    }
}

/// The answer to a credential that was presented and is not good, whatever is wrong with it.
pub(super) fn invalid_credential() -> Refusal {
    Refusal::coded(
        StatusCode::UNAUTHORIZED,
        "UNAUTHENTICATED",
        super::refusal::INVALID_CREDENTIAL,
    )
}

impl Engine {
    /// Who presents these credentials: nobody, someone, or a refusal.
    pub(super) async fn authenticate(
        &self,
        given: Credentials,
        request_id: &str,
    ) -> Result<Option<Actor>, Refusal> {
        self.domain
            .authenticate(&given)
            .await
            .map_err(|error| refusal_of(&error, request_id))
    }

    /// Who presents these credentials to anything but GraphQL: somebody, whose key may do more than run the documents that
    /// are registered for it.
    pub(super) async fn signed_in(&self, given: Credentials, request_id: &str) -> Result<Actor, Refusal> {
        let actor = self.authenticate(given, request_id).await?;
        let actor = actor.ok_or_else(invalid_credential)?;
        if actor.is_persisted_only() {
            let message = "The API key may run its registered documents and nothing else.";
            return Err(Refusal::coded(StatusCode::FORBIDDEN, "FORBIDDEN", message));
        }
        Ok(actor)
    }

    /// Finds the document and the operation to run, and holds both against their bounds. Errors will name the request.
    pub(super) async fn prepare(
        &self,
        incoming: Incoming,
        actor: Option<&Actor>,
        id: &RequestId,
    ) -> Result<Prepared, Box<Reply>> {
        self.schema.prepare(Ask {
            document: self.document(incoming.source, actor).await?,
            operation_name: incoming.operation_name,
            variables: incoming.variables,
            uploads: incoming.uploads,
            idempotency_key: incoming.idempotency_key,
            client_address: client::address().map(ClientAddress),
            request_id: canopy_schema::RequestId(id.0.clone()),
        })
    }

    /// The document that is meant, if it may be.
    async fn document(&self, source: Source, actor: Option<&Actor>) -> Result<Arc<Document>, Box<Reply>> {
        let only_own = actor.is_some_and(Actor::is_persisted_only);
        let only = only_own || self.persisted_only;
        match source {
            Source::Persisted(hash) => self
                .persisted(hash, actor)
                .boxed()
                .await?
                .ok_or_else(not_persisted),
            Source::Text(text) | Source::Automatic(_, Some(text)) if only => {
                let known = self.persisted(DocumentHash::of(&text), actor).boxed().await?;
                known.ok_or_else(|| Box::new(coded("FORBIDDEN", "Only persisted documents are answered.")))
            }
            Source::Text(text) => self.schema.read(text),
            Source::Automatic(..) if !self.automatic => Err(Box::new(coded(
                "PERSISTED_QUERY_NOT_SUPPORTED",
                "PersistedQueryNotSupported",
            ))),
            Source::Automatic(hash, None) if only => self
                .persisted(hash, actor)
                .boxed()
                .await?
                .ok_or_else(not_persisted),
            Source::Automatic(hash, None) => self.schema.known(&hash).ok_or_else(not_persisted),
            Source::Automatic(hash, Some(text)) if DocumentHash::of(&text) == hash => self.schema.read(text),
            Source::Automatic(..) => {
                let message = "The hash of the persisted query is not that of its text.";
                Err(Box::new(coded("BAD_USER_INPUT", message)))
            }
        }
    }

    /// The document with this hash that the operator persisted, or that is registered for the API key of the actor. A key
    /// may be for its own ones only.
    async fn persisted(
        &self,
        hash: DocumentHash,
        actor: Option<&Actor>,
    ) -> Result<Option<Arc<Document>>, Box<Reply>> {
        let of_all = self.persisted.get(&hash);
        let Some(actor) = actor else {
            return Ok(of_all);
        };
        if of_all.is_some() && !actor.is_persisted_only() {
            return Ok(of_all);
        }
        match self.domain.registered_document(actor, &hash.to_string()).await {
            Ok(None) => Ok(None),
            Ok(Some(text)) => match self.schema.known(&hash) {
                Some(known) => Ok(Some(known)),
                None => self.schema.read(text.as_ref().to_owned()).map(Some),
            },
            Err(error) => {
                tracing::error!(error = ?error, "a registered document could not be read");
                Err(Box::new(internal()))
            }
        }
    }

    /// Runs a query or a mutation within the time bound. `None`: the time was over.
    pub(super) async fn execute(&self, prepared: Prepared, actor: Option<Actor>) -> Option<Reply> {
        let kind = kind_name(prepared.operation.kind);
        let (name, document) = (prepared.operation.name.clone(), prepared.document());
        let started = Instant::now();
        let run = self.schema.execute(prepared, actor);
        let run = std::panic::AssertUnwindSafe(run).catch_unwind();
        let outcome = match tokio::time::timeout(self.timeout, run).await {
            Ok(Ok(response)) => Some(response),
            Ok(Err(_panic)) => Some(internal()),
            Err(_elapsed) => None,
        };
        let result = match &outcome {
            Some(response) if response.errors.is_empty() => "ok",
            Some(_) => "error",
            None => "timeout",
        };
        metrics::counter!("canopy_graphql_operations_total", "type" => kind, "outcome" => result)
            .increment(1);
        let elapsed = started.elapsed();
        metrics::histogram!("canopy_graphql_operation_duration_seconds", "type" => kind)
            .record(elapsed.as_secs_f64());
        if elapsed >= self.slow {
            let name = name.as_deref().map(short);
            warn!(%document, operation = name, kind, duration_ms = millis(elapsed), "a slow operation");
        }
        outcome
    }

    /// Runs any operation as a stream: a query or a mutation has one item, a subscription as many as come.
    ///
    /// The stream outlives the request that started it, so that it has a span of its own in the log.
    pub(super) fn stream(
        &self,
        prepared: Prepared,
        actor: Option<Actor>,
        id: &RequestId,
    ) -> BoxStream<'static, StreamAnswer> {
        let operation = &prepared.operation;
        let span = info_span!(
            parent: None,
            "operation",
            otel.name = format!("graphql {}", kind_name(operation.kind)),
            otel.kind = "server",
            request_id = id.0,
            graphql.operation.name = operation.name.as_deref().map(short),
            graphql.operation.type = kind_name(operation.kind),
            graphql.document.hash = %prepared.document()
        );
        if operation.kind != OperationType::Subscription {
            let engine = self.clone();
            let once = async move { engine.execute(prepared, actor).await.unwrap_or_else(timed_out) };
            return stream::once(once.instrument(span)).map(own).boxed();
        }
        metrics::counter!("canopy_graphql_operations_total", "type" => "subscription", "outcome" => "started")
            .increment(1);
        let responses = self.schema.execute_stream(prepared, actor);
        let guarded = std::panic::AssertUnwindSafe(responses).catch_unwind();
        Running::new(
            guarded.map(|answer| answer.unwrap_or_else(|_panic| own(internal()))),
            span,
        )
        .boxed()
    }
}

/// A response as an answer of a stream.
pub(super) fn own(response: Reply) -> StreamAnswer {
    StreamAnswer::Own(Box::new(response))
}

/// The name of an operation type in metrics.
pub(super) fn kind_name(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

/// The answer to a hash of no known document: Apollo's clients send the text when they read it.
fn not_persisted() -> Box<Reply> {
    Box::new(coded("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"))
}

/// A failure on our side as a response without data; the transport adds the request id.
fn internal() -> Reply {
    coded("INTERNAL", super::refusal::INTERNAL_MESSAGE)
}

/// The response to an operation that took too long.
fn timed_out() -> Reply {
    coded("INTERNAL", super::refusal::TIMED_OUT_MESSAGE)
}

pub(super) fn coded(code: &str, message: &str) -> Reply {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code);
    Reply::from_errors(vec![error])
}

/// The HTTP answer to a domain error outside GraphQL.
pub(super) fn refusal_of(error: &Error, request_id: &str) -> Refusal {
    let status = match error.code() {
        ErrorCode::Unauthenticated => return invalid_credential(),
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::BadUserInput => StatusCode::BAD_REQUEST,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::LimitExceeded | ErrorCode::RuleFailed => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Internal => {
            tracing::error!(error = ?error, "a request failed");
            return Refusal::internal(StatusCode::INTERNAL_SERVER_ERROR, request_id);
        }
    };
    let mut refusal = Refusal::coded(status, error.code().as_str(), error.to_string());
    refusal.field = error.field().to_vec();
    refusal.retry_after = error.retry_after().map(canopy_schema::whole_seconds);
    refusal
}

/// A subscription: counted while it is open, polled in its span.
struct Running<S> {
    stream: Pin<Box<S>>,
    span: Span,
}

impl<S> Running<S> {
    fn new(stream: S, span: Span) -> Self {
        metrics::gauge!("canopy_subscriptions_open").increment(1.0);
        Self {
            stream: Box::pin(stream),
            span,
        }
    }
}

impl<S: Stream> Stream for Running<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let Self { stream, span } = &mut *self;
        span.in_scope(|| stream.as_mut().poll_next(context))
    }
}

impl<S> Drop for Running<S> {
    fn drop(&mut self) {
        metrics::gauge!("canopy_subscriptions_open").decrement(1.0);
    }
}
