//! The size of a document, found before anything else is done with it.
//!
//! async-graphql finds it by walking through each fragment wherever it is used, and a few hundred bytes of
//! fragments that each use the next one twice keep it walking for seconds. Here each fragment is counted
//! once.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Request, ServerError, Value};

/// The deepest nesting of selections, inside fragments and through them, that is looked at. async-graphql's
/// own bound is lower.
const MAX_NESTING: usize = 64;

/// Refuses a document that selects more than `max_fields` fields, each counted where it is selected, or whose
/// fragments contain themselves.
pub(crate) fn check(document: &ExecutableDocument, max_fields: usize) -> Result<(), ServerError> {
    let mut count = Count {
        document,
        fragments: HashMap::new(),
    };
    let mut fields = 0_usize;
    for (_, operation) in document.operations.iter() {
        fields = fields.saturating_add(count.fields(&operation.node.selection_set.node, 0)?);
    }
    if fields > max_fields {
        let message = format!("The document selects more than {max_fields} fields.");
        return Err(ServerError::new(message, None));
    }
    Ok(())
}

/// Refuses the character NUL, in the document and in the variables: PostgreSQL cannot store it, and no name, key or
/// address has it.
pub(crate) fn check_text(request: &Request) -> Result<(), ServerError> {
    let escaped = ["\0", "\\u0000", "\\u{0"];
    let in_document = escaped.iter().any(|nul| request.query.contains(nul));
    if in_document || request.variables.values().any(has_nul) {
        return Err(ServerError::new(
            "Text must not contain the character NUL (U+0000).",
            None,
        ));
    }
    Ok(())
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::List(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

struct Count<'d> {
    document: &'d ExecutableDocument,
    /// The fields of each fragment; none while it is being counted.
    fragments: HashMap<&'d Name, Option<usize>>,
}

impl<'d> Count<'d> {
    fn fields(&mut self, selections: &'d SelectionSet, nesting: usize) -> Result<usize, ServerError> {
        if nesting > MAX_NESTING {
            return Err(ServerError::new("The document is nested too deeply.", None));
        }
        let mut fields = 0_usize;
        for selection in &selections.items {
            let more = match &selection.node {
                Selection::Field(field) => 1 + self.fields(&field.node.selection_set.node, nesting + 1)?,
                Selection::InlineFragment(fragment) => {
                    self.fields(&fragment.node.selection_set.node, nesting + 1)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node, nesting + 1)?
                }
            };
            fields = fields.saturating_add(more);
        }
        Ok(fields)
    }

    fn fragment(&mut self, name: &'d Name, nesting: usize) -> Result<usize, ServerError> {
        match self.fragments.get(name) {
            Some(Some(fields)) => return Ok(*fields),
            Some(None) => {
                let message = format!("The fragment \"{name}\" contains itself.");
                return Err(ServerError::new(message, None));
            }
            None => {}
        }
        // What is not there is reported by validation.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(0);
        };
        self.fragments.insert(name, None);
        let fields = self.fields(&fragment.node.selection_set.node, nesting)?;
        self.fragments.insert(name, Some(fields));
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn refused(document: &str, max_fields: usize) -> bool {
        check(&parse_query(document).unwrap(), max_fields).is_err()
    }

    /// A chain of fragments, each of which selects the next one twice.
    fn doubling(length: usize) -> String {
        let mut document = String::from("{ ...F0 }");
        for index in 0..length {
            let next = index + 1;
            document += &format!(" fragment F{index} on Query {{ ...F{next} ...F{next} }}");
        }
        document + &format!(" fragment F{length} on Query {{ a }}")
    }

    #[test]
    fn fields_are_counted_where_they_are_selected() {
        let document = "{ a { b ...F } c: a { ... on T { ...F } } } fragment F on T { d e }";
        assert!(!refused(document, 7));
        assert!(refused(document, 6));
        assert!(!refused(&doubling(10), 1024));
        assert!(refused(&doubling(10), 1023));
    }

    #[test]
    fn a_document_that_doubles_itself_is_refused_at_once() {
        // Walking through each use of a fragment would take 2^50 steps.
        assert!(refused(&doubling(50), 5000));
    }

    #[test]
    fn the_character_nul_is_refused_wherever_it_hides() {
        let variables =
            async_graphql::Variables::from_json(serde_json::json!({"input": {"names": ["a\u{0}"]}}));
        let hidden = [
            Request::new("{ a }").variables(variables),
            Request::new(r#"{ a(b: "\u0000") }"#),
            Request::new("{ a(b: \"\u{0}\") }"),
        ];
        for request in hidden {
            assert!(check_text(&request).is_err(), "{}", request.query);
        }
        assert!(check_text(&Request::new(r#"{ a(b: "\u00e9") }"#)).is_ok());
    }

    #[test]
    fn circles_and_endless_chains_are_refused() {
        assert!(refused(
            "{ ...A } fragment A on Query { ...B } fragment B on Query { a { ...A } }",
            100
        ));
        assert!(refused(&doubling(3000), usize::MAX));
        assert!(!refused("{ ...Unknown }", 100));
    }
}
