//! From a body to what became of its events: how it is packed, how much of it is read, and the one call of the service.

use std::io;

use async_compression::tokio::bufread::GzipDecoder;
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use canopy_domain::{
    Actor, Error,
    usage::{EventOutcome, RecordUsage},
};
use futures_util::TryStreamExt;
use tokio::io::{AsyncBufRead, AsyncReadExt, BufReader};
use tokio_util::io::StreamReader;

use super::{
    Gateway, Refusal,
    cloud_event::Received,
    result::{EventResult, Place, count},
};
use crate::http::{engine::Engine, graphql};

/// What an event costs of a budget, as one of `recordUsage` does.
const POINTS: u64 = 10;
/// So much is unpacked at a time.
const UNPACKED: usize = 64 << 10;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Gzip,
}

/// A body, unpacked as it is read.
pub(super) type Reader = Box<dyn AsyncBufRead + Send + Unpin>;

impl Encoding {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let encoding = match (values.next().map(HeaderValue::to_str), values.next()) {
            (None, _) => "identity",
            (Some(Ok(encoding)), None) => encoding.trim(),
            _ => "",
        };
        let is = |own: &str| encoding.eq_ignore_ascii_case(own);
        if is("identity") {
            Ok(Self::Plain)
        } else if is("gzip") || is("x-gzip") {
            Ok(Self::Gzip)
        } else {
            Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body is sent as it is, or with Content-Encoding: gzip.",
            ))
        }
    }

    /// The body as a stream of bytes.
    pub(super) fn reader(self, body: Body) -> Reader {
        let plain = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
        match self {
            Self::Plain => Box::new(plain),
            Self::Gzip => Box::new(BufReader::with_capacity(UNPACKED, unpacked(plain))),
        }
    }
}

/// The bytes that were packed into one or several members of gzip.
fn unpacked<R: AsyncBufRead>(packed: R) -> GzipDecoder<R> {
    let mut decoder = GzipDecoder::new(packed);
    decoder.multiple_members(true);
    decoder
}

/// All of a body, which has its bound as it comes and when it is unpacked.
pub(super) async fn whole(
    gateway: &Gateway,
    body: Body,
    headers: &HeaderMap,
    encoding: Encoding,
) -> Result<Bytes, Refusal> {
    let bound = gateway.config.http.max_body.bytes();
    let body = graphql::within_bounds(gateway, body, headers, bound).await?;
    if encoding == Encoding::Plain {
        return Ok(body);
    }
    let mut whole = Vec::new();
    let one_more = u64::try_from(bound).unwrap_or(u64::MAX).saturating_add(1);
    let read = unpacked(body.as_ref())
        .take(one_more)
        .read_to_end(&mut whole)
        .await;
    read.map_err(|_| Refusal::bad_request(NOT_GZIP))?;
    if whole.len() > bound {
        let message = format!("The body is larger than {bound} bytes when it is unpacked.");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    Ok(whole.into())
}

const NOT_GZIP: &str = "The body is not gzip, or not all of it.";

/// Why a body could not be read further.
pub(super) fn unread(error: &io::Error) -> Refusal {
    let message = match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => NOT_GZIP,
        _ => "The body could not be read.",
    };
    Refusal::bad_request(message)
}

/// Records what was received, at most as many events as a batch may have; the results are in their order. It returns
/// when all that was accepted is durable.
pub(super) async fn take_in(
    engine: &Engine,
    actor: &Actor,
    received: Vec<(Place, Received)>,
) -> Result<Vec<EventResult>, Error> {
    let nowhere = || Error::Forbidden("The credential reaches no account.".to_owned());
    let account_id = actor.acting_as().cloned().ok_or_else(nowhere)?;
    let cost = POINTS * u64::try_from(received.len()).unwrap_or(u64::MAX / POINTS);
    let charge = engine.domain.charge(actor, cost).await?;
    let mut events = Vec::with_capacity(received.len());
    let mut places = Vec::with_capacity(received.len());
    for (place, Received { id, event }) in received {
        match event {
            Ok(event) => {
                events.push(event);
                places.push((place, id, None));
            }
            Err(error) => places.push((place, id, Some(error))),
        }
    }
    let recorded = engine
        .domain
        .record_usage(actor, RecordUsage { account_id, events })
        .await;
    let spent = if recorded.is_ok() { cost } else { 0 };
    charge.settle(spent).await;
    let mut outcomes = recorded?.into_iter();
    let results = places.into_iter().filter_map(|(place, id, unreadable)| {
        let outcome = unreadable
            .map(EventOutcome::Refused)
            .or_else(|| outcomes.next())?;
        Some(EventResult::new(place, id, outcome))
    });
    let results: Vec<EventResult> = results.collect();
    count(&results);
    Ok(results)
}
