//! Arguments are read as resolvers read them, and what is odd is not bound.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::Selection;
use serde_json::json;

use super::*;

/// The page that `members` asks for with these arguments.
fn page(arguments: &str, variables: serde_json::Value) -> Option<PageArgs> {
    let document = format!("query ($n: Int, $m: Int = 7) {{ members({arguments}) {{ totalCount }} }}");
    let document = parse_query(document).unwrap();
    let (_, operation) = document.operations.iter().next().unwrap();
    let mut all = Arguments::of(&operation.node);
    let Selection::Field(field) = &operation.node.selection_set.node.items[0].node else {
        panic!("it is a field");
    };
    let at = all.page(
        &field.node,
        LookedAt {
            rows: true,
            total: true,
        },
    );
    let bound = all.bind(&Variables::from_json(variables), Timestamp::default())?;
    Some(bound.page(at).clone())
}

#[test]
fn arguments_are_read_as_resolvers_read_them() {
    let limit = |arguments, variables| page(arguments, variables).map(|page| (page.limit, page.backward));
    assert_eq!(limit("first: 3", json!({})), Some((3, false)));
    assert_eq!(limit("last: $n", json!({"n": 2})), Some((2, true)));
    assert_eq!(limit("first: $m", json!({})), Some((7, false)));
    let usual = Some((canopy_domain::page::DEFAULT_PAGE, false));
    assert_eq!(limit("first: $n", json!({})), usual);
    assert_eq!(limit("first: null, after: null", json!({"n": 1})), usual);
    assert!(page("first: 1", json!({})).is_some_and(|page| page.with_total));
}

#[test]
fn what_is_odd_is_not_bound() {
    for arguments in [
        "first: 101",
        "first: -1",
        "first: 1, last: 1",
        "after: \"x\"",
        "first: \"1\"",
    ] {
        assert_eq!(page(arguments, json!({})), None, "{arguments}");
    }
    assert_eq!(page("first: $n", json!({"n": -1})), None);
}
