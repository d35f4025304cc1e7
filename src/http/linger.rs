//! Hears out a body that nobody read to its end.
//!
//! Closing a connection on bytes that were not read makes the kernel reset it, and the reset may overtake the answer
//! that said why: the client sees a broken connection instead of a 413. So what is left is read and dropped, beside
//! the answer, within bounds.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::header,
    middleware::Next,
    response::Response,
};
use futures_util::StreamExt;
use http_body::{Frame, SizeHint};

/// So much of a body is heard out: more than any upload has.
const MOST: usize = 32 << 20;

/// For so long.
const LONGEST: Duration = Duration::from_secs(5);

/// Lets a handler drop a body that it does not want.
pub(super) async fn hear_out(request: Request, next: Next) -> Response {
    // Such a client sends nothing before it is told to.
    if request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    next.run(request.map(|body| Body::new(HeardOut(body)))).await
}

struct HeardOut(Body);

impl HttpBody for HeardOut {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for HeardOut {
    fn drop(&mut self) {
        if !self.0.is_end_stream() {
            let rest = mem::take(&mut self.0);
            tokio::spawn(tokio::time::timeout(LONGEST, discard(rest)));
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
