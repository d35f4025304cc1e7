//! What a request was answered, as JSON, with the questions that tests ask of it.

use std::collections::HashMap;

use canopy_domain::Error;
use serde_json::{Value, json};

/// An answer in GraphQL's shape: `data`, `errors`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer(pub(crate) Value);

impl Answer {
    pub(crate) fn new(mut value: Value) -> Self {
        if let Some(object) = value.as_object_mut() {
            object.remove("extensions");
        }
        Self(value)
    }

    /// A credential that the door refused.
    pub(crate) fn refused(error: &Error) -> Self {
        Self(json!({
            "data": null,
            "errors": [{"message": error.to_string(), "extensions": {"code": error.code().as_str()}}],
        }))
    }

    /// The data of an operation that must have no errors.
    #[track_caller]
    pub(crate) fn data(&self) -> &Value {
        assert!(
            self.0
                .get("errors")
                .and_then(Value::as_array)
                .is_none_or(Vec::is_empty),
            "unexpected errors: {:#}",
            self.0
        );
        &self.0["data"]
    }

    /// A part of the data, by JSON pointer.
    #[track_caller]
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.data()
            .pointer(pointer)
            .unwrap_or_else(|| panic!("nothing at {pointer} in {:#}", self.0))
    }

    /// The same part as text.
    #[track_caller]
    pub(crate) fn text(&self, pointer: &str) -> String {
        match self.at(pointer) {
            Value::String(text) => text.clone(),
            other => panic!("not text at {pointer}: {other}"),
        }
    }

    /// The codes of the top-level errors.
    pub(crate) fn codes(&self) -> Vec<&str> {
        let errors = self.0["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors
            .iter()
            .map(|error| error["extensions"]["code"].as_str().unwrap_or("(no code)"))
            .collect()
    }

    /// The code of the one top-level error there must be.
    #[track_caller]
    pub(crate) fn code(&self) -> &str {
        match self.codes().as_slice() {
            [code] => code,
            codes => panic!("expected one error, got {codes:?} in {:#}", self.0),
        }
    }

    /// The payload of the one mutation of the operation.
    #[track_caller]
    pub(crate) fn payload(&self) -> &Value {
        let data = self.data().as_object().expect("a mutation answers an object");
        data.values().next().expect("the operation has one field")
    }

    /// The payload of a mutation that must have no user errors.
    #[track_caller]
    pub(crate) fn success(&self) -> &Value {
        let payload = self.payload();
        assert_eq!(
            payload["userErrors"],
            json!([]),
            "unexpected user errors: {:#}",
            self.0
        );
        payload
    }

    /// The code of the one user error there must be.
    #[track_caller]
    pub(crate) fn user_error(&self) -> &str {
        let errors = self.payload()["userErrors"]
            .as_array()
            .expect("a payload has userErrors");
        match errors.as_slice() {
            [error] => error["code"].as_str().expect("a user error has a code"),
            _ => panic!("expected one user error: {:#}", self.0),
        }
    }

    /// The answer with ids, digests and times replaced by numbered names, the same for the same value.
    pub(crate) fn redacted(&self) -> Value {
        redact(&self.0)
    }
}

/// `value` with ids, digests and times replaced by numbered names, the same for the same value.
pub(crate) fn redact(value: &Value) -> Value {
    Redaction::default().value(value)
}

#[derive(Default)]
struct Redaction {
    names: HashMap<String, String>,
    counts: HashMap<&'static str, usize>,
}

impl Redaction {
    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, field)| (name.clone(), self.value(field)))
                .collect(),
            other => other.clone(),
        }
    }

    fn text(&mut self, text: &str) -> String {
        let Some(kind) = kind_of(text) else {
            return text.to_owned();
        };
        if let Some(name) = self.names.get(text) {
            return name.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("[{kind} {count}]");
        self.names.insert(text.to_owned(), name.clone());
        name
    }
}

const IDS: [&str; 21] = [
    "acc", "usr", "mem", "pln", "key", "rul", "act", "evt", "rat", "lac", "pst", "btr", "aud", "sim", "sma",
    "alr", "alc", "whe", "whd", "wha", "hld",
];

fn kind_of(text: &str) -> Option<&'static str> {
    let id = IDS.into_iter().find(|kind| {
        let rest = text.strip_prefix(kind).and_then(|rest| rest.strip_prefix('_'));
        rest.is_some_and(|rest| rest.len() == 26 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    });
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes = text.as_bytes();
    let is_time = bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[0].is_ascii_digit();
    id.or(is_digest.then_some("digest")).or(is_time.then_some("time"))
}

#[test]
fn redaction_names_equal_values_alike() {
    let id = "acc_01jd0000000000000000000000";
    let value = json!({"a": id, "b": [id, "2026-01-01T00:00:00Z"], "c": "pln_itellico"});
    assert_eq!(
        redact(&value),
        json!({"a": "[acc 1]", "b": ["[acc 1]", "[time 1]"], "c": "pln_itellico"})
    );
}
