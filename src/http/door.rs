//! What each request goes through, whatever it asks for: an id, the address of its client, a span; and its answer, the
//! headers that browsers go by, and an encoding that the client takes.
//!
//! One function rather than a layer for each: a layer costs a request an allocation, and a copy of all layers within.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tracing::Instrument;

use super::{
    Gateway,
    access::Record,
    browsers, client,
    encoding::Accepted,
    refusal::{INTERNAL_MESSAGE, Refusal},
    request_id,
};

/// Lets a request in and its answer out.
pub(super) async fn pass(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    let id = request_id::assign(&mut request);
    let address = client::of(&request, &gateway.config.http);
    let accepted = Accepted::of(request.headers());
    let record = Record::begin(&request, &id);
    let answered = client::on_behalf_of(address, next.run(request)).instrument(record.span.clone());
    let answered = AssertUnwindSafe(answered).catch_unwind().await;
    let mut response = answered.unwrap_or_else(panicked);
    if let Some(accepted) = accepted {
        response = accepted.encode(response).await;
    }
    record.end(&response);
    let headers = response.headers_mut();
    headers.insert(request_id::HEADER, id.header());
    browsers::secure(headers, gateway.transport.as_ref());
    response
}

/// The answer after a panic outside an operation. The panic itself is in the log.
fn panicked(_cause: Box<dyn Any + Send + 'static>) -> Response {
    Refusal::coded(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", INTERNAL_MESSAGE).into_response()
}
