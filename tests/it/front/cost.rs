//! What an answer costs, and the budget that it is taken from.

use std::collections::HashSet;
use std::sync::Arc;

use canopy_domain::budgets::BudgetSettings;
use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Reply, reply};
use crate::app::database::TestDatabase;
use crate::app::process::Served;
use crate::app::served::{House, house};
use crate::app::{App, Caller};

/// Costs the points that `first` says, and two for the account and the list.
const PAGE: &str =
    "query ($id: ID!, $first: Int!) { account(id: $id) { subaccounts(first: $first) { nodes { id } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_what_it_could_cost_and_what_it_did() {
    let house = house().await;
    house.app.subaccount(&house.main, "Acme").await;
    let asked = ask(&house, &house.main, 50).await;
    assert_eq!(
        asked.body["data"]["account"]["subaccounts"]["nodes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let cost = &asked.body["extensions"]["cost"];
    assert_eq!((&cost["requested"], &cost["actual"]), (&json!(52), &json!(3)));
    assert_eq!(cost["limit"], Value::Null, "this house has no budgets");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_may_cost_too_much_is_refused_before_anything_is_read() {
    let mut house = house().await;
    house.server = Served::start_with(&house.app, |config| config.graphql.max_cost = 51).await;
    let nothing = json!({"query": "{ __typename }"});
    house.app.statements.take();
    reply(house.post().json(&nothing)).await;
    let sent = || {
        let sent = house.app.statements.take().into_iter();
        sent.map(|statement| statement.sql).collect::<HashSet<_>>()
    };
    let of_the_credential = sent();
    assert!(!of_the_credential.is_empty());
    let people = PAGE.replace("subaccounts", "members");
    let variables = |first: u32| json!({"id": house.main.id.as_str(), "first": first});
    let refused = run(&house, &people, variables(50)).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert!(
        refused.body["errors"][0]["message"]
            .to_string()
            .contains("52 points")
    );
    // What was remembered of the credential may be too old by now.
    let sent = sent();
    assert!(sent.is_subset(&of_the_credential), "{sent:?}");
    assert_eq!(run(&house, &people, variables(49)).await.code(), "none");
}

async fn ask(house: &House, account: &Account, first: u32) -> Reply {
    let variables = json!({"id": account.id.as_str(), "first": first});
    run(house, PAGE, variables).await
}

async fn run(house: &House, document: &str, variables: Value) -> Reply {
    reply(
        house
            .post()
            .json(&json!({"query": document, "variables": variables})),
    )
    .await
}

/// How many of the statements since the last time counted rows, up to a bound.
fn counts(house: &House) -> usize {
    let statements = house.app.statements.take();
    statements
        .iter()
        .filter(|own| own.sql.contains("COUNT(*)") && own.sql.contains("LIMIT"))
        .count()
}

/// So many levels below an account, of 25 accounts each; the account that is acted on if no id is given.
fn levels(count: usize, each: &str) -> String {
    let inner = (0..count).fold(String::new(), |inner, _| {
        format!("subaccounts(first: 25) {{ nodes {{ id {each} {inner} }} }}")
    });
    format!("query ($id: ID) {{ account(id: $id) {{ {inner} }} }}")
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_of_accounts_cost_no_more_than_the_accounts_that_there_are() {
    let mut house = house().await;
    let mut child = house.main.clone();
    for name in ["One", "Two", "Three"] {
        child = house.app.subaccount(&house.main, name).await;
        for name in ["First", "Second"] {
            house.app.subaccount(&child, name).await;
        }
    }
    let three = levels(3, "");
    let main = json!({"id": house.main.id.as_str()});
    house.app.statements.take();
    let plain = run(&house, &three, main.clone()).await;
    assert_eq!(
        plain.body["extensions"]["cost"]["requested"],
        2 + 25 * (2 + 25 * (2 + 25))
    );
    assert_eq!(counts(&house), 0, "pages alone are within the bound");

    // The account, its list, and nine accounts below with a list each.
    house.server = Served::start_with(&house.app, |config| config.graphql.max_cost = 20).await;
    house.app.statements.take();
    let counted = run(&house, &three, main.clone()).await;
    assert_eq!(counted.body["data"], plain.body["data"]);
    let cost = &counted.body["extensions"]["cost"];
    assert_eq!((&cost["requested"], &cost["actual"]), (&json!(20), &json!(20)));
    assert_eq!(counts(&house), 1);
    // One of them has two below, by its id or as the account that is acted on.
    let by_id = run(&house, &three, json!({"id": child.id.as_str()})).await;
    let narrowed = house.post().header("x-sub-account-id", child.id.as_str());
    let narrowed = reply(narrowed.json(&json!({"query": three}))).await;
    for answer in [by_id, narrowed] {
        assert_eq!(
            answer.body["extensions"]["cost"]["requested"],
            2 + 2 * 2,
            "{}",
            answer.body
        );
    }
    // What is not there, or not the caller's, has nothing below.
    let other = house.app.main_account(None, "Other", "pln_itellico").await;
    house.app.subaccount(&other, "Unseen").await;
    let unseen = run(&house, &three, json!({"id": other.id.as_str()})).await;
    assert_eq!(unseen.code(), "NOT_FOUND");
    assert_eq!(unseen.body["extensions"]["cost"]["requested"], 2);

    house.server = Served::start_with(&house.app, |config| config.graphql.max_cost = 19).await;
    let refused = run(&house, &three, main.clone()).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert!(
        refused.body["errors"][0]["message"]
            .to_string()
            .contains("20 points")
    );
    assert_eq!(run(&house, &levels(1, ""), main).await.code(), "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_levels_of_pages_are_within_the_default_bounds() {
    let house = house().await;
    house.app.subaccount(&house.main, "One").await;
    let five = levels(5, "members(first: 10) { nodes { user { name } } }");
    let answer = run(&house, &five, json!({})).await;
    assert_eq!(answer.code(), "none", "{}", answer.body);
    // The account, its list, and one account with a list of people, ten people, their users and a list of accounts.
    assert_eq!(
        answer.body["extensions"]["cost"]["requested"],
        2 + 1 + 1 + 10 * 2 + 1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_a_bounded_number_of_values() {
    let mut house = house().await;
    house.server = Served::start_with(&house.app, |config| config.graphql.max_values = 20).await;
    let document = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    // The request, its document, the variables, the list, and so many ids.
    let ids = |count: usize| json!({"ids": vec!["acc_x"; count]});
    assert_eq!(run(&house, document, ids(16)).await.code(), "none");
    let refused = run(&house, document, ids(17)).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::BAD_REQUEST, "BAD_USER_INPUT")
    );
    assert!(
        refused.body["errors"][0]["message"]
            .to_string()
            .contains("20 values")
    );
}

/// Budgets that do not fill again while a test runs.
fn budgets() -> BudgetSettings {
    BudgetSettings {
        capacity: 200,
        restored: 0,
        child_share: 60,
        least: 60,
    }
}

/// What is left after asking for a page of so many rows, or none if there was too little.
async fn left(app: &App, caller: &Caller, account: &Account, first: u32) -> Option<u64> {
    let answer = app
        .run_whole(caller, PAGE, json!({"id": account.id.as_str(), "first": first}))
        .await;
    match answer["errors"][0]["extensions"]["code"].as_str() {
        None => answer["extensions"]["cost"]["remaining"].as_u64(),
        Some("RATE_LIMITED") => {
            assert!(answer["errors"][0]["extensions"]["retryAfter"].as_u64() >= Some(1));
            None
        }
        Some(other) => panic!("{other}: {answer}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_draws_from_its_own_budget_and_from_those_above_it() {
    let app = App::configured(|settings| settings.budget = budgets()).await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let (one, other) = (
        app.subaccount(&main, "One").await,
        app.subaccount(&main, "Other").await,
    );
    let (first, second) = (
        app.member(&one, Role::Owner).await,
        app.member(&other, Role::Owner).await,
    );

    // A child has 60 percent of 200; an empty answer costs two points of the ten that may be asked.
    let mut answered = 0;
    while left(&app, &first, &one, 8).await.is_some() {
        answered += 1;
        assert!(answered < 1_000, "its budget never ends");
    }
    assert!(
        (50..=60).contains(&answered),
        "{answered} answers of two points from 120"
    );
    // The parent has what the child did not spend, and the other child shares that.
    assert!(left(&app, &second, &other, 8).await.is_some());
    let mut parents = 0;
    while left(&app, &owner, &main, 8).await.is_some() {
        parents += 1;
        assert!(parents < 1_000, "its budget never ends");
    }
    assert!(parents <= 40, "{parents} answers from what was left of 200");
    assert!(left(&app, &owner, &main, 58).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_a_budget() {
    let database = Arc::new(TestDatabase::create().await);
    let configure = |settings: &mut canopy_domain::Settings| settings.budget = budgets();
    let here = App::on_configured(Arc::clone(&database), configure).await;
    let there = App::on_configured(database, configure).await;
    let main = here.main_account(None, "Main", "pln_itellico").await;
    let owner = here.member(&main, Role::Owner).await;
    let mut answered = 0;
    for turn in 0..1_000 {
        let house = if turn % 2 == 0 { &here } else { &there };
        match left(house, &owner, &main, 8).await {
            Some(_) => answered += 1,
            None => break,
        }
    }
    assert!(
        (80..=100).contains(&answered),
        "{answered} answers of two points from 200"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_too_little_is_told_when_there_is_enough() {
    let app = App::configured(|settings| {
        settings.budget = BudgetSettings {
            restored: 1,
            ..budgets()
        };
    })
    .await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let server = Served::start_with(&app, |config| config.graphql.max_cost = 1_000).await;
    let client = canopy::tls::client_builder().build().unwrap();
    let ask = |first: u32| {
        let variables = json!({"id": main.id.as_str(), "first": first});
        let request = client.post(server.url("/graphql")).bearer_auth(owner.secret());
        let request = request.header("accept", "application/graphql-response+json");
        request.json(&json!({"query": PAGE, "variables": variables}))
    };
    for _ in 0..1_000 {
        let answer = reply(ask(8)).await;
        if answer.status == StatusCode::OK {
            assert_eq!(answer.body["extensions"]["cost"]["restoreRate"], 1);
            continue;
        }
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED")
        );
        let seconds = answer.header("retry-after").parse::<u64>().unwrap();
        assert_eq!(answer.body["errors"][0]["extensions"]["retryAfter"], seconds);
        assert!((1..=10).contains(&seconds), "{seconds}");
        return;
    }
    panic!("its budget never ends");
}
