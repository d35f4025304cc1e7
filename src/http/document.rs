//! Reads a GraphQL request from a body, a query string or a socket message.
//!
//! It knows the shape of a request, and nothing of what a document may be.

use async_graphql::Variables;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use canopy_schema::{DocumentHash, Uploads, has_more_values};
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// Checks the media type of a POST: JSON in UTF-8.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let unsupported = || {
        let message = "The body must be sent as Content-Type: application/json (UTF-8).";
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    };
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(unsupported)?;
    let mut parts = value.split(';').map(str::trim);
    if !parts
        .next()
        .is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
    {
        return Err(unsupported());
    }
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        let utf8 = ["utf-8", "utf8"]
            .iter()
            .any(|own| value.trim_matches('"').eq_ignore_ascii_case(own));
        if name.trim().eq_ignore_ascii_case("charset") && !utf8 {
            return Err(unsupported());
        }
    }
    Ok(())
}

/// What a client asks for: a document, by its text or by its hash, and what it runs with.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    pub(super) source: Source,
    pub(super) operation_name: Option<String>,
    pub(super) variables: Variables,
    pub(super) uploads: Uploads,
    pub(super) idempotency_key: Option<String>,
    /// Names the operation on a stream that several share.
    pub(super) operation_id: Option<String>,
}

/// Which document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    Text(String),
    /// An automatic persisted query, with its text if the client thinks that it is not known here.
    Automatic(DocumentHash, Option<String>),
    /// A persisted document.
    Persisted(DocumentHash),
}

impl Default for Source {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// One request, or a batch.
#[derive(Debug)]
pub(super) enum Body {
    One(Incoming),
    Batch(Vec<Incoming>),
}

/// Refuses JSON with more than `most` values, which is dearer to read than its bytes tell.
pub(super) fn check_values(json: &[u8], most: usize) -> Result<(), Refusal> {
    if has_more_values(json, most) {
        return Err(Refusal::bad_request(format!(
            "The JSON has more than {most} values."
        )));
    }
    Ok(())
}

/// What is in a JSON body; a batch has at most `max_batch` requests.
pub(super) fn from_body(body: &[u8], max_batch: usize) -> Result<Body, Refusal> {
    let value =
        serde_json::from_slice(body).map_err(|_| Refusal::bad_request("The body is not valid JSON."))?;
    match value {
        Value::Array(_) if max_batch == 0 => Err(Refusal::bad_request(
            "Batches are not supported: send one request at a time.",
        )),
        Value::Array(requests) if (1..=max_batch).contains(&requests.len()) => {
            let requests = requests.into_iter().map(from_value).collect::<Result<_, _>>()?;
            Ok(Body::Batch(requests))
        }
        Value::Array(_) => Err(Refusal::bad_request(format!(
            "A batch has 1 to {max_batch} requests."
        ))),
        value => from_value(value).map(Body::One),
    }
}

/// The request in JSON.
pub(super) fn from_value(value: Value) -> Result<Incoming, Refusal> {
    match value {
        Value::Object(fields) => from_fields(fields),
        _ => Err(Refusal::bad_request(
            "A request must be a JSON object with the key \"query\".",
        )),
    }
}

/// The request in the query string of a GET.
pub(super) fn from_query_string(uri: &Uri) -> Result<Incoming, Refusal> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| Refusal::bad_request("The query string cannot be read."))?;
    let mut fields = Map::new();
    for (name, text) in pairs.0 {
        let value = match name.as_str() {
            "query" | "operationName" | "documentId" => Value::String(text),
            "variables" | "extensions" if text.is_empty() => Value::Null,
            "variables" | "extensions" => serde_json::from_str(&text)
                .map_err(|_| Refusal::bad_request(format!("The parameter \"{name}\" is not valid JSON.")))?,
            _ => continue,
        };
        fields.insert(name, value);
    }
    from_fields(fields)
}

/// The request in the fields `query`, `documentId`, `operationName`, `variables` and `extensions`; others are ignored.
pub(super) fn from_fields(mut fields: Map<String, Value>) -> Result<Incoming, Refusal> {
    let query = text(&mut fields, "query")?.filter(|query| !query.trim().is_empty());
    let id = text(&mut fields, "documentId")?.filter(|id| !id.is_empty());
    let mut operation_id = None;
    let automatic = match fields.remove("extensions") {
        Some(Value::Object(mut extensions)) => {
            operation_id = text(&mut extensions, "operationId")?;
            automatic(&extensions)?
        }
        Some(Value::Null) | None => None,
        Some(_) => return Err(Refusal::bad_request("\"extensions\" must be an object.")),
    };
    let source = match (id, automatic, query) {
        (Some(_), _, Some(_)) => {
            let message = "Send either \"query\" or \"documentId\".";
            return Err(Refusal::bad_request(message));
        }
        (Some(id), _, None) => Source::Persisted(hash_of(&id)?),
        (None, Some(hash), query) => Source::Automatic(hash, query),
        (None, None, Some(query)) => Source::Text(query),
        (None, None, None) => {
            return Err(Refusal::bad_request(
                "The request has no document: \"query\" is missing.",
            ));
        }
    };
    let variables = match fields.remove("variables") {
        Some(variables @ Value::Object(_)) => Variables::from_json(variables),
        Some(Value::Null) | None => Variables::default(),
        Some(_) => return Err(Refusal::bad_request("\"variables\" must be an object.")),
    };
    Ok(Incoming {
        source,
        operation_name: text(&mut fields, "operationName")?.filter(|name| !name.is_empty()),
        variables,
        operation_id,
        ..Incoming::default()
    })
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match fields.remove(name) {
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Null) | None => Ok(None),
        Some(_) => Err(Refusal::bad_request(format!("\"{name}\" must be a string."))),
    }
}

/// The hash in a `documentId`: `sha256:` and 64 hexadecimal digits.
fn hash_of(id: &str) -> Result<DocumentHash, Refusal> {
    let hash = id.strip_prefix("sha256:").and_then(DocumentHash::from_hex);
    hash.ok_or_else(|| Refusal::bad_request("\"documentId\" must be \"sha256:\" and 64 hexadecimal digits."))
}

/// The hash of an automatic persisted query.
/// Source: <https://www.apollographql.com/docs/apollo-server/performance/apq>
fn automatic(extensions: &Map<String, Value>) -> Result<Option<DocumentHash>, Refusal> {
    let Some(persisted) = extensions.get("persistedQuery") else {
        return Ok(None);
    };
    let hash = persisted.get("sha256Hash").and_then(Value::as_str);
    match (
        persisted.get("version").and_then(Value::as_u64),
        hash.and_then(DocumentHash::from_hex),
    ) {
        (Some(1), Some(hash)) => Ok(Some(hash)),
        _ => Err(Refusal::bad_request(
            "\"persistedQuery\" must have the version 1 and a sha256Hash of 64 hexadecimal digits.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(body: &[u8]) -> Result<Incoming, Refusal> {
        match from_body(body, 0)? {
            Body::One(incoming) => Ok(incoming),
            Body::Batch(_) => panic!("no batch is taken"),
        }
    }

    #[test]
    fn a_body_must_be_an_object_with_a_query() {
        for bad in [
            "",
            "{",
            "[]",
            "1",
            "{}",
            r#"{"query":null}"#,
            r#"{"query":1}"#,
            r#"{"query":" "}"#,
            "\u{0}",
        ] {
            let refusal = one(bad.as_bytes()).expect_err(bad);
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{bad}");
        }
        for bad in ["operationName", "variables", "extensions", "documentId"] {
            assert!(
                one(format!(r#"{{"query":"{{a}}","{bad}":1}}"#).as_bytes()).is_err(),
                "{bad}"
            );
        }
        assert!(one(br#"{"query":"{a}","variables":null,"operationName":null,"other":1}"#).is_ok());
        assert!(one(b"{\"query\":\"\xff\"}").is_err());
    }

    #[test]
    fn a_batch_has_its_bound() {
        let batch = |count: usize| format!("[{}]", vec![r#"{"query":"{a}"}"#; count].join(","));
        assert!(matches!(from_body(batch(2).as_bytes(), 2), Ok(Body::Batch(all)) if all.len() == 2));
        for (count, most) in [(0, 2), (3, 2), (1, 0)] {
            assert!(
                from_body(batch(count).as_bytes(), most).is_err(),
                "{count} of {most}"
            );
        }
        assert!(from_body(b"[1]", 2).is_err());
    }

    #[test]
    fn a_document_is_named_by_its_hash_in_two_ways() {
        let hash = DocumentHash::of("{a}");
        let source = |fields: Value| from_value(fields).map(|incoming| incoming.source);
        let persisted = serde_json::json!({ "documentId": format!("sha256:{hash}") });
        assert_eq!(source(persisted).expect("an id"), Source::Persisted(hash));
        let extensions =
            serde_json::json!({"persistedQuery": {"version": 1, "sha256Hash": hash.to_string()}});
        let unknown = serde_json::json!({ "extensions": extensions });
        assert_eq!(source(unknown).expect("a hash"), Source::Automatic(hash, None));
        let told = serde_json::json!({ "extensions": extensions, "query": "{a}" });
        assert_eq!(
            source(told).expect("a hash"),
            Source::Automatic(hash, Some("{a}".into()))
        );
        for bad in [
            serde_json::json!({"documentId": hash.to_string()}),
            serde_json::json!({"documentId": "sha256:00"}),
            serde_json::json!({"documentId": format!("sha256:{hash}"), "query": "{a}"}),
            serde_json::json!({"extensions": {"persistedQuery": {"version": 2, "sha256Hash": hash.to_string()}}}),
            serde_json::json!({"extensions": {"persistedQuery": 1}}),
        ] {
            assert!(source(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_query_string_holds_the_same_fields() {
        let uri: Uri = "/graphql?query=%7Ba%7D&variables=%7B%22x%22%3A1%7D&operationName=&extra=1"
            .parse()
            .expect("a uri");
        let incoming = from_query_string(&uri).expect("a request");
        assert_eq!(incoming.source, Source::Text("{a}".into()));
        assert_eq!(incoming.operation_name, None);
        assert_eq!(incoming.variables.get("x"), Some(&async_graphql::Value::from(1)));
        assert!(from_query_string(&"/graphql?query=%7Ba%7D&variables=x".parse().expect("a uri")).is_err());
    }

    #[test]
    fn only_json_in_utf8_is_read() {
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().expect("a header value"));
            check_content_type(&headers).is_ok()
        };
        assert!(check("application/json") && check("application/json; charset=\"UTF-8\""));
        for bad in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=latin1",
            "multipart/form-data",
        ] {
            assert!(!check(bad), "{bad}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
    }
}
