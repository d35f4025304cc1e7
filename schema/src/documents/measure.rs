//! The size of a document, found before anything else is done with it.
//!
//! async-graphql finds it by walking through each fragment wherever it is used, and a few hundred bytes of
//! fragments that each use the next one twice keep it walking for seconds. Here each fragment is measured once.

use std::collections::HashMap;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, FragmentDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned};

use super::Bounds;

/// The deepest nesting of selections, inside fragments and through them, that is looked at. async-graphql's
/// own bound is lower.
const MAX_NESTING: usize = 64;

/// How much a selection set selects, each fragment counted wherever it is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    /// Fields and uses of fragments.
    selections: usize,
    /// Fields that are selected at the top of it.
    fields: usize,
    /// Fields below fields.
    depth: usize,
    aliases: usize,
    directives: usize,
}

impl Size {
    /// Both beside each other.
    fn and(self, other: Self) -> Self {
        Self {
            selections: self.selections.saturating_add(other.selections),
            fields: self.fields.saturating_add(other.fields),
            depth: self.depth.max(other.depth),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
        }
    }
}

/// Refuses, with a sentence for its author, a document that is larger than `bounds` or whose fragments contain
/// themselves.
pub(super) fn check(document: &ExecutableDocument, bounds: &Bounds) -> Result<(), String> {
    let mut measure = Measure {
        document,
        fragments: HashMap::new(),
    };
    let mut whole = Size::default();
    for (_, operation) in document.operations.iter() {
        let size = measure.set(&operation.node.selection_set.node, 0)?;
        at_most("root fields", size.fields, bounds.max_root_fields)?;
        let own = Size {
            directives: size.directives.saturating_add(operation.node.directives.len()),
            ..size
        };
        whole = whole.and(own);
    }
    at_most("selections", whole.selections, bounds.max_selections)?;
    at_most("levels", whole.depth, bounds.max_depth)?;
    at_most("aliases", whole.aliases, bounds.max_aliases)?;
    at_most("directives", whole.directives, bounds.max_directives)?;
    measure.fragments_alone(bounds)
}

fn at_most(what: &str, count: usize, most: usize) -> Result<(), String> {
    if count <= most {
        return Ok(());
    }
    Err(format!("The document has more than {most} {what}."))
}

struct Measure<'d> {
    document: &'d ExecutableDocument,
    /// The size of each fragment; none while it is being measured.
    fragments: HashMap<&'d Name, Option<Size>>,
}

impl<'d> Measure<'d> {
    fn set(&mut self, set: &'d SelectionSet, nesting: usize) -> Result<Size, String> {
        if nesting > MAX_NESTING {
            return Err("The document is nested too deeply.".to_owned());
        }
        let mut size = Size::default();
        for selection in &set.items {
            size = size.and(match &selection.node {
                Selection::Field(field) => self.field(&field.node, nesting)?,
                Selection::InlineFragment(fragment) => {
                    let inner = self.set(&fragment.node.selection_set.node, nesting + 1)?;
                    used(inner, fragment.node.directives.len())
                }
                Selection::FragmentSpread(spread) => {
                    let inner = self.fragment(&spread.node.fragment_name.node, nesting + 1)?;
                    used(inner, spread.node.directives.len())
                }
            });
        }
        Ok(size)
    }

    fn field(&mut self, field: &'d Field, nesting: usize) -> Result<Size, String> {
        let inner = self.set(&field.selection_set.node, nesting + 1)?;
        Ok(Size {
            selections: inner.selections.saturating_add(1),
            fields: 1,
            depth: inner.depth + 1,
            aliases: inner.aliases.saturating_add(usize::from(field.alias.is_some())),
            directives: inner.directives.saturating_add(field.directives.len()),
        })
    }

    fn fragment(&mut self, name: &'d Name, nesting: usize) -> Result<Size, String> {
        match self.fragments.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(format!("The fragment \"{name}\" contains itself.")),
            None => {}
        }
        // What is not there is reported by validation.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(Size::default());
        };
        self.definition(name, fragment, nesting)
    }

    fn definition(
        &mut self,
        name: &'d Name,
        fragment: &'d Positioned<FragmentDefinition>,
        nesting: usize,
    ) -> Result<Size, String> {
        self.fragments.insert(name, None);
        let mut size = self.set(&fragment.node.selection_set.node, nesting)?;
        size.directives = size.directives.saturating_add(fragment.node.directives.len());
        self.fragments.insert(name, Some(size));
        Ok(size)
    }

    /// Validation looks through each fragment once for itself, those that no operation uses too.
    fn fragments_alone(&mut self, bounds: &Bounds) -> Result<(), String> {
        let document = self.document;
        let mut selections = 0_usize;
        for (name, fragment) in &document.fragments {
            let size = match self.fragments.get(name) {
                Some(Some(size)) => *size,
                _ => self.definition(name, fragment, 0)?,
            };
            selections = selections.saturating_add(size.selections);
        }
        let most = bounds.max_selections.saturating_mul(FRAGMENTS);
        at_most("selections in its fragments", selections, most)
    }
}

/// How many times the selections of the largest document all fragments together may have, each with those that it uses:
/// a fragment that is used inside others counts in each of them.
const FRAGMENTS: usize = 4;

/// A fragment where it is used.
fn used(inner: Size, directives: usize) -> Size {
    Size {
        selections: inner.selections.saturating_add(1),
        directives: inner.directives.saturating_add(directives),
        ..inner
    }
}

/// The operation that a request names, or the only one. None of that name, or none named among several, is an error.
pub(super) fn choose<'d>(
    document: &'d ExecutableDocument,
    name: Option<&str>,
) -> Result<
    (
        Option<&'d str>,
        &'d async_graphql::parser::types::OperationDefinition,
    ),
    &'static str,
> {
    let unknown = "The document has no operation of that name.";
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok((None, &operation.node)),
        (DocumentOperations::Single(_), Some(_)) => Err(unknown),
        (DocumentOperations::Multiple(all), Some(name)) => {
            let (own, operation) = all.get_key_value(name).ok_or(unknown)?;
            Ok((Some(own.as_str()), &operation.node))
        }
        (DocumentOperations::Multiple(all), None) => match (all.iter().next(), all.len()) {
            (Some((own, operation)), 1) => Ok((Some(own.as_str()), &operation.node)),
            _ => Err("The document has several operations: \"operationName\" must name one."),
        },
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    const WIDE: Bounds = Bounds {
        max_bytes: usize::MAX,
        max_tokens: usize::MAX,
        max_selections: usize::MAX,
        max_depth: usize::MAX,
        max_aliases: usize::MAX,
        max_directives: usize::MAX,
        max_root_fields: usize::MAX,
        max_cost: u64::MAX,
    };

    fn refused(document: &str, bounds: Bounds) -> bool {
        check(&parse_query(document).unwrap(), &bounds).is_err()
    }

    fn selections(most: usize) -> Bounds {
        Bounds {
            max_selections: most,
            ..WIDE
        }
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

    /// The least bound that lets `document` through.
    fn least(document: &str, bound: impl Fn(usize) -> Bounds) -> usize {
        (0..).find(|most| !refused(document, bound(*most))).unwrap()
    }

    #[test]
    fn each_part_is_counted_where_it_is_selected() {
        let document = "query Q @x { a { b ...F @y } c: a @z { ... on T { ...F @y } } }
                        fragment F on T { d: e @z ... { f { g } } }";
        assert_eq!(least(document, selections), 14);
        assert_eq!(
            least(document, |most| Bounds {
                max_depth: most,
                ..WIDE
            }),
            3
        );
        assert_eq!(
            least(document, |most| Bounds {
                max_aliases: most,
                ..WIDE
            }),
            3
        );
        assert_eq!(
            least(document, |most| Bounds {
                max_directives: most,
                ..WIDE
            }),
            6
        );
        assert_eq!(
            least(document, |most| Bounds {
                max_root_fields: most,
                ..WIDE
            }),
            2
        );
    }

    #[test]
    fn a_document_that_doubles_itself_is_refused_at_once() {
        // Walking through each use of a fragment would take 2^50 steps.
        assert!(refused(&doubling(50), selections(5000)));
    }

    #[test]
    fn fragments_that_nothing_uses_are_bounded_too() {
        let wide = "fragment Wide on Query { a b c d }";
        let users: String = (0..40)
            .map(|n| format!("fragment U{n} on Query {{ ...Wide }}\n"))
            .collect();
        let document = format!("{{ a }} {wide} {users}");
        assert!(refused(&document, selections(50)));
        assert!(!refused(&document, selections(51)));
    }

    #[test]
    fn circles_and_endless_chains_are_refused() {
        assert!(refused(
            "{ ...A } fragment A on Query { ...B } fragment B on Query { a { ...A } }",
            WIDE
        ));
        assert!(refused("{ a } fragment A on Query { ...A }", WIDE));
        assert!(refused(&doubling(3000), WIDE));
        assert!(!refused("{ ...Unknown }", WIDE));
    }
}
