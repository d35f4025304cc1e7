//! Many subscribers over graphql-transport-ws, each on a socket of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt, stream};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::Result;
use crate::servers::Server;

const QUERY: &str = "subscription ($account: ID!) {
  usageUpdates(accountId: $account) { cursor kind event { id meter quantity recordedAt idempotencyKey } }
}";

/// What the key of an event begins with; the microsecond in which it was due follows.
const KEY: &str = "\"idempotencyKey\":\"due-";
/// How many connect at once.
const AT_ONCE: usize = 50;
/// A server that takes less of a processor than this in half a second rests.
const AT_REST: Duration = Duration::from_millis(100);
/// How long subscribers may take to be told of the first event.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the subscribers share.
struct Shared {
    began: Instant,
    /// How many have been told of an event.
    warm: AtomicUsize,
    /// In microseconds; none while nothing is measured.
    latencies: Mutex<Option<Vec<u32>>>,
}

pub(crate) struct Subscribers {
    shared: Arc<Shared>,
    count: usize,
    /// Ends them all when it is dropped.
    tasks: JoinSet<()>,
}

impl Subscribers {
    /// Nobody yet.
    pub(crate) fn new() -> Self {
        let shared = Shared {
            began: Instant::now(),
            warm: AtomicUsize::new(0),
            latencies: Mutex::new(None),
        };
        Self {
            shared: Arc::new(shared),
            count: 0,
            tasks: JoinSet::new(),
        }
    }

    /// Connects so many more, each subscribed to the same account; returns when each was told of an event and the server
    /// rests.
    pub(crate) async fn join(&mut self, server: &Server, count: usize) -> Result<()> {
        let mut sockets = stream::iter(0..count)
            .map(|number| subscribe(server, number))
            .buffer_unordered(AT_ONCE);
        while let Some(socket) = sockets.next().await {
            self.tasks.spawn(follow(socket?, Arc::clone(&self.shared)));
        }
        self.count += count;
        self.warm_up(server).await
    }

    /// Publishes until each subscriber was told of something, whatever the server does in the background.
    async fn warm_up(&self, server: &Server) -> Result<()> {
        let asked = Instant::now();
        let mut looks = tokio::time::interval(Duration::from_millis(500));
        looks.tick().await;
        loop {
            let warm = self.shared.warm.load(Ordering::Relaxed);
            let processor = server.processor();
            if warm < self.count {
                server.publish(self.shared.key()).await?;
            }
            looks.tick().await;
            if warm == self.count && server.processor() - processor < AT_REST {
                return Ok(());
            }
            if asked.elapsed() > PATIENCE {
                return Err(format!("{warm} of {} were told of an event", self.count).into());
            }
        }
    }

    /// Publishes `rate` events a second for so long. The microseconds that each delivery in that time took, sorted.
    pub(crate) async fn listen(self, server: &Server, rate: u32, length: Duration) -> Result<Vec<u32>> {
        *self.shared.latencies() = Some(Vec::new());
        if let Ok(failed) = tokio::time::timeout(length, self.publish(server, rate)).await {
            failed?;
        }
        let mut latencies = self.shared.latencies().take().unwrap_or_default();
        latencies.sort_unstable();
        Ok(latencies)
    }

    /// Publishes at this rate, however long the server takes, until one fails.
    async fn publish(&self, server: &Server, rate: u32) -> Result<()> {
        if rate == 0 {
            return std::future::pending().await;
        }
        let mut due = tokio::time::interval(Duration::from_secs(1) / rate);
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                at = due.tick() => under_way.push(server.publish(self.shared.key_of(at.into_std()))),
                Some(done) = under_way.next() => done?,
            }
        }
    }
}

impl Shared {
    /// The key of an event that is due now.
    fn key(&self) -> String {
        self.key_of(Instant::now())
    }

    fn key_of(&self, due: Instant) -> String {
        format!("due-{}", due.duration_since(self.began).as_micros())
    }

    fn latencies(&self) -> MutexGuard<'_, Option<Vec<u32>>> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an update that has just come.
    fn note(&self, text: &str) {
        let due = text.split_once(KEY).and_then(|(_, rest)| rest.split_once('"'));
        let due: Option<u128> = due.and_then(|(due, _)| due.parse().ok());
        if let (Some(due), Some(latencies)) = (due, self.latencies().as_mut()) {
            let took = self.began.elapsed().as_micros().saturating_sub(due);
            latencies.push(u32::try_from(took).unwrap_or(u32::MAX));
        }
    }
}

type Socket = WebSocketStream<TcpStream>;

/// Opens a socket and asks for the updates.
async fn subscribe(server: &Server, number: usize) -> Result<Socket> {
    let mut request = server.socket.as_str().into_client_request()?;
    let protocol = HeaderValue::from_static("graphql-transport-ws");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let address = request.uri().authority().ok_or("an address")?.as_str().to_owned();
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let small = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0);
    let (mut socket, _) = client_async_with_config(request, stream, Some(small)).await?;
    let init = json!({"type": "connection_init", "payload": server.credentials(number)});
    socket.send(Message::text(init.to_string())).await?;
    match socket.next().await {
        Some(Ok(Message::Text(text))) if text.contains("connection_ack") => {}
        other => return Err(format!("no acknowledgement: {other:?}").into()),
    }
    let payload = json!({"query": QUERY, "variables": {"account": server.account()}});
    let ask = json!({"type": "subscribe", "id": "1", "payload": payload});
    socket.send(Message::text(ask.to_string())).await?;
    Ok(socket)
}

/// Hears what a socket is told, until it ends.
async fn follow(mut socket: Socket, shared: Arc<Shared>) {
    let mut warm = false;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        if !text.contains("\"next\"") {
            eprintln!("a subscriber was told: {text}");
            continue;
        }
        if !warm {
            warm = true;
            shared.warm.fetch_add(1, Ordering::Relaxed);
        }
        shared.note(&text);
    }
    eprintln!("a socket has ended");
}
