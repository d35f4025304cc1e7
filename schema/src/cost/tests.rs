//! Points of documents and of answers, on the schema as it is; it knows no database.

use async_graphql::Variables;
use async_graphql::parser::parse_query;
use serde_json::{Value as Json, json};

use super::*;

/// The points of a document with variables, and of its answer with this data.
fn points(document: &str, variables: Json, data: Json) -> (Requested, u64) {
    let shape = Shape::of(&crate::sdl());
    let document = parse_query(document).unwrap();
    let (_, operation) = document.operations.iter().next().unwrap();
    let priced = Priced {
        shape: &shape,
        document: &document,
        operation: &operation.node,
        variables: &Outline::of(&operation.node, &Variables::from_json(variables)),
    };
    (
        priced.requested(),
        priced.actual(&Value::from_json(data).unwrap()),
    )
}

/// By the sizes of pages alone.
fn requested(document: &str, variables: Json) -> u64 {
    points(document, variables, Json::Null).0.plain
}

#[test]
fn an_object_is_a_point_and_a_page_multiplies() {
    let none = json!({});
    assert_eq!(requested("{ __typename }", none.clone()), 0);
    assert_eq!(requested("{ me { user { id name } } }", none.clone()), 2);
    // The account, the connection, 25 rows.
    assert_eq!(
        requested(
            "{ account(id: 1) { subaccounts { nodes { id } } } }",
            none.clone()
        ),
        27
    );
    let edges = "{ account(id: 1) { subaccounts(first: 3) { edges { cursor node { id } } } } }";
    assert_eq!(requested(edges, none.clone()), 2 + 3 * 2);
    let nested =
        "{ account(id: 1) { subaccounts(last: 3) { nodes { subaccounts(first: 4) { nodes { id } } } } } }";
    assert_eq!(requested(nested, none.clone()), 2 + 3 * (1 + 1 + 4));
    assert_eq!(requested("{ nodes(ids: [1, 2, 3]) { id } }", none), 3);
}

#[test]
fn variables_their_defaults_and_fragments_are_seen_through() {
    let document = "query ($n: Int = 2, $all: Boolean!) { account(id: 1) { ...T } }
                    fragment T on Tenant { subaccounts(first: $n) @include(if: $all) { ...P } }
                    fragment P on TenantConnection { nodes { id } }";
    assert_eq!(requested(document, json!({"all": true})), 2 + 2);
    assert_eq!(requested(document, json!({"all": true, "n": 50})), 2 + 50);
    // A page has at most 100 rows; more is refused where it is read.
    assert_eq!(
        requested(document, json!({"all": true, "n": 2_000_000_000})),
        2 + 100
    );
    assert_eq!(requested(document, json!({"all": false})), 1);
}

#[test]
fn circular_introspection_costs_what_it_would_give() {
    let mut inner = "name".to_owned();
    for _ in 0..6 {
        inner = format!("fields {{ type {{ {inner} }} }}");
    }
    let points = requested(&format!("{{ __schema {{ types {{ {inner} }} }} }}"), json!({}));
    assert!(points > 100_000_000, "{points}");
}

#[test]
fn a_mutation_costs_by_what_it_does() {
    let document = "mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { replayed } }";
    let input = |events: usize| json!({"input": {"events": vec![json!({}); events]}});
    assert_eq!(requested(document, input(1)), 10);
    assert_eq!(requested(document, input(100)), 1_000);
}

#[test]
fn the_answer_costs_what_it_holds() {
    let document =
        "query ($id: ID!) { account(id: $id) { name subaccounts { totalCount nodes { id plan { id } } } } }";
    let node = |plan: Json| json!({"id": "x", "plan": plan});
    let nodes = json!([node(json!({"id": "y"})), node(Json::Null)]);
    let data = json!({"account": {"name": "x", "subaccounts": {"totalCount": 2, "nodes": nodes}}});
    let (requested, actual) = points(document, json!({}), data);
    assert_eq!(requested.plain, 1 + 1 + 2 + 25 * 2);
    // The account, the connection, its count, two rows, and a plan that is there and one that is not.
    assert_eq!(actual, 1 + 1 + 2 + 2 + 2);
    assert_eq!(points(document, json!({}), json!({"account": null})).1, 1);
    assert_eq!(points(document, json!({}), Json::Null).1, 0);
}

/// The points with so many accounts below each account that a chain begins at.
fn with_accounts(document: &str, accounts: u64) -> u64 {
    points(document, json!({"id": "acc_x"}), Json::Null)
        .0
        .with(|_| accounts)
}

#[test]
fn a_chain_of_accounts_has_no_more_of_them_than_there_are() {
    let mut inner = "id".to_owned();
    for _ in 0..5 {
        inner = format!(
            "subaccounts(first: 25) {{ nodes {{ id members(first: 10) {{ nodes {{ id }} }} {inner} }} }}"
        );
    }
    let document = format!("{{ account {{ {inner} }} }}");
    // The account and its list; each account below has its members' list, ten members and, on all levels but the last, a
    // list of its own.
    assert_eq!(with_accounts(&document, 300), 2 + 300 * (1 + 1 + 10 + 1));
    assert_eq!(with_accounts(&document, 0), 2);
    let plain = requested(&document, json!({}));
    assert!(plain > 25_u64.pow(5), "{plain}");
    assert_eq!(with_accounts(&document, u64::MAX), plain);
    // Pages that are smaller than what is there say what may come.
    let small = document.replace("first: 25", "first: 1");
    assert_eq!(with_accounts(&small, 300), requested(&small, json!({})));
    // Edges are rows too; by fragments and under other names all the same.
    let edges = "query ($id: ID!) { node(id: $id) { ... on Account { ...T a: subaccounts(first: 9) { edges { node { ...T } } } } } }
                 fragment T on Tenant { subaccounts { nodes { id } } }";
    assert_eq!(requested(edges, json!({})), 1 + (1 + 25) + 1 + 9 * (2 + 1 + 25));
    // Rows of both first levels are the same accounts: three points as an edge with its account and list, and one.
    assert_eq!(with_accounts(edges, 2), 1 + 1 + 1 + 2 * (3 + 1));
}

#[test]
fn accounts_that_may_be_the_same_again_and_again_multiply() {
    for (document, plain) in [
        // The parents of different accounts are one account.
        (
            "{ account { subaccounts(first: 9) { nodes { parent { subaccounts(first: 9) { nodes { id } } } } } } }",
            2 + 9 * (1 + 1 + 1 + 9),
        ),
        (
            "{ nodes(ids: [1, 1, 1]) { ... on Account { subaccounts(first: 9) { nodes { id } } } } }",
            3 * (1 + 1 + 9),
        ),
        (
            "{ account { ancestors { subaccounts(first: 9) { nodes { id } } } } }",
            1 + 10 * (1 + 1 + 9),
        ),
    ] {
        assert_eq!(requested(document, json!({})), plain, "{document}");
    }
    // What is below one row of a chain counts with that row, in full.
    let parents = "{ account { subaccounts(first: 9) { nodes { parent { subaccounts(first: 9) { nodes { id } } } } } } }";
    assert_eq!(with_accounts(parents, 1), 2 + (1 + 1 + 1 + 9));
    let ids = "{ nodes(ids: [1, 1, 1]) { ... on Account { subaccounts(first: 9) { nodes { id } } } } }";
    assert_eq!(with_accounts(ids, 1), requested(ids, json!({})));
}

#[test]
fn what_counting_can_change_is_known_without_counting() {
    let all = points("{ account(id: \"acc_x\") { subaccounts { totalCount nodes { id plan { id } } } } me { actingAs { subaccounts { nodes { id } } } } }", json!({}), Json::Null).0;
    let tops: Vec<_> = all.tops().cloned().collect();
    assert_eq!(tops, [Top::Id("acc_x".to_owned()), Top::ActingAs]);
    assert_eq!(all.least(), 1 + 1 + 2 + 1 + 1 + 1);
    // The cheapest row is one point.
    assert_eq!(all.accounts_for(500), 501);
    assert!(all.with(|_| 501) <= all.plain);
}
