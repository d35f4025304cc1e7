//! A GraphQL response as bytes: every error with a code, no `data` when nothing was executed. Pure.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, ServerError, Value};
use axum::http::StatusCode;
use canopy_schema::{Reply, StreamAnswer};
use sha2::{Digest, Sha256};

use super::negotiation::MediaType;

/// An answer ready to be written.
pub(super) struct Answer(Reply);

impl Answer {
    /// Completes the errors of `reply`: an error without a code is a fault in the request; a failure
    /// on our side names the request.
    pub(super) fn new(mut reply: Reply, request_id: &str) -> Self {
        for error in &mut reply.errors {
            complete(error, request_id);
        }
        Self(reply)
    }

    /// Whether the request was refused before anything was executed, so that there is no `data`.
    pub(super) fn is_request_error(&self) -> bool {
        self.has_no_data() && self.0.errors.iter().all(|error| error.path.is_empty())
    }

    /// Whether there are errors and no data at all.
    pub(super) fn has_no_data(&self) -> bool {
        self.0.data.is_null() && !self.0.errors.is_empty()
    }

    /// The first error's code, for the log.
    pub(super) fn first_code(&self) -> Option<&str> {
        match self.0.errors.first()?.extensions.as_ref()?.get("code")? {
            Value::String(code) => Some(code),
            _ => None,
        }
    }

    /// The errors alone as JSON text, for the `error` message of a socket.
    pub(super) fn errors_to_json(&self) -> String {
        serde_json::to_string(&self.0.errors).expect("errors have string keys only and no foreign types")
    }

    /// The HTTP status in the given media type.
    pub(super) fn status(&self, media: MediaType) -> StatusCode {
        if !self.is_request_error() {
            return StatusCode::OK;
        }
        match (media, self.first_code()) {
            (_, Some("INTERNAL")) => StatusCode::INTERNAL_SERVER_ERROR,
            (MediaType::GraphqlResponse, Some("RATE_LIMITED")) => StatusCode::TOO_MANY_REQUESTS,
            (MediaType::GraphqlResponse, Some("FORBIDDEN")) => StatusCode::FORBIDDEN,
            (MediaType::GraphqlResponse, _) => StatusCode::BAD_REQUEST,
            _ => StatusCode::OK,
        }
    }

    /// After how many seconds a request that was refused may come again.
    pub(super) fn retry_after(&self) -> Option<u64> {
        let refused = self.is_request_error().then(|| self.0.errors.first()).flatten();
        match refused?.extensions.as_ref()?.get("retryAfter")? {
            Value::Number(seconds) => seconds.as_u64(),
            _ => None,
        }
    }

    /// Whether the answer was given before, to the same idempotency key.
    pub(super) fn is_replay(&self) -> bool {
        self.0.extensions.contains_key("idempotency")
    }

    /// What tells this answer from others, as long as its data and errors are the same. Extensions differ each time.
    pub(super) fn entity_tag(&self) -> String {
        let mut lasting = String::from("[");
        self.0.data.write_to(&mut lasting);
        lasting.push(',');
        lasting.push_str(&self.errors_to_json());
        lasting.push(']');
        format!("W/\"{}\"", &hex::encode(Sha256::digest(lasting))[..32])
    }

    /// The answer as JSON text.
    pub(super) fn to_json(&self) -> String {
        match self.is_request_error() {
            true => self.0.to_json_without_data(),
            false => self.0.to_json(),
        }
    }
}

/// An answer of a stream as JSON text.
pub(super) fn text(answer: StreamAnswer, request_id: &str) -> Arc<str> {
    match answer {
        StreamAnswer::Own(response) => Answer::new(*response, request_id).to_json().into(),
        StreamAnswer::Shared(json) => json,
    }
}

fn complete(error: &mut ServerError, request_id: &str) {
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    if extensions.get("code").is_none() {
        extensions.set("code", "BAD_USER_INPUT");
    }
    if extensions.get("code") == Some(&Value::from("INTERNAL")) {
        extensions.set("requestId", request_id);
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::PathSegment;

    use super::*;

    fn error(path: Vec<PathSegment>, code: Option<&str>) -> ServerError {
        let mut error = ServerError::new("m", None);
        error.path = path;
        error.extensions = code.map(|code| {
            let mut values = ErrorExtensionValues::default();
            values.set("code", code);
            values
        });
        error
    }

    #[test]
    fn a_request_error_has_a_code_and_no_data() {
        let answer = Answer::new(Reply::from_errors(vec![error(vec![], None)]), "r1");
        assert_eq!(
            answer.to_json(),
            r#"{"errors":[{"message":"m","extensions":{"code":"BAD_USER_INPUT"}}]}"#
        );
        assert_eq!(answer.status(MediaType::GraphqlResponse), StatusCode::BAD_REQUEST);
        assert_eq!(answer.status(MediaType::Json), StatusCode::OK);
    }

    #[test]
    fn a_field_error_keeps_data_and_answers_200() {
        let path = vec![PathSegment::Field("me".into())];
        let answer = Answer::new(Reply::from_errors(vec![error(path, Some("NOT_FOUND"))]), "r1");
        assert!(
            answer.to_json().ends_with(r#""data":null}"#),
            "{}",
            answer.to_json()
        );
        assert_eq!(answer.status(MediaType::GraphqlResponse), StatusCode::OK);
    }

    #[test]
    fn an_internal_error_names_the_request() {
        let answer = Answer::new(Reply::from_errors(vec![error(vec![], Some("INTERNAL"))]), "r1");
        assert!(answer.to_json().contains(r#""requestId":"r1""#));
        assert_eq!(answer.status(MediaType::Json), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
