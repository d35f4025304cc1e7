//! Compresses answers for clients that take them so.

use std::convert::Infallible;
use std::future::ready;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, header::ACCEPT_ENCODING},
    response::Response,
};
use futures_util::FutureExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer, Predicate,
        predicate::{NotForContentType, SizeAbove},
    },
};

/// What is smaller fits into one packet as it is.
const LEAST: u64 = 1024;

/// The encodings that a client takes.
pub(super) struct Accepted(Vec<HeaderValue>);

impl Accepted {
    /// None if the client says nothing of it, and gets answers as they are.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values: Vec<HeaderValue> = headers.get_all(ACCEPT_ENCODING).iter().cloned().collect();
        (!values.is_empty()).then_some(Self(values))
    }

    /// The answer in the best of the encodings, if it is worth the work.
    pub(super) async fn encode(self, response: Response) -> Response {
        let worthwhile = SizeAbove::new(LEAST)
            .and(NotForContentType::IMAGES)
            .and(NotForContentType::SSE);
        let layer = CompressionLayer::new()
            // Fast rather than small: what is compressed is made anew for each request.
            .quality(CompressionLevel::Fastest)
            .compress_when(worthwhile);
        let mut request = Request::new(Body::empty());
        for value in self.0 {
            request.headers_mut().append(ACCEPT_ENCODING, value);
        }
        let mut response = Some(response);
        let answered =
            service_fn(move |_| ready(Ok::<_, Infallible>(response.take().expect("one request is made"))));
        let encoded = layer.layer(answered).oneshot(request).boxed().await;
        encoded.unwrap_or_else(|never| match never {}).map(Body::new)
    }
}
