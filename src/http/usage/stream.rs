//! A stream of events, one a line, answered by a line each in their order.
//!
//! A part of the lines is read when the results of the one before were taken: by the database, and by the client. So
//! neither a long body nor a reader that stopped costs memory. What ends the stream early is told in its last line.

use std::convert::Infallible;
use std::mem;
use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use canopy_domain::{Actor, Credentials, Error, usage::MAX_BATCH};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument, Span};

use super::{
    Gateway, Refusal, RequestId,
    cloud_event::{Received, structured},
    intake::{Encoding, Reader, take_in, unread},
    lines::{LONGEST, Lines, Most},
    result::{EventResult, Place},
};
use crate::http::{engine::refusal_of, graphql::late};

/// So much of the body is taken in at once, and a line more at most.
const MOST: Most = Most {
    lines: MAX_BATCH,
    bytes: 1 << 20,
};
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// A body that is taken in.
pub(super) struct Usage {
    gateway: Arc<Gateway>,
    id: RequestId,
    credentials: Credentials,
    lines: Lines<Reader>,
    /// How many events have come.
    events: u64,
    /// The first line of the part that is taken in.
    begins: u64,
    has_more: bool,
    span: Span,
}

impl Usage {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        id: RequestId,
        credentials: Credentials,
        body: Body,
        encoding: Encoding,
        span: Span,
    ) -> Self {
        Self {
            gateway,
            id,
            credentials,
            lines: Lines::new(encoding.reader(body)),
            events: 0,
            begins: 1,
            has_more: true,
            span,
        }
    }

    /// The answer. The first part is taken in before it begins, so that what is wrong with the whole request, or the
    /// moment, has its HTTP status.
    pub(super) async fn answer(mut self) -> Result<Response, Refusal> {
        let first = self.part(false).await?;
        let rest = stream::unfold(self, |mut usage| async move {
            let span = usage.span.clone();
            let part = usage.next().instrument(span).await?;
            Some((part, usage))
        });
        let parts = stream::iter(first).chain(rest).map(Ok::<_, Infallible>);
        let body = Body::from_stream(parts);
        Ok(([(header::CONTENT_TYPE, NDJSON)], body).into_response())
    }

    /// The results of the next part, or why there is none; nothing behind the last.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.has_more {
            return None;
        }
        match self.part(true).await {
            Ok(part) => part,
            Err(refusal) => {
                self.has_more = false;
                let mut last = refusal.body();
                last["line"] = self.begins.into();
                Some(format!("{last}\n").into())
            }
        }
    }

    /// Reads a part of the lines and takes it in. One that is `patient` waits where there is no room.
    async fn part(&mut self, patient: bool) -> Result<Option<Bytes>, Refusal> {
        let received = self.read().await?;
        if received.is_empty() {
            return Ok(None);
        }
        // Whoever sends for hours may have lost the right to.
        let engine = &self.gateway.engine;
        let actor = engine.signed_in(self.credentials.clone(), &self.id.0).await?;
        let results = self.record(&actor, received, patient).await?;
        let mut text = Vec::with_capacity(128 * results.len());
        for result in &results {
            serde_json::to_writer(&mut text, result).expect("a result has string keys only");
            text.push(b'\n');
        }
        Ok(Some(text.into()))
    }

    async fn read(&mut self) -> Result<Vec<(Place, Received)>, Refusal> {
        self.begins = self.lines.next_number();
        let mut received = Vec::new();
        let events = &mut self.events;
        let read = self.lines.take(MOST, |number, line| {
            let event = match line {
                Some(line) => structured(line),
                None => Received::unreadable(format!("A line has at most {LONGEST} bytes.")),
            };
            let place = Place {
                index: *events,
                line: Some(number),
            };
            *events += 1;
            received.push((place, event));
        });
        let read = timeout(self.gateway.config.http.request_timeout.get(), read);
        let read = tokio::select! {
            biased;
            () = self.gateway.draining.cancelled() => return Err(going()),
            read = read => read,
        };
        self.has_more = read.map_err(late)?.map_err(|error| unread(&error))?;
        Ok(received)
    }

    /// Takes a part in. Where there is no room for it, one that is patient waits as long as a request may take.
    async fn record(
        &mut self,
        actor: &Actor,
        mut received: Vec<(Place, Received)>,
        patient: bool,
    ) -> Result<Vec<EventResult>, Refusal> {
        let engine = &self.gateway.engine;
        let end = Instant::now() + engine.timeout;
        loop {
            let again = if patient { received.clone() } else { Vec::new() };
            let taken = take_in(engine, actor, mem::replace(&mut received, again));
            let taken = tokio::time::timeout_at(end, taken).await;
            match taken.map_err(|_elapsed| Refusal::timed_out(&self.id.0))? {
                Ok(results) => return Ok(results),
                Err(Error::RateLimited { retry_after }) if patient && Instant::now() + retry_after < end => {
                    tokio::select! {
                        () = self.gateway.draining.cancelled() => return Err(going()),
                        () = sleep(retry_after) => {}
                    }
                }
                Err(error) => return Err(refusal_of(&error, &self.id.0)),
            }
        }
    }
}

/// What the client of a stream is told when the process is to end.
fn going() -> Refusal {
    let mut refusal = Refusal::coded(
        StatusCode::SERVICE_UNAVAILABLE,
        "RATE_LIMITED",
        "This process is about to end: send the rest again, to another.",
    );
    refusal.retry_after = Some(1);
    refusal
}
