//! The character NUL, which no text has: PostgreSQL cannot store it, and no name, key or address has it.

use async_graphql::{Value, Variables};

/// Whether a document's text has it, as it is or escaped.
pub(super) fn is_in_document(text: &str) -> bool {
    ["\0", "\\u0000", "\\u{0"].iter().any(|nul| text.contains(nul))
}

pub(super) fn is_in_variables(variables: &Variables) -> bool {
    variables.values().any(is_in)
}

fn is_in(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::List(items) => items.iter().any(is_in),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || is_in(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_wherever_it_hides() {
        let nested = serde_json::json!({"input": {"names": ["a\u{0}"]}});
        assert!(is_in_variables(&Variables::from_json(nested)));
        assert!(is_in_document(r#"{ a(b: "\u0000") }"#));
        assert!(is_in_document("{ a(b: \"\u{0}\") }"));
        assert!(!is_in_document(r#"{ a(b: "\u00e9") }"#));
    }
}
