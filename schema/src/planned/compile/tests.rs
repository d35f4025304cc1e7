//! Documents, and the plans that are made of them.

use async_graphql::parser::parse_query;
use serde_json::json;

use super::super::PlanDescription;
use super::super::plan::{TenantField, TenantPlan};
use super::*;

fn plan_with(document: &str, variables: serde_json::Value) -> Planned<QueryPlan> {
    let shape = Shape::of(&crate::sdl());
    let document = parse_query(document).unwrap();
    let (_, operation) = document.operations.iter().next().unwrap();
    compile(Source {
        shape: &shape,
        document: &document,
        operation: &operation.node,
        variables: &Variables::from_json(variables),
    })
}

fn plan(document: &str) -> QueryPlan {
    plan_with(document, json!({})).unwrap()
}

fn names<F>(selection: &Selection<F>) -> Vec<&str> {
    selection.0.iter().map(|own| own.key.name()).collect()
}

fn account(plan: &QueryPlan) -> &TenantPlan {
    &plan.reads.selections[0].account
}

#[test]
fn the_first_occurrence_decides_the_place_and_each_key_is_there_once() {
    let plan = plan(
        "{ account { ...A name plan { id } } account { id plan { name type: __typename } } }
         fragment A on Tenant { kind ... on Node { id } plan { name } }",
    );
    assert_eq!(names(&plan.root), ["account"]);
    assert_eq!(names(&account(&plan).selection), ["kind", "id", "plan", "name"]);
    let What::Field(TenantField::Plan(plan)) = &account(&plan).selection.0[2].what else {
        panic!("the third field is the plan");
    };
    assert_eq!(names(plan), ["name", "id", "type"]);
}

#[test]
fn accounts_of_both_types_have_a_plan_each_only_where_they_are_asked_different_things() {
    let same = plan("{ account { ... on Tenant { name } ... on Member { role } } }");
    assert!(same.reads.selections[0].subaccount.is_none());
    let other = plan("{ account { ... on Subaccount { name } id ... on Account { id kind } } }");
    let tenants = &other.reads.selections[0];
    assert_eq!(names(&tenants.account.selection), ["id", "kind"]);
    assert_eq!(
        names(&tenants.subaccount.as_ref().unwrap().selection),
        ["name", "id"]
    );
}

#[test]
fn a_plan_belongs_to_what_its_directives_decided() {
    let document = "query ($a: Boolean!, $b: Boolean) {
        account { id @include(if: $a) name @skip(if: $b) ... @include(if: true) { kind } }
    }";
    let of =
        |a| names(&account(&plan_with(document, json!({"a": a, "b": true})).unwrap()).selection).join(" ");
    assert_eq!(of(true), "id kind");
    assert_eq!(of(false), "kind");
}

#[test]
fn equal_questions_are_read_once() {
    let plan = plan(
        "{ account {
             a: members(first: 1) { nodes { id } } b: members(first: 1) { edges { cursor } }
             c: members(first: 1) { totalCount }
             d: usage { granularity } e: usage { granularity } f: usage(granularity: DAY) { granularity }
           } }",
    );
    let reads = &account(&plan).reads;
    assert_eq!((reads.members.len(), reads.usage.len()), (2, 2));
    assert!(!reads.plans && !reads.limits && reads.parents.is_empty());
}

#[test]
fn accounts_that_are_asked_the_same_are_read_on_together() {
    let plan = plan(
        "{ a: account(id: 1) { ...F } b: account(id: 2) { ...F } me { actingAs { ...F } } c: account { id } }
         fragment F on Tenant { id members { totalCount } }",
    );
    let selections: Vec<usize> = plan.reads.accounts.iter().map(|own| own.selection).collect();
    assert_eq!(selections, [0, 0, 0, 1]);
}

#[test]
fn what_it_cannot_serve_is_not_planned() {
    for document in [
        "mutation { signIn { token } }",
        "{ account { apiKeys { nodes { id } } } }",
        "{ __schema { description } }",
        "{ account { id @deprecated } }",
        "query @cached { account { id } }",
        "{ account { x: id x: name } }",
        "{ account { m: members(first: 1) { totalCount } m: members(first: 2) { totalCount } } }",
        "{ account { ...Missing } }",
    ] {
        assert!(plan_with(document, json!({})).is_err(), "{document}");
    }
}

#[test]
fn a_plan_that_would_be_too_large_is_not_made() {
    let mut inner = String::from("id");
    for _ in 0..20 {
        inner = format!("parent {{ ... on Account {{ name }} {inner} }}");
    }
    let refused = plan_with(&format!("{{ account {{ {inner} }} }}"), json!({}));
    assert_eq!(
        refused.err(),
        Some(Unplanned("the plan would be too large".to_owned()))
    );
}

#[test]
fn a_plan_is_told_in_words() {
    let plan = plan("{ account { plan { name } subaccounts { nodes { id members { totalCount } } } } }");
    let told = PlanDescription::of(&plan).to_string();
    let (_, words) = told.split_once('\n').unwrap();
    let expected = "\
reads account by its id
  each account: 4 fields, 3 points
    reads plans
    reads a page of subaccounts, where the caller has Subaccounts Read
      each account: 3 fields, 3 points
        reads a page of members, where the caller has Members Read
";
    assert_eq!(words, expected);
}
