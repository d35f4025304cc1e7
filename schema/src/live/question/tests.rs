//! Which subscribers get one answer, on the schema as it is; it knows no database.

use super::*;
use crate::documents::Documents;
use crate::{Bounds, sdl};

/// What an answer to this document depends on: on variables, on the caller.
fn depends(text: &str) -> (bool, bool) {
    let bounds = Bounds {
        max_bytes: 10_000,
        max_tokens: 1_000,
        max_selections: 100,
        max_depth: 20,
        max_aliases: 10,
        max_directives: 10,
        max_root_fields: 2,
        max_cost: 1_000,
    };
    let documents = Documents::new(&sdl(), bounds, 0);
    let document = documents
        .read(text.to_owned())
        .expect("a document within the bounds");
    let mut depends = Depends {
        shape: documents.shape(),
        document: &document,
        on_variables: false,
        on_caller: false,
    };
    depends.of_root(None);
    (depends.on_variables, depends.on_caller)
}

fn of_update(selection: &str) -> (bool, bool) {
    depends(&format!(
        "subscription ($id: ID!, $yes: Boolean!) {{ usageUpdates(accountId: $id) {{ {selection} }} }}"
    ))
}

#[test]
fn what_happened_is_the_same_for_all_who_may_see_it() {
    assert_eq!(
        of_update("cursor kind event { id meter quantity __typename }"),
        (false, false)
    );
    assert_eq!(
        of_update("... { a: cursor } ... on UsageUpdate { event { attributes } }"),
        (false, false)
    );
}

#[test]
fn sums_are_the_same_for_all_but_their_accounts() {
    assert_eq!(
        of_update("sums { accountId meter quantity events amount { amount currency } }"),
        (false, false)
    );
    assert_eq!(of_update("sums { account { id } }"), (false, true));
}

#[test]
fn what_is_looked_up_depends_on_the_caller() {
    assert_eq!(of_update("event { account { id } }"), (false, true));
    assert_eq!(of_update("event { ratings { id } }"), (false, true));
    assert_eq!(of_update("event { ... on Node { id } }"), (false, true));
    assert_eq!(
        depends(
            "subscription { usageUpdates(accountId: 1) { ...U } } fragment U on UsageUpdate { event { ...E } }
             fragment E on UsageEvent { id account { id } }"
        ),
        (false, true)
    );
    assert_eq!(
        depends("subscription { ruleChanges(accountId: 1) { cursor } }"),
        (false, true)
    );
}

#[test]
fn variables_count_below_the_root_field_alone() {
    assert!(of_update("cursor @include(if: $yes)").0);
    assert!(of_update("... @skip(if: $yes) { cursor }").0);
    assert!(of_update("event { account { subaccounts(first: $yes) { totalCount } } }").0);
}

#[test]
fn two_streams_in_one_operation_are_told_apart() {
    let text =
        "subscription { a: usageUpdates(accountId: 1) { cursor } b: usageUpdates(accountId: 2) { cursor } }";
    assert_eq!(depends(text), (true, true));
}

#[test]
fn each_listed_field_is_in_the_schema() {
    let shape = Shape::of(&sdl());
    for (ty, fields) in SAME_FOR_ALL {
        for field in *fields {
            assert!(shape.field(ty, field).is_some(), "{ty}.{field}");
        }
    }
}
