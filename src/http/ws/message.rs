//! The messages and close codes of the graphql-transport-ws protocol. Pure.

use serde::Serialize;
use serde_json::{Map, Value};

/// The subprotocol that a client must offer.
pub(in crate::http) const SUBPROTOCOL: &str = "graphql-transport-ws";

/// A message of the client.
#[derive(Debug, PartialEq)]
pub(super) enum Client {
    Init(Map<String, Value>),
    Ping(Option<Value>),
    Pong,
    Subscribe { id: String, payload: Map<String, Value> },
    Complete { id: String },
}

/// A message of the server without the answer to an operation.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Server<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Value>,
    },
    Complete {
        id: &'a str,
    },
}

/// Why the server closes the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Close {
    /// The server is going away: the client should connect again.
    GoingAway,
    /// No sign of life for too long.
    Silent,
    /// What came is no message at all: not text in UTF-8, or larger than a message may be.
    Malformed,
    /// A message outside the protocol.
    BadMessage(String),
    /// An operation before `connection_init`.
    Unauthorized,
    /// A credential that is not good, or not any more.
    Forbidden(Refused),
    /// The client offers another subprotocol.
    Subprotocol,
    /// `connection_init` did not come in time.
    InitTimeout,
    /// The id of a running operation was used again.
    DuplicateId(String),
    /// `connection_init` came twice.
    TooManyInits,
    /// A failure on our side.
    Internal,
}

/// What is wrong with the credential of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not valid; why is not told.
    Invalid,
    /// The time of a token is over.
    TokenExpired,
    /// The time of an API key is over.
    KeyExpired,
    /// It was withdrawn while the socket was open, or reaches the account acted on no more.
    Revoked,
}

/// The most bytes of an operation's id, which is kept while the operation runs.
const MAX_ID: usize = 256;
/// The most bytes that a close reason may have.
const MAX_REASON: usize = 123;

impl Close {
    /// The close code.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::Silent | Self::Malformed => 1002,
            Self::BadMessage(_) => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden(_) => 4403,
            Self::Subprotocol => 4406,
            Self::InitTimeout => 4408,
            Self::DuplicateId(_) => 4409,
            Self::TooManyInits => 4429,
            Self::Internal => 4500,
        }
    }

    /// The reason, within the length that a close frame may have.
    pub(super) fn reason(&self) -> String {
        let mut reason = match self {
            Self::GoingAway => "The server is going away: connect again".to_owned(),
            Self::Silent => "No sign of life".to_owned(),
            Self::Malformed => "The message is too large, or not well-formed".to_owned(),
            Self::BadMessage(detail) => detail.clone(),
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::Forbidden(Refused::Invalid) => "Forbidden".to_owned(),
            Self::Forbidden(Refused::TokenExpired) => "Token expired".to_owned(),
            Self::Forbidden(Refused::KeyExpired) => "API key expired".to_owned(),
            Self::Forbidden(Refused::Revoked) => "Credential revoked".to_owned(),
            Self::Subprotocol => "Subprotocol not acceptable".to_owned(),
            Self::InitTimeout => "Connection initialisation timeout".to_owned(),
            Self::DuplicateId(id) => format!("Subscriber for {id} already exists"),
            Self::TooManyInits => "Too many initialisation requests".to_owned(),
            Self::Internal => "Internal server error".to_owned(),
        };
        while reason.len() > MAX_REASON {
            reason.pop();
        }
        reason
    }
}

/// Reads a message of the client.
pub(super) fn parse(text: &str) -> Result<Client, Close> {
    let bad = |detail: &str| Close::BadMessage(detail.to_owned());
    let Ok(Value::Object(mut message)) = serde_json::from_str(text) else {
        return Err(bad("A message must be a JSON object"));
    };
    let Some(Value::String(kind)) = message.remove("type") else {
        return Err(bad("A message must have a type"));
    };
    let payload = match message.remove("payload") {
        None | Some(Value::Null) => None,
        Some(Value::Object(fields)) => Some(fields),
        Some(_) => return Err(bad("A payload must be a JSON object")),
    };
    let id = match message.remove("id") {
        Some(Value::String(id)) if !id.is_empty() && id.len() <= MAX_ID => Some(id),
        None => None,
        Some(_) => return Err(bad("An id must be a string of 1 to 256 bytes")),
    };
    match (kind.as_str(), id, payload) {
        ("connection_init", _, payload) => Ok(Client::Init(payload.unwrap_or_default())),
        ("ping", _, payload) => Ok(Client::Ping(payload.map(Value::Object))),
        ("pong", ..) => Ok(Client::Pong),
        ("subscribe", Some(id), Some(payload)) => Ok(Client::Subscribe { id, payload }),
        ("subscribe", ..) => Err(bad("A subscribe message must have an id and a payload")),
        ("complete", Some(id), _) => Ok(Client::Complete { id }),
        ("complete", ..) => Err(bad("A complete message must have an id")),
        _ => Err(bad("Unknown message type")),
    }
}

/// Writes a message of the server.
pub(super) fn write(message: &Server<'_>) -> String {
    serde_json::to_string(message).expect("messages have string keys only and no foreign types")
}

/// Writes a `next` message around a response in JSON.
pub(super) fn next(id: &str, response: &str) -> String {
    around("next", id, response)
}

/// Writes an `error` message around errors in JSON.
pub(super) fn error(id: &str, errors: &str) -> String {
    around("error", id, errors)
}

/// The payload is text already, which many sockets may share, so that it is not read and written again.
fn around(kind: &str, id: &str, payload: &str) -> String {
    let id = serde_json::to_string(id).expect("a string");
    format!(r#"{{"type":"{kind}","id":{id},"payload":{payload}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_of_the_protocol_is_read() {
        assert_eq!(
            parse(r#"{"type":"connection_init"}"#),
            Ok(Client::Init(Map::new()))
        );
        assert_eq!(parse(r#"{"type":"ping","payload":null}"#), Ok(Client::Ping(None)));
        assert_eq!(parse(r#"{"type":"pong","payload":{}}"#), Ok(Client::Pong));
        assert_eq!(
            parse(r#"{"type":"complete","id":"1"}"#),
            Ok(Client::Complete { id: "1".into() })
        );
        assert!(matches!(
            parse(r#"{"type":"subscribe","id":"1","payload":{"query":"{a}"}}"#),
            Ok(Client::Subscribe { .. })
        ));
    }

    #[test]
    fn anything_else_closes_with_4400() {
        let bad = [
            "",
            "1",
            "{}",
            r#"{"type":1}"#,
            r#"{"type":"start"}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","payload":{}}"#,
            r#"{"type":"subscribe","id":1,"payload":{}}"#,
            r#"{"type":"subscribe","id":"","payload":{}}"#,
            r#"{"type":"connection_init","payload":1}"#,
            r#"{"type":"complete"}"#,
        ];
        for text in bad {
            assert_eq!(parse(text).expect_err(text).code(), 4400, "{text}");
        }
    }

    #[test]
    fn a_reason_fits_a_close_frame() {
        let close = Close::DuplicateId("ä".repeat(200));
        assert_eq!(close.code(), 4409);
        assert!(close.reason().len() <= MAX_REASON);
    }

    #[test]
    fn messages_are_written_as_the_protocol_says() {
        assert_eq!(write(&Server::ConnectionAck), r#"{"type":"connection_ack"}"#);
        assert_eq!(write(&Server::Pong { payload: None }), r#"{"type":"pong"}"#);
        assert_eq!(next("1", "{}"), r#"{"type":"next","id":"1","payload":{}}"#);
        assert_eq!(error("\"", "[]"), r#"{"type":"error","id":"\"","payload":[]}"#);
        assert_eq!(
            write(&Server::Complete { id: "1" }),
            r#"{"type":"complete","id":"1"}"#
        );
    }
}
