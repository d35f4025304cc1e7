//! Answers that the transport gives itself, before or instead of an execution.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::negotiation::MediaType;

/// A request that is refused before it is executed: a status, a code and a safe sentence.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// The path of what is to blame, where it is known.
    pub(super) field: Vec<String>,
    /// The request id, for a failure on our side.
    pub(super) request_id: Option<String>,
    pub(super) media: MediaType,
    /// After how many seconds to try again, for a 429.
    pub(super) retry_after: Option<u32>,
    /// What a 405 allows.
    allow: Option<&'static str>,
}

impl Refusal {
    /// A refusal with the code BAD_USER_INPUT.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self::coded(status, "BAD_USER_INPUT", message)
    }

    pub(super) fn coded(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            field: Vec::new(),
            request_id: None,
            media: MediaType::Json,
            retry_after: None,
            allow: None,
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The method does not fit; `allow` lists those that do.
    pub(super) fn method(allow: &'static str, message: &str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
        }
    }

    /// A failure on our side; its cause goes to the log, the request id to the client.
    pub(super) fn internal(status: StatusCode, request_id: &str) -> Self {
        Self {
            request_id: Some(request_id.to_owned()),
            ..Self::coded(status, "INTERNAL", INTERNAL_MESSAGE)
        }
    }

    /// The operation took longer than it may.
    pub(super) fn timed_out(request_id: &str) -> Self {
        let message = TIMED_OUT_MESSAGE.to_owned();
        Self {
            message,
            ..Self::internal(StatusCode::GATEWAY_TIMEOUT, request_id)
        }
    }

    /// Written in the media type that the client asked for.
    pub(super) fn in_media(self, media: MediaType) -> Self {
        let media = if media == MediaType::EventStream {
            MediaType::Json
        } else {
            media
        };
        Self { media, ..self }
    }

    /// The body: a GraphQL response without data.
    pub(super) fn body(&self) -> serde_json::Value {
        let mut extensions = json!({ "code": self.code });
        if !self.field.is_empty() {
            extensions["field"] = json!(self.field);
        }
        if let Some(id) = &self.request_id {
            extensions["requestId"] = json!(id);
        }
        if let Some(seconds) = self.retry_after {
            extensions["retryAfter"] = json!(seconds);
        }
        json!({ "errors": [{ "message": self.message, "extensions": extensions }] })
    }
}

/// All that a client learns about a failure on our side.
pub(super) const INTERNAL_MESSAGE: &str = "Something went wrong on our side.";

/// All that a client learns about a credential that does not hold.
pub(super) const INVALID_CREDENTIAL: &str = "The credential is not valid.";

/// What a client learns about an operation that took too long.
pub(super) const TIMED_OUT_MESSAGE: &str = "The request took too long and was stopped.";

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let content_type = [(
            header::CONTENT_TYPE,
            HeaderValue::from_static(self.media.content_type()),
        )];
        let mut response = (self.status, content_type, self.body().to_string()).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
