//! A WebSocket to a server, in the graphql-transport-ws protocol.

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{next, within};

/// How the server closed a socket: code and reason.
pub(crate) type Closed = (u16, String);

/// An open socket.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// A socket whose `connection_init` has been sent.
    pub(crate) async fn open(base: &str, init: Value) -> Self {
        let mut socket = Self::connect(base, Some("graphql-transport-ws"), &[]).await;
        socket
            .send(json!({"type": "connection_init", "payload": init}))
            .await;
        socket
    }

    /// A socket on which nothing was sent yet.
    pub(crate) async fn connect(
        base: &str,
        protocol: Option<&str>,
        headers: &[(&'static str, &str)],
    ) -> Self {
        let url = format!("{}/graphql/ws", base.replace("http://", "ws://"));
        let mut request = url.into_client_request().expect("a URL");
        let protocol = protocol.map(|protocol| ("sec-websocket-protocol", protocol));
        for (name, value) in protocol.iter().chain(headers) {
            let value = value.parse().expect("a header value");
            request.headers_mut().insert(*name, value);
        }
        let connected = within("a socket", tokio_tungstenite::connect_async(request)).await;
        Self(connected.expect("the server takes sockets").0)
    }

    /// Sends a message of the protocol as it stands.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_raw(Message::text(text)).await;
    }

    /// Sends a message of the protocol.
    pub(crate) async fn send(&mut self, message: Value) {
        self.send_raw(Message::text(message.to_string())).await;
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        self.0.send(message).await.expect("the socket is open");
    }

    /// Subscribes under an id.
    pub(crate) async fn subscribe(&mut self, id: &str, payload: Value) {
        self.send(json!({"id": id, "type": "subscribe", "payload": payload}))
            .await;
    }

    /// The next message of the protocol, or how the server closed.
    pub(crate) async fn receive(&mut self) -> Result<Value, Closed> {
        loop {
            match next(&mut self.0)
                .await
                .expect("a message")
                .expect("the socket is open")
            {
                Message::Text(text) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Message::Close(frame) => {
                    return Err(frame.map_or((1005, String::new()), |frame| {
                        (frame.code.into(), frame.reason.as_str().to_owned())
                    }));
                }
                _ => {}
            }
        }
    }

    /// Receives `connection_ack`.
    pub(crate) async fn acknowledged(&mut self) {
        let ack = self.receive().await.expect("the socket is open");
        assert_eq!(ack["type"], "connection_ack", "{ack}");
    }

    /// How the server closes, whatever it says before.
    pub(crate) async fn closed(&mut self) -> Closed {
        loop {
            if let Err(closed) = self.receive().await {
                return closed;
            }
        }
    }
}
