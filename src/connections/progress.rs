//! How far a connection is: at rest, in the head of a request, or with a request under way; and when it is overdue.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::seats::Seat;

#[derive(Clone, Copy)]
enum Phase {
    /// Between two requests, since then.
    Rests(Instant),
    /// The head of a request has begun to come, or the first one is awaited, since then.
    Head(Instant),
    /// From the end of a head to the end of its answer.
    Busy,
    /// The answer is made, and on its way to the peer.
    Leaving,
}

/// How far one connection is.
pub(super) struct Progress {
    phase: Mutex<Phase>,
    header_timeout: Duration,
    idle_timeout: Duration,
    seat: Arc<Seat>,
}

impl Progress {
    pub(super) fn new(seat: Arc<Seat>, header_timeout: Duration, idle_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            phase: Mutex::new(Phase::Head(Instant::now())),
            header_timeout,
            idle_timeout,
            seat,
        })
    }

    fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn get(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head is whole.
    pub(super) fn begin(&self) {
        self.set(Phase::Busy);
        self.seat.busy();
    }

    /// The answer is made.
    fn made(&self) {
        self.set(Phase::Leaving);
    }

    /// All that was written is with the system.
    fn flushed(&self) {
        if let Phase::Leaving = self.get() {
            self.set(Phase::Rests(Instant::now()));
            self.seat.rests();
        }
    }

    /// Something has come in.
    fn hear(&self) {
        if let Phase::Rests(_) = self.get() {
            self.set(Phase::Head(Instant::now()));
        }
    }

    /// Until when the connection may stay as it is; for ever while a request is under way, which has bounds of its own.
    fn due(&self) -> Option<Instant> {
        match self.get() {
            Phase::Rests(since) => Some(since + self.idle_timeout),
            Phase::Head(since) => Some(since + self.header_timeout),
            Phase::Busy | Phase::Leaving => None,
        }
    }

    /// Waits until the connection has stayed as it is for too long.
    ///
    /// Whatever changes how far the connection is also has its task look here again, so nothing needs to tell.
    pub(super) async fn overdue(&self) {
        let mut look = pin!(tokio::time::sleep(self.header_timeout));
        poll_fn(|context| {
            loop {
                if let Some(due) = self.due().filter(|due| *due < look.deadline()) {
                    look.as_mut().reset(due);
                }
                ready!(look.as_mut().poll(context));
                let (now, due) = (Instant::now(), self.due());
                if due.is_some_and(|due| due <= now) {
                    return Poll::Ready(());
                }
                // A request ends without a notice: the look after the next header timeout is soon enough for what follows.
                look.as_mut().reset(due.unwrap_or(now + self.header_timeout));
            }
        })
        .await;
    }
}

/// A stream that tells when something comes in. The connection's place is taken as long as this is there, which may be
/// longer than HTTP is spoken on it.
pub(super) struct Watched<S> {
    stream: S,
    progress: Arc<Progress>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>) -> Self {
        Self { stream, progress }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.progress.hear();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if let Poll::Ready(Ok(())) = flushed {
            self.progress.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The body of an answer. At its end the answer is made, though the peer may not have taken it yet.
pub(super) struct Body {
    body: axum::body::Body,
    progress: Arc<Progress>,
}

impl Body {
    pub(super) fn new(body: axum::body::Body, progress: Arc<Progress>) -> Self {
        Self { body, progress }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.progress.made();
    }
}
