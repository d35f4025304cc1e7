//! The forest that benchmarks read: what is written past the services is what the services could have written.

use std::collections::HashMap;

use canopy_domain::auth::NewApiKey;
use canopy_domain::entity::PermissionKey;
use canopy_domain::forest::{Forest, ForestSize};
use canopy_domain::{Error, Result};
use serde_json::{Value, json};

use crate::app::{App, Caller};

const TREES: u32 = 2;

/// What no service would leave behind, and the rows that show it.
const MISGROWN: [(&str, &str); 4] = [
    (
        "accounts that do not stand below their parents",
        "SELECT a.id FROM accounts a JOIN accounts p ON p.id = a.parent_id
         WHERE a.path <> p.path || a.id || '/' OR a.depth <> p.depth + 1 OR a.id <= p.id",
    ),
    (
        "inherited plans that are not the parent's",
        "SELECT a.id FROM accounts a JOIN accounts p ON p.id = a.parent_id
         WHERE a.plan_inherited AND a.plan_id <> p.plan_id",
    ),
    (
        "accounts that pay for themselves without a transfer",
        "SELECT a.id FROM accounts a WHERE a.kind = 'SUBACCOUNT' AND (a.billing_mode = 'OWN') <> EXISTS (
           SELECT 1 FROM billing_transfers b WHERE b.account_id = a.id AND b.status = 'COMPLETED')",
    ),
    (
        "events elsewhere than their accounts",
        "SELECT e.id FROM usage_events e JOIN accounts a ON a.id = e.account_id WHERE e.path <> a.path",
    ),
];

async fn plant(app: &App) -> Result<Forest> {
    let size = ForestSize { trees: TREES };
    app.domain.plant_forest(size, &|_| ()).await
}

/// A key for everything at an account of the forest and below.
async fn key(app: &App, place: usize, forest: &Forest) -> Caller {
    let (id, path) = match place {
        0 => &forest.platform,
        tree => &forest.roots[tree - 1],
    };
    let actor = app.domain.system_actor(id, path);
    let account = app.domain.account(&actor, id).await.unwrap();
    let levels: HashMap<_, _> = PermissionKey::all().map(|key| (key, key.max_level())).collect();
    let new = NewApiKey {
        name: "all".to_owned(),
        levels,
        expires_at: None,
        allowed_ips: Vec::new(),
    };
    let made = app.domain.create_api_key(&actor, &account, new).await.unwrap();
    Caller::bearer(&made.secret)
}

#[tokio::test]
async fn forest_is_consistent_and_grows_in_empty_databases_only() {
    let app = App::start().await;
    let forest = plant(&app).await.unwrap();
    assert_eq!(forest.roots.len(), TREES as usize);
    for (table, rows) in &forest.rows {
        let extra = if *table == "plans" { 4 } else { 0 };
        assert_eq!(app.count(table).await, *rows as i64 + extra, "{table}");
    }
    assert_eq!(app.count("usage_events").await, 2 * 30 * 90);
    app.assert_balanced().await;
    app.assert_balanced().await;
    for (what, sql) in MISGROWN {
        let rows = app.rows(sql).await;
        assert!(rows.is_empty(), "{what}: {rows:#?}");
    }

    let again = plant(&app).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    assert_eq!(app.count("usage_events").await, 2 * 30 * 90);
}

#[tokio::test]
async fn queries_of_the_benchmark_are_answered_in_full() {
    let app = App::start().await;
    let forest = plant(&app).await.unwrap();
    let (all, own) = (key(&app, 0, &forest).await, key(&app, 1, &forest).await);
    let variables = json!({"id": forest.roots[0].0});
    let queries = [
        include_str!("../../benches/nested/queries/S.graphql"),
        include_str!("../../benches/nested/queries/M.graphql"),
        include_str!("../../benches/nested/queries/L.graphql"),
    ];
    for query in queries {
        let answer = app.run(&all, query, variables.clone()).await;
        assert_eq!(app.run(&own, query, variables.clone()).await, answer, "{query}");
        assert!(!holds_null(answer.data()), "{:#}", answer.0);
    }
    let answer = app.run(&all, queries[2], variables).await;
    let edges = answer.at("/account/subaccounts/edges").as_array().unwrap();
    assert_eq!(edges.len(), 25);
    for edge in edges {
        let node = &edge["node"];
        let lengths = ["/permissionSet/permissions", "/limits/resources", "/usage/totals"]
            .map(|pointer| node.pointer(pointer).and_then(Value::as_array).map(Vec::len));
        assert_eq!(lengths, [Some(28), Some(8), Some(3)], "{node:#}");
    }
}

/// True if something is missing from an answer.
fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(holds_null),
        Value::Object(members) => members.values().any(holds_null),
        _ => false,
    }
}
