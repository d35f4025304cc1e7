//! Reads a GraphQL request from a body, a query string or a socket message, and bounds its document.
//!
//! It knows the shape of a request, not what the schema offers.

use async_graphql::{
    Request, ServerError, Variables,
    parser::types::{DocumentOperations, OperationType},
};
use axum::http::{HeaderMap, StatusCode, Uri, header};
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

/// The request in a JSON body.
pub(super) fn from_body(body: &[u8]) -> Result<Request, Refusal> {
    let value =
        serde_json::from_slice(body).map_err(|_| Refusal::bad_request("The body is not valid JSON."))?;
    from_value(value)
}

/// The request in JSON.
pub(super) fn from_value(value: Value) -> Result<Request, Refusal> {
    match value {
        Value::Object(fields) => from_fields(fields),
        Value::Array(_) => Err(Refusal::bad_request(
            "Batches are not supported: send one request at a time.",
        )),
        _ => Err(Refusal::bad_request(
            "The body must be a JSON object with the key \"query\".",
        )),
    }
}

/// The request in the query string of a GET.
pub(super) fn from_query_string(uri: &Uri) -> Result<Request, Refusal> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| Refusal::bad_request("The query string cannot be read."))?;
    let mut fields = Map::new();
    for (name, text) in pairs.0 {
        let value = match name.as_str() {
            "query" | "operationName" => Value::String(text),
            "variables" | "extensions" if text.is_empty() => Value::Null,
            "variables" | "extensions" => serde_json::from_str(&text)
                .map_err(|_| Refusal::bad_request(format!("The parameter \"{name}\" is not valid JSON.")))?,
            _ => continue,
        };
        fields.insert(name, value);
    }
    from_fields(fields)
}

/// The request in the fields `query`, `operationName`, `variables` and `extensions`; others are ignored.
pub(super) fn from_fields(mut fields: Map<String, Value>) -> Result<Request, Refusal> {
    let query = match fields.remove("query") {
        Some(Value::String(query)) if !query.trim().is_empty() => query,
        Some(Value::String(_) | Value::Null) | None => {
            return Err(Refusal::bad_request(
                "The request has no document: \"query\" is missing.",
            ));
        }
        Some(_) => return Err(Refusal::bad_request("\"query\" must be a string.")),
    };
    let mut request = Request::new(query);
    request.operation_name = match fields.remove("operationName") {
        Some(Value::String(name)) if !name.is_empty() => Some(name),
        Some(Value::String(_) | Value::Null) | None => None,
        Some(_) => return Err(Refusal::bad_request("\"operationName\" must be a string.")),
    };
    request.variables = match fields.remove("variables") {
        Some(variables @ Value::Object(_)) => Variables::from_json(variables),
        Some(Value::Null) | None => Variables::default(),
        Some(_) => return Err(Refusal::bad_request("\"variables\" must be an object.")),
    };
    // Read only to be checked: no extension of a request has an effect.
    if !matches!(
        fields.remove("extensions"),
        Some(Value::Object(_) | Value::Null) | None
    ) {
        return Err(Refusal::bad_request("\"extensions\" must be an object."));
    }
    Ok(request)
}

/// What a document asks for, known before it runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) kind: OperationType,
    /// The operation's name in the document, when it has one.
    pub(super) name: Option<String>,
}

/// Why a document cannot be run.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It is larger than the bound, in bytes.
    TooLarge(usize),
    /// It does not parse.
    Syntax(ServerError),
    /// It has several operations and `operationName` names none of them.
    NoOperation(&'static str),
}

/// Parses the document of `request`, once: the execution uses the same parse.
pub(super) fn inspect(request: &mut Request, max_bytes: usize) -> Result<Operation, Unreadable> {
    if request.query.len() > max_bytes {
        return Err(Unreadable::TooLarge(max_bytes));
    }
    let wanted = request.operation_name.clone();
    let document = request.parsed_query().map_err(Unreadable::Syntax)?;
    let (name, operation) = match (&document.operations, wanted) {
        (DocumentOperations::Single(operation), None) => (None, operation),
        (DocumentOperations::Single(_), Some(_)) => {
            return Err(Unreadable::NoOperation(
                "The document has no operation of that name.",
            ));
        }
        (DocumentOperations::Multiple(all), Some(name)) => {
            let found = all.iter().find(|(own, _)| own.as_str() == name);
            let (own, operation) = found.ok_or(Unreadable::NoOperation(
                "The document has no operation of that name.",
            ))?;
            (Some(own.to_string()), operation)
        }
        (DocumentOperations::Multiple(all), None) => match (all.iter().next(), all.len()) {
            (Some((own, operation)), 1) => (Some(own.to_string()), operation),
            _ => {
                let message = "The document has several operations: \"operationName\" must name one.";
                return Err(Unreadable::NoOperation(message));
            }
        },
    };
    Ok(Operation {
        kind: operation.node.ty,
        name,
    })
}

impl Unreadable {
    /// The error as a GraphQL response without data.
    pub(super) fn into_response(self) -> async_graphql::Response {
        let error = match self {
            Self::TooLarge(bytes) => {
                ServerError::new(format!("The document is larger than {bytes} bytes."), None)
            }
            Self::Syntax(error) => error,
            Self::NoOperation(message) => ServerError::new(message, None),
        };
        async_graphql::Response::from_errors(vec![error])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(query: &str, name: Option<&str>) -> Result<Operation, Unreadable> {
        let mut request = Request::new(query);
        request.operation_name = name.map(str::to_owned);
        inspect(&mut request, 1000)
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
            let refusal = from_body(bad.as_bytes()).expect_err(bad);
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{bad}");
        }
        for bad in ["operationName", "variables", "extensions"] {
            assert!(
                from_body(format!(r#"{{"query":"{{a}}","{bad}":1}}"#).as_bytes()).is_err(),
                "{bad}"
            );
        }
        assert!(from_body(br#"{"query":"{a}","variables":null,"operationName":null,"other":1}"#).is_ok());
        assert!(from_body(b"{\"query\":\"\xff\"}").is_err());
    }

    #[test]
    fn a_query_string_holds_the_same_fields() {
        let uri: Uri = "/graphql?query=%7Ba%7D&variables=%7B%22x%22%3A1%7D&operationName=&extra=1"
            .parse()
            .expect("a uri");
        let request = from_query_string(&uri).expect("a request");
        assert_eq!(request.query, "{a}");
        assert_eq!(request.variables.get("x"), Some(&async_graphql::Value::from(1)));
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

    #[test]
    fn the_operation_is_the_named_one() {
        let both = "query A { a } mutation B { b }";
        assert_eq!(
            operation(both, Some("B")).expect("B").kind,
            OperationType::Mutation
        );
        assert_eq!(
            operation("subscription S { s }", None)
                .expect("S")
                .name
                .as_deref(),
            Some("S")
        );
        for (query, name) in [(both, None), (both, Some("C")), ("{ a }", Some("A")), ("{", None)] {
            assert!(operation(query, name).is_err(), "{query} {name:?}");
        }
    }

    #[test]
    fn a_large_document_is_refused_before_it_is_parsed() {
        let mut request = Request::new("{".repeat(2000));
        assert!(matches!(
            inspect(&mut request, 1000),
            Err(Unreadable::TooLarge(1000))
        ));
    }
}
