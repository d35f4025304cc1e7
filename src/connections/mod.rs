//! Takes connections and serves HTTP/1.1 on each, within bounds: on how many there are, on how long the head of a
//! request may take, on how long a connection may rest, and on how long a peer may be gone.
//!
//! Where there is no room, the connection that has rested longest makes some; so a flood of idle connections displaces
//! itself. Where none rests, the newcomer is told 503. It knows nothing of what is served.

mod linger;
mod progress;
mod seats;
mod tcp;

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::StatusCode,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::config::HttpConfig;
use progress::{Progress, Watched};
use seats::{Seat, Seats};

/// How long the listener rests when the system has no connection to give: it may have run out of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// How many newcomers are told 503 at once; others are just closed.
const REFUSED_AT_ONCE: usize = 64;
/// How long telling one may take.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// All that a newcomer without a place is told.
const NO_ROOM: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\
                       retry-after: 1\r\nconnection: close\r\n\r\n\
                       {\"errors\":[{\"message\":\"Too many connections.\",\"extensions\":{\"code\":\"RATE_LIMITED\",\"retryAfter\":1}}]}";

/// What a connection is held to.
#[derive(Clone)]
struct Bounds {
    header_timeout: Duration,
    idle_timeout: Duration,
    max_header: usize,
}

/// Serves until `draining` is cancelled, and then until the requests that have begun are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    config: &HttpConfig,
    draining: CancellationToken,
) {
    let bounds = Bounds {
        header_timeout: config.header_timeout.get(),
        idle_timeout: config.idle_timeout.get(),
        max_header: config.max_header.bytes().max(8 << 10),
    };
    let seats = Seats::new(config.max_connections);
    let refusals = Arc::new(Semaphore::new(REFUSED_AT_ONCE));
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = draining.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "no connection can be taken");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if let Err(error) = tcp::prepare(&stream, config.peer_timeout.get()) {
            debug!(%error, "cannot set the options of a connection");
        }
        match seats.take() {
            Some(seat) => {
                let connection = Connection {
                    router: router.clone(),
                    bounds: bounds.clone(),
                    peer,
                    seat: Arc::new(seat),
                };
                tasks.spawn(connection.run(stream, draining.clone()));
            }
            None => {
                metrics::counter!("canopy_connections_refused_total").increment(1);
                if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
                    tasks.spawn(async move {
                        let _place = place;
                        let _ = tokio::time::timeout(REFUSAL_TIME, refuse(stream)).await;
                    });
                }
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// Tells a newcomer that there is no room, once it asks: a client takes no answer before its question. What else it has
/// sent is heard out, so that the answer arrives.
async fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    stream.peek(&mut [0]).await?;
    stream.write_all(NO_ROOM.as_bytes()).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(())
}

/// One connection.
struct Connection {
    router: Router,
    bounds: Bounds,
    peer: SocketAddr,
    seat: Arc<Seat>,
}

impl Connection {
    async fn run(self, stream: TcpStream, draining: CancellationToken) {
        let progress = Progress::new(
            Arc::clone(&self.seat),
            self.bounds.header_timeout,
            self.bounds.idle_timeout,
        );
        let io = TokioIo::new(Watched::new(stream, Arc::clone(&progress)));
        let (router, peer) = (self.router, self.peer);
        let under_way = Arc::clone(&progress);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            under_way.begin();
            let (router, progress) = (router.clone(), Arc::clone(&under_way));
            async move {
                let (parts, body) = request.into_parts();
                let body = linger::body(&parts.headers, body);
                let mut request = Request::from_parts(parts, body);
                request.extensions_mut().insert(ConnectInfo(peer));
                let response = router.oneshot(request).await?;
                // A socket is no connection at rest once its upgrade was answered.
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    return Ok::<_, Infallible>(response);
                }
                Ok(response.map(|body| Body::new(progress::Body::new(body, progress))))
            }
        });
        let mut server = http1::Builder::new();
        server
            .header_read_timeout(None)
            .max_buf_size(self.bounds.max_header);
        let connection = server.serve_connection(io, service).with_upgrades();
        let mut connection = pin!(connection);
        let mut overdue = pin!(progress.overdue());
        let mut leaving = false;
        loop {
            tokio::select! {
                biased;
                served = connection.as_mut() => {
                    if let Err(error) = served {
                        debug!(%error, "a connection ended");
                    }
                    return;
                }
                () = draining.cancelled(), if !leaving => {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.seat.wanted() => {
                    metrics::counter!("canopy_connections_displaced_total").increment(1);
                    return;
                }
                () = overdue.as_mut() => {
                    metrics::counter!("canopy_connections_overdue_total").increment(1);
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_has_the_length_that_it_says() {
        let (head, body) = NO_ROOM.split_once("\r\n\r\n").expect("a head and a body");
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok(), "{body}");
    }
}
