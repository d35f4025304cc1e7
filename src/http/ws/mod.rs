//! GraphQL over WebSocket: `/graphql/ws`, the graphql-transport-ws protocol.

mod message;
mod operations;
mod pulse;
mod session;
mod watch;

use std::sync::Arc;

use axum::{
    Extension,
    extract::{State, WebSocketUpgrade},
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use super::{Gateway, client, engine, refusal::Refusal, request_id::RequestId};
use message::{Close, SUBPROTOCOL};

/// How many bytes of one socket are read at once, and are gathered before they are written. A larger message takes more
/// while it passes. Most sockets rest most of the time, and thousands of them are open.
const BUFFER: usize = 2048;

/// `GET /graphql/ws`: the upgrade. A bad credential in the headers is refused here with 401.
pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    match upgraded(gateway, id, &headers, upgrade).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn upgraded(
    gateway: Arc<Gateway>,
    id: RequestId,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refusal> {
    let credentials = engine::credentials(headers)?;
    gateway.engine.authenticate(credentials.clone(), &id.0).await?;
    let bound = gateway.config.http.max_body.bytes();
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(bound)
        .max_frame_size(bound);
    let accepted = upgrade.selected_protocol().is_some();
    let tracker = gateway.sockets.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        tracker.track_future(async move {
            if accepted {
                let address = credentials.address;
                let session = session::run(gateway, id, credentials, socket);
                client::on_behalf_of(address, Box::pin(session)).await;
            } else {
                Box::pin(session::close(socket, &Close::Subprotocol)).await;
            }
        })
    }))
}
