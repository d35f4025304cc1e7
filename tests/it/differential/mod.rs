//! Query plans and async-graphql's executor answer the same: documents made from a seed, and some made by hand, are run
//! on both, over the same database, by all kinds of callers.

mod fields;
mod grammar;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use canopy_domain::Actor;
use canopy_domain::entity::Role;
use canopy_schema::{CanopySchema, Data, Reply};
use serde_json::json;

use self::grammar::{Grammar, Request};
use self::world::World;
use crate::app::{App, answered};

/// How many documents each caller sends, unless CANOPY_TEST_DOCUMENTS says how many.
const DOCUMENTS: u64 = 60;

/// The number in an environment variable.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number of documents, or a seed"))
}

/// Both ways to answer.
struct Sides {
    planned: CanopySchema,
    resolved: CanopySchema,
}

/// What came of one request.
struct Outcome {
    by_plan: bool,
    /// Whether anything was executed.
    is_valid: bool,
    difference: Option<String>,
}

async fn answer(schema: &CanopySchema, actor: Option<&Actor>, request: &Request) -> Reply {
    answered(schema, actor, &request.document, request.variables.clone()).await
}

/// The errors without their order, each with the places in the document that it is told of: a field that is selected
/// twice fails twice where each selection is resolved for itself.
fn errors(reply: &Reply) -> BTreeMap<String, BTreeSet<String>> {
    let mut errors = BTreeMap::<String, BTreeSet<String>>::new();
    for error in &reply.errors {
        let mut error = serde_json::to_value(error).expect("an error is JSON");
        let place = error["locations"].take().to_string();
        errors.entry(error.to_string()).or_default().insert(place);
    }
    errors
}

fn data(reply: &Reply) -> String {
    let mut json = String::new();
    reply.data.write_to(&mut json);
    json
}

/// What differs between two answers.
fn difference(planned: &Reply, resolved: &Reply, asks_by_type: bool) -> Option<String> {
    let (own, other) = (data(planned), data(resolved));
    if own != other {
        return Some(format!("data\nplanned:  {own}\nresolved: {other}"));
    }
    let (own, other) = (errors(planned), errors(resolved));
    let same = own.keys().eq(other.keys())
        && own
            .values()
            .zip(other.values())
            .all(|(own, other)| own.is_subset(other));
    if !same {
        return Some(format!("errors\nplanned:  {own:#?}\nresolved: {other:#?}"));
    }
    let cost = |reply: &Reply| {
        let cost = reply.extensions.get("cost").cloned().unwrap_or_default();
        let cost = cost.into_json().expect("the cost is JSON");
        (cost["requested"].as_u64(), cost["actual"].as_u64())
    };
    let (own, other) = (cost(planned), cost(resolved));
    // Where fragments on both types select the same field, an answer that was put together by resolvers does not tell
    // which of them it came from.
    let same = match asks_by_type {
        true => own.0 == other.0 && own.1 <= other.1,
        false => own == other,
    };
    (!same).then(|| format!("cost\nplanned:  {own:?}\nresolved: {other:?}"))
}

impl Sides {
    async fn run(&self, actor: Option<&Actor>, request: &Request) -> Outcome {
        let by_type = ["on Account", "on Subaccount"];
        let by_type = by_type.iter().any(|own| request.document.contains(own));
        // The first answer goes through async-graphql, which validates the document.
        let first = answer(&self.planned, actor, request).await;
        let second = answer(&self.planned, actor, request).await;
        let resolved = answer(&self.resolved, actor, request).await;
        let difference =
            difference(&second, &resolved, by_type).or_else(|| difference(&first, &resolved, by_type));
        Outcome {
            by_plan: matches!(second.data, Data::Written(_)),
            is_valid: resolved.errors.iter().all(|error| !error.path.is_empty()),
            difference,
        }
    }

    /// The same, tried again if it differs: an hour may have ended in between.
    async fn agree(&self, label: &str, actor: Option<&Actor>, request: &Request) -> Outcome {
        let outcome = self.run(actor, request).await;
        if outcome.difference.is_none() {
            return outcome;
        }
        if let Some(difference) = self.run(actor, request).await.difference {
            panic!(
                "{label}: {}\n{:#}\ndiffer in {difference}",
                request.document, request.variables
            );
        }
        outcome
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_all_shapes_are_answered_alike_by_plan_and_by_resolvers() {
    let world = World::make().await;
    let ids = world.ids();
    let sides = world.sides();
    let (only, documents) = (number("CANOPY_TEST_SEED"), number("CANOPY_TEST_DOCUMENTS"));
    let documents = documents.unwrap_or(DOCUMENTS);
    let (mut by_plan, mut valid) = (0, 0);
    for (number, (label, actor)) in world.actors().await.iter().enumerate() {
        let first = number as u64 * documents;
        for seed in (first..first + documents).filter(|seed| only.is_none_or(|only| only == *seed)) {
            let request = Grammar::request(seed, &ids);
            let label = format!("seed {seed}, {label}");
            let outcome = sides.agree(&label, actor.as_ref(), &request).await;
            by_plan += usize::from(outcome.by_plan);
            valid += usize::from(actor.is_some() && outcome.is_valid);
        }
    }
    println!("{by_plan} of {valid} valid documents of callers with a credential were answered by plan");
    assert!(
        only.is_some() || by_plan * 5 > valid * 3,
        "only {by_plan} of {valid}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directive_reads_the_default_of_its_variable() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let document = "query ($yes: Boolean! = true, $no: Boolean = false) {
      account { a: name @include(if: $yes) b: name @skip(if: $yes) c: name @include(if: $no) d: name @skip(if: $no) }
    }";
    for _ in 0..2 {
        let answer = app.run(&owner, document, json!({})).await;
        assert_eq!(answer.at("/account"), &json!({"a": "Main", "d": "Main"}));
        let answer = app.run(&owner, document, json!({"yes": false, "no": true})).await;
        assert_eq!(answer.at("/account"), &json!({"b": "Main", "c": "Main"}));
    }
}

/// What chance seldom makes.
const BY_HAND: &[&str] = &[
    "query ($id: ID!) { a: account(id: $id) { ...F } b: account { ...F } me { actingAs { ...F } } node(id: $id) { ...F } }
     fragment F on Tenant { name members { totalCount } x: subaccounts { ...G } y: subaccounts { ...G } }
     fragment G on TenantConnection { nodes { id parent { name } limits { resources { max } } } }",
    "query ($id: ID!) { node(id: $id) { id ... on Tenant { name ancestors { name members { totalCount } } } ... on Member { role } } }",
    "query ($id: ID!) { a: account(id: $id) { ancestors { id } x: ancestors { id parent { id } } } b: node(id: $id) { __typename } }",
    "query ($id: ID) { account(id: $id) {
       ... on Account { m: members(first: 1) { nodes { id } } name }
       ... on Subaccount { name m: members(first: 2) { nodes { id role } } }
       subaccounts { nodes { ... on Subaccount { name } ... on Account { name kind } name } }
     } }",
    "query ($id: ID) { account(id: $id) { id } account(id: $id) { name id plan { id } } other: account { id } }",
    "query ($id: ID) { a: account(id: $id) { ...T plan { name } } b: account { ...T } }
     fragment T on Tenant { plan { id } members { totalCount nodes { user { email } } } members { edges { cursor } } }",
    "query ($id: ID) { account(id: $id) { parent { parent { name members { totalCount } } }
       subaccounts(first: 2) { pageInfo { hasNextPage startCursor endCursor } nodes { parent { name limits { resources { max } } } } } } }",
    "query ($id: ID) { account(id: $id) { x: usage(granularity: MONTH) { totals { meter } } y: usage(granularity: MONTH) { buckets { start } } } }",
    "query ($id: ID) { account(id: $id) { subaccounts { edges { x: node { name } y: node { id members { totalCount } } } nodes { id } } } }",
    "query ($id: ID) { account(id: $id) { subaccounts(first: 0) { nodes { members { totalCount } } totalCount } } }",
    "query ($id: ID) { account(id: $id) { limits { resource(name: \"members\") { max decidedBy { account } } } } __typename }",
    "query ($id: ID) { __typename account(id: $id) { __typename } }",
    "query ($id: ID) { account(id: $id) { apiKeys { nodes { id } } } }",
    "query ($id: ID) { account(id: $id) { ... on Node { id } ... on Member { role } } }",
    "query ($id: ID) { __schema { queryType { name } } account(id: $id) { id } }",
];

#[tokio::test(flavor = "multi_thread")]
async fn documents_made_by_hand_are_answered_alike_by_plan_and_by_resolvers() {
    let world = World::make().await;
    let sides = world.sides();
    for (label, actor) in &world.actors().await {
        for document in BY_HAND {
            for id in world.ids() {
                let request = Request {
                    document: (*document).to_owned(),
                    variables: json!({"id": id}),
                };
                sides.agree(label, actor.as_ref(), &request).await;
            }
        }
    }
}
