//! An endpoint: a real server that keeps what it is sent, answers what it is told to, and checks signatures by itself, with
//! another implementation of HMAC than the product's.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::app::within;

/// What was sent.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}"));
        value.to_str().expect("a header is text")
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// How many of the signatures are made with this secret. The time must be the present.
    pub(super) fn signed_with(&self, secret: &str) -> usize {
        let key = STANDARD
            .decode(secret.strip_prefix("whsec_").expect("a secret"))
            .expect("Base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let (id, timestamp) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let age = chrono::Utc::now().timestamp() - timestamp.parse::<i64>().expect("seconds");
        assert!((0..60).contains(&age), "{timestamp}");
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(&self.body);
        let signatures = self.header("webhook-signature").split(' ');
        let good = signatures.filter(|signature| {
            let signature = signature.strip_prefix("v1,").expect("a version");
            let signature = STANDARD.decode(signature).expect("Base64");
            hmac::verify(&key, &signed, &signature).is_ok()
        });
        good.count()
    }
}

#[derive(Clone, Default)]
struct Kept {
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<(StatusCode, String)>>>,
}

/// The endpoint.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    kept: Kept,
    server: JoinHandle<()>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let kept = Kept::default();
        let router = Router::new().fallback(receive).with_state(kept.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self {
            address,
            kept,
            server,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What the next request is answered; one for which there is nothing, 204.
    pub(super) fn answer(&self, status: u16, body: &str) {
        let status = StatusCode::from_u16(status).expect("a status");
        self.kept
            .answers
            .lock()
            .unwrap()
            .push_back((status, body.to_owned()));
    }

    /// The next request is not answered for as long as its sender waits.
    pub(super) fn keep_waiting(&self) {
        self.answer(102, "");
    }

    /// What was sent since the last time.
    pub(super) fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.kept.received.lock().unwrap())
    }

    /// The next that is sent.
    pub(super) async fn next(&self) -> Received {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        within("the message", async {
            loop {
                looks.tick().await;
                let mut received = self.kept.received.lock().unwrap();
                if !received.is_empty() {
                    return received.remove(0);
                }
            }
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(kept): State<Kept>, headers: HeaderMap, body: Bytes) -> Response {
    kept.received.lock().unwrap().push(Received { headers, body });
    let answer = kept.answers.lock().unwrap().pop_front();
    match answer {
        None => StatusCode::NO_CONTENT.into_response(),
        Some((StatusCode::PROCESSING, _)) => std::future::pending().await,
        Some((status, location)) if status.is_redirection() => {
            (status, [(header::LOCATION, location)]).into_response()
        }
        Some(answer) => answer.into_response(),
    }
}
