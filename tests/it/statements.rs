//! The number of SQL statements follows the shape of a query, never its width, and each statement has its index.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use serde_json::{Value, json};

use crate::app::database::on_postgres;
use crate::app::{App, Caller};
use crate::operations::{event, hierarchy};

/// A chain of accounts, each with one client more than the chain needs, so that each level is a real page.
async fn wide_tree(width: usize) -> (App, Account, Caller) {
    let app = App::start().await;
    let main = app.main_account(None, "Wide", "pln_itellico").await;
    app.unit_price(&main, "0.1").await;
    let owner = app.member(&main, Role::Owner).await;
    let mut parents = vec![main.clone()];
    // Levels of one account each, but for the last two, which share out the width.
    for level in 1..=2 {
        let below = app
            .subaccount(
                parents.last().expect("there is a parent"),
                &format!("Level {level}"),
            )
            .await;
        parents.push(below);
    }
    let top = parents.last().expect("there is a parent").clone();
    let mut leaves = Vec::new();
    for n in 0..width {
        leaves.push(app.subaccount(&top, &format!("Wide {n:03}")).await);
    }
    for (n, leaf) in leaves.iter().enumerate() {
        app.member(leaf, if n % 2 == 0 { Role::Member } else { Role::Viewer })
            .await;
        if n % 5 == 0 {
            app.subaccount(leaf, &format!("Leaf of {n:03}")).await;
        }
    }
    let batch: Vec<Value> = leaves
        .iter()
        .map(|leaf| json!({"accountId": leaf.id.as_str(), "idempotencyKey": "a", "meter": "minutes", "quantity": "1"}))
        .collect();
    app.accepted(&app.record(&owner, &main, json!(batch)).await);
    (app, main, owner)
}

/// The statements of a hierarchy query that must succeed, and how many accounts it answered.
async fn statements_of_hierarchy(app: &App, main: &Account, owner: &Caller) -> (Vec<Statement>, usize) {
    // The first request may fill what is cached for all.
    app.run(owner, &hierarchy(100), json!({"id": main.id.as_str()}))
        .await
        .data();
    app.statements.take();
    let answer = app
        .run(owner, &hierarchy(100), json!({"id": main.id.as_str()}))
        .await;
    let statements = app.statements.take();
    let accounts = answer
        .data()
        .to_string()
        .matches("\"kind\":\"SUBACCOUNT\"")
        .count();
    (statements, accounts)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nested_query_takes_as_many_statements_for_100_subaccounts_as_for_one() {
    let mut counts = Vec::new();
    for width in [1, 25, 100] {
        let (app, main, owner) = wide_tree(width).await;
        let (statements, accounts) = statements_of_hierarchy(&app, &main, &owner).await;
        assert_eq!(accounts, 2 + width + width.div_ceil(5));
        println!(
            "{width} subaccounts on a level: {} statements for {accounts} accounts",
            statements.len()
        );
        counts.push(statements.len());
        if counts.iter().any(|count| *count != counts[0]) {
            panic!(
                "{counts:?}: {:#?}",
                statements.iter().map(|one| &one.sql).collect::<Vec<_>>()
            );
        }
    }
    assert!(counts[0] > 0, "the recorder hears the statements");
}

/// Tables that grow with the tenants.
const TENANT_TABLES: [&str; 20] = [
    "accounts",
    "members",
    "users",
    "api_keys",
    "permission_levels",
    "account_limits",
    "rule_versions",
    "rule_artifacts",
    "rule_activations",
    "rule_changes",
    "rule_checks",
    "rule_failures",
    "usage_events",
    "usage_aggregates",
    "usage_open_quarters",
    "rated_batches",
    "ledger_accounts",
    "postings",
    "outbox",
    "idempotency_records",
];

/// Indexes of work that is to be done, and of nothing else.
const PARTIAL_INDEXES: [&str; 2] = ["usage_events_pending", "outbox_unpublished"];

/// The lines of the plan of a statement.
async fn plan(app: &App, statement: &Statement) -> Vec<String> {
    let prefix = if on_postgres() {
        "EXPLAIN"
    } else {
        "EXPLAIN QUERY PLAN"
    };
    let explain = Statement {
        sql: format!("{prefix} {}", statement.sql),
        values: statement.values.clone(),
        db_backend: statement.db_backend,
    };
    let column = if on_postgres() { "QUERY PLAN" } else { "detail" };
    // Without rows a planner prefers to read a table as a whole; what counts is whether an index serves.
    let transaction = app.probe.begin().await.expect("a transaction can be begun");
    if on_postgres() {
        transaction
            .execute_unprepared("SET LOCAL enable_seqscan = off")
            .await
            .expect("a setting can be changed");
    }
    let rows = transaction.query_all_raw(explain).await;
    let rows = rows.unwrap_or_else(|error| panic!("{}: {error}", statement.sql));
    let lines = rows
        .iter()
        .map(|row| row.try_get::<String>("", column).expect("a line of the plan"))
        .collect();
    transaction
        .rollback()
        .await
        .expect("a transaction can be rolled back");
    lines
}

/// Whether a line of a plan reads a tenant table from end to end.
fn reads_whole_table(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    if on_postgres() {
        let at = words.iter().position(|word| *word == "on");
        let table = at.and_then(|at| words.get(at + 1)).copied().unwrap_or_default();
        line.contains("Seq Scan on") && TENANT_TABLES.contains(&table)
    } else {
        // `SCAN table` is a full read; with `USING INDEX` it is one in the order of the index.
        let partial = PARTIAL_INDEXES.iter().any(|index| words.contains(index));
        words.first() == Some(&"SCAN")
            && !partial
            && words.get(1).is_some_and(|name| TENANT_TABLES.contains(name))
    }
}

async fn assert_indexed(app: &App, statements: &[Statement]) {
    let mut seen = std::collections::HashSet::new();
    for statement in statements {
        let first = statement
            .sql
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_uppercase();
        let explainable = ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE"].contains(&first.as_str());
        if !explainable || !seen.insert(statement.sql.clone()) {
            continue;
        }
        let plan = plan(app, statement).await;
        let whole: Vec<_> = plan.iter().filter(|line| reads_whole_table(line)).collect();
        assert!(
            whole.is_empty(),
            "{whole:?}\nin the plan of {}\n{plan:#?}",
            statement.sql
        );
    }
    assert!(!seen.is_empty(), "there were statements to explain");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_of_the_nested_query_reads_a_whole_table() {
    let (app, main, owner) = wide_tree(25).await;
    let (statements, _) = statements_of_hierarchy(&app, &main, &owner).await;
    assert_indexed(&app, &statements).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_of_recording_or_relaying_reads_a_whole_table() {
    let (app, main, owner) = wide_tree(5).await;
    app.statements.take();
    app.accepted(&app.record(&owner, &main, json!([event("x"), event("y")])).await);
    app.relay().await;
    app.domain.rate_pending(10).await.expect("the rating works");
    assert_indexed(&app, &app.statements.take()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_of_handing_down_a_plan_reads_a_whole_table() {
    let (app, _, owner) = wide_tree(5).await;
    let id = app
        .rows("SELECT min(id) AS id FROM accounts WHERE kind = 'SUBACCOUNT'")
        .await;
    app.statements.take();
    let change = json!({"id": id[0]["id"], "planId": "pln_agentphone"});
    app.update_subaccount(&owner, change).await.success();
    assert_indexed(&app, &app.statements.take()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_takes_as_many_statements_for_a_large_batch_as_for_a_small_one() {
    let (app, main, owner) = wide_tree(1).await;
    let mut counts = Vec::new();
    for size in [1, 10, 100] {
        let batch: Vec<Value> = (0..size).map(|n| event(&format!("{size}-{n}"))).collect();
        app.statements.take();
        app.accepted(&app.record(&owner, &main, json!(batch)).await);
        counts.push(app.statements.take().len());
    }
    println!("statements of recordUsage for 1, 10 and 100 events: {counts:?}");
    assert!(
        counts[2] < counts[0] + 100,
        "a statement for each event: {counts:?}"
    );
}
