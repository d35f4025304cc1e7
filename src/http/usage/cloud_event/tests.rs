//! What is an event, what is wrong with one, and which key it has.

use serde_json::{Value, json};

use super::*;

fn full() -> Value {
    json!({
        "specversion": "1.0", "id": "call-1", "source": "https://pbx.example/7", "type": "minutes",
        "subject": "acc_01jd0000000000000000000000", "time": "2026-01-31T10:30:00.1234567+01:00",
        "datacontenttype": "application/json; charset=utf-8", "traceparent": "an extension",
        "data": {"quantity": 1.5, "attributes": {"route": "DE"}},
    })
}

fn read(event: &Value) -> Received {
    structured(event.to_string().as_bytes())
}

fn with(name: &str, value: Value) -> Received {
    let mut event = full();
    event[name] = value;
    read(&event)
}

/// What is to blame, and the sentence.
fn refused(received: Received) -> (String, String) {
    let error = received.event.expect_err("it is refused");
    (error.field().join("."), error.to_string())
}

#[test]
fn an_event_is_read_whole() {
    let received = read(&full());
    assert_eq!(received.id.as_deref(), Some("call-1"));
    let event = received.event.expect("it is good");
    assert_eq!(event.idempotency_key, "https://pbx.example/7 call-1");
    assert_eq!(event.meter, "minutes");
    assert_eq!(event.quantity.to_string(), "1.5");
    assert_eq!(event.attributes, json!({"route": "DE"}));
    assert_eq!(
        event.account_id.expect("a subject").as_str(),
        "acc_01jd0000000000000000000000"
    );
    let occurred_at = event.occurred_at.expect("a time").to_rfc3339();
    assert_eq!(occurred_at, "2026-01-31T09:30:00.123456+00:00");
}

#[test]
fn null_is_as_good_as_not_given() {
    let mut event = full();
    for name in ["subject", "time", "datacontenttype"] {
        event[name] = Value::Null;
    }
    event["data"]["attributes"] = Value::Null;
    let event = read(&event).event.expect("it is good");
    assert_eq!((event.account_id, event.occurred_at), (None, None));
    assert_eq!(event.attributes, json!({}));
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for name in ["specversion", "id", "source", "type", "data"] {
        assert_eq!(refused(with(name, Value::Null)).0, name);
    }
    for (name, value, blamed) in [
        ("specversion", json!("0.3"), "specversion"),
        ("id", json!(""), "id"),
        ("id", json!("a\nb"), "id"),
        ("source", json!("two words"), "source"),
        ("time", json!("2026-01-31"), "time"),
        ("datacontenttype", json!("text/xml"), "datacontenttype"),
        ("data_base64", json!("AA=="), "data_base64"),
        ("data", json!("1.5"), "data"),
        ("data", json!(["1.5", {}]), "data"),
        ("data", json!({"attributes": {}}), "data.quantity"),
        ("data", json!({"quantity": "a lot"}), "data.quantity"),
        ("data", json!({"quantity": 1e-7}), "data.quantity"),
        ("data", json!({"quantity": "1", "unit": "s"}), "data"),
        (
            "data",
            json!({"quantity": "1", "attributes": {"a": "x".repeat(MAX_ATTRIBUTES)}}),
            "data.attributes",
        ),
    ] {
        assert_eq!(refused(with(name, value.clone())).0, blamed, "{name} {value}");
    }
    assert!(matches!(
        with("subject", json!("nonsense")).event,
        Err(Error::NotFound("account"))
    ));
}

#[test]
fn what_is_no_event_is_said_to_be_none() {
    let deep = format!(r#"{{"data": {}"#, "[".repeat(100_000));
    for text in [
        "",
        "{",
        "[]",
        "null",
        "1",
        "\"x\"",
        r#"{"id": 1}"#,
        r#"{"id": "a", "id": "b"}"#,
        &deep,
    ] {
        let received = structured(text.as_bytes());
        assert_eq!(received.id, None, "{}", &text[..text.len().min(20)]);
        assert_eq!(refused(received).0, "");
    }
    assert_eq!(refused(structured(b"{\"id\": \"\xff\"}")).0, "");
}

#[test]
fn no_two_pairs_of_source_and_id_have_the_same_key() {
    assert_ne!(key("a", "b c"), key("a/b", "c"));
    assert_ne!(key("a", "bc"), key("ab", "c"));
    let longest = "i".repeat(MAX_KEY - 2);
    assert_eq!(key("s", &longest).len(), MAX_KEY);
    let (one, other) = (format!("{longest}1"), format!("{longest}2"));
    assert_eq!(key("s", &one).len(), "sha256:".len() + 64);
    assert_ne!(key("s", &one), key("s", &other));
}

#[test]
fn headers_are_read_as_the_binding_has_them() {
    let of = |headers: &[(&'static str, &str)], body: &str| {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect();
        binary(&headers, body.as_bytes())
    };
    let good = [
        ("ce-specversion", "1.0"),
        ("ce-id", "%E2%82%AC%201"),
        ("ce-source", "\"/a\\\"b\""),
        ("ce-type", "minutes"),
    ];
    let received = of(&good, r#"{"quantity": "2"}"#);
    assert_eq!(received.id.as_deref(), Some("€ 1"));
    let event = received.event.expect("it is good");
    assert_eq!(event.idempotency_key, "/a\"b € 1");

    assert_eq!(refused(of(&good[1..], "{}")).0, "specversion");
    assert_eq!(refused(of(&good, "")).0, "data");
    assert_eq!(refused(of(&good, "{}")).0, "data.quantity");
    let twice = [&good[..], &[("ce-id", "2")]].concat();
    assert_eq!(refused(of(&twice, "{}")).0, "id");
    let no_text = [&good[..1], &[("ce-id", "%ff")]].concat();
    assert_eq!(refused(of(&no_text, "{}")).0, "id");
}
