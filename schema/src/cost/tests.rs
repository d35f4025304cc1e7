//! Points of documents and of answers, on the schema as it is; it knows no database.

use async_graphql::parser::parse_query;
use serde_json::{Value as Json, json};

use super::*;

/// The points of a document with variables, and of its answer with this data.
fn points(document: &str, variables: Json, data: Json) -> (u64, u64) {
    let shape = Shape::of(&crate::sdl());
    let document = parse_query(document).unwrap();
    let (_, operation) = document.operations.iter().next().unwrap();
    let priced = Priced {
        shape: &shape,
        document: &document,
        operation: &operation.node,
        variables: &Variables::from_json(variables),
    };
    (
        priced.requested(),
        priced.actual(&Value::from_json(data).unwrap()),
    )
}

fn requested(document: &str, variables: Json) -> u64 {
    points(document, variables, Json::Null).0
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
    assert_eq!(requested, 1 + 1 + 2 + 25 * 2);
    // The account, the connection, its count, two rows, and a plan that is there and one that is not.
    assert_eq!(actual, 1 + 1 + 2 + 2 + 2);
    assert_eq!(points(document, json!({}), json!({"account": null})).1, 1);
    assert_eq!(points(document, json!({}), Json::Null).1, 0);
}
