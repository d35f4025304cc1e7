//! Misfits with their places, and schemas that are none.

use serde_json::json;

use super::child::misfit;
use super::*;

fn held(schema: serde_json::Value, configuration: serde_json::Value) -> Result<Option<Misfit>, String> {
    misfit(&schema.to_string(), &configuration.to_string())
}

#[test]
fn the_first_misfit_is_named_with_its_place() {
    let schema = json!({
        "type": "object",
        "required": ["tiers"],
        "properties": {"tiers": {"type": "array", "items": {
            "type": "object", "additionalProperties": false,
            "properties": {"price": {"type": "string", "pattern": "^[0-9]+$"}, "a/b": {"type": "null"}},
        }}},
    });
    let place = |configuration| {
        let misfit = held(schema.clone(), configuration).unwrap();
        misfit.map(|misfit| (misfit.place.join(" "), misfit.message))
    };
    assert_eq!(place(json!({"tiers": [{"price": "12"}]})), None);
    let said = |place: &str, message: &str| Some((place.to_owned(), message.to_owned()));
    assert_eq!(place(json!({})), said("", r#""tiers" is a required property"#));
    assert_eq!(
        place(json!({"tiers": [{}, {"price": "1x"}]})),
        said("tiers 1 price", r#""1x" does not match "^[0-9]+$""#)
    );
    assert_eq!(
        place(json!({"tiers": [{"a/b": 1}]})),
        said("tiers 0 a/b", r#"1 is not of type "null""#)
    );
    let (at, message) = place(json!({"tiers": [{"prize": "1"}]})).unwrap();
    assert_eq!(at, "tiers 0");
    assert!(message.contains("prize"), "{message}");
}

#[test]
fn a_long_value_or_name_is_not_repeated() {
    let schema = json!({"additionalProperties": {"type": "integer"}});
    let long = "x".repeat(10_000);
    let found = held(schema.clone(), json!({"a": long})).unwrap().unwrap();
    assert_eq!(
        (found.place, found.message.as_str()),
        (vec!["a".to_owned()], r#"it is not of type "integer""#)
    );
    let found = held(schema, json!({long: "a"})).unwrap().unwrap();
    assert_eq!(found.place, Vec::<String>::new());
}

#[test]
fn a_schema_that_is_none_is_told_from_a_configuration_that_does_not_fit() {
    for (schema, expected) in [
        (json!({"type": "strnig"}), "strnig"),
        (json!({"$ref": "https://example.com/schema.json"}), "example.com"),
        (json!({"$ref": "file:///etc/passwd"}), "/etc/passwd"),
        (json!({"$ref": "#/$defs/none"}), "$defs/none"),
        (json!({"$schema": "https://example.com/draft"}), "example.com"),
        (json!({"pattern": "(?=a)b"}), "(?=a)b"),
        (json!({"pattern": "(a)\\1"}), "(a)"),
        (json!({"pattern": "((a{1000}){1000}){1000}"}), "a{1000}"),
    ] {
        let error = held(schema.clone(), json!({})).unwrap_err();
        assert!(error.contains(expected), "{schema}: {error}");
    }
}

#[test]
fn the_published_drafts_are_known_without_a_network() {
    for draft in [
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2020-12/schema",
    ] {
        let schema = json!({"$schema": draft, "properties": {"a": {"$ref": "#/definitions/text"}},
            "definitions": {"text": {"type": "string"}}});
        assert_eq!(held(schema.clone(), json!({"a": "b"})), Ok(None), "{draft}");
        assert!(held(schema, json!({"a": 1})).unwrap().is_some(), "{draft}");
    }
}
