//! Hears out a body that nobody read to its end.
//!
//! Closing a connection on bytes that were not read makes the kernel reset it, and the reset may overtake the answer
//! that said why: the client sees a broken connection instead of a 413. So what is left is read and dropped, beside
//! the answer, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderMap, header},
};
use futures_util::StreamExt;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

/// So much of a body is heard out: more than any upload has.
const MOST: usize = 32 << 20;

/// For so long.
const LONGEST: Duration = Duration::from_secs(5);

/// The body of a request, which whoever answers may drop when it does not want it.
pub(super) fn body(headers: &HeaderMap, body: Incoming) -> Body {
    // Such a client sends nothing before it is told to.
    if headers.contains_key(header::EXPECT) {
        return Body::new(body);
    }
    Body::new(HeardOut(Some(body)))
}

/// There until it is dropped.
struct HeardOut(Option<Incoming>);

impl HttpBody for HeardOut {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for HeardOut {
    fn drop(&mut self) {
        if let Some(rest) = self.0.take().filter(|rest| !rest.is_end_stream()) {
            tokio::spawn(tokio::time::timeout(LONGEST, discard(Body::new(rest))));
        }
    }
}

async fn discard(body: Body) {
    let mut parts = body.into_data_stream();
    let mut left = MOST;
    while let Some(Ok(part)) = parts.next().await {
        let Some(less) = left.checked_sub(part.len()) else {
            return;
        };
        left = less;
    }
}
