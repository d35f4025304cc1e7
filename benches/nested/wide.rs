//! Lists that are long and trees that are deep: how long Canopy takes for one request at a time.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::check::answered;
use crate::load::Load;
use crate::postgres::Postgres;
use crate::script;
use crate::servers::Served;

/// How long each is asked for.
const LENGTH: Duration = Duration::from_secs(2);

/// An account with 10,000 below it.
const WIDE: &str = "acc_01jgfjk0000000000000000001";
/// One with five levels of 25 below it.
const DEEP: &str = "acc_01jgfjk0000000000000000002";

const LIST: &str = "query ($id: ID!, $first: Int, $after: String, $last: Int) {
  account(id: $id) { subaccounts(first: $first, after: $after, last: $last) {
    totalCount pageInfo { startCursor } nodes { id name } } } }";
const TEAMS: &str = "query ($id: ID!, $first: Int) { account(id: $id) { subaccounts(first: $first) { nodes {
    id name members(first: 10) { nodes { id role user { email } } } } } } }";

const USAGE: &str = "query ($id: ID!) { account(id: $id) {
  usage(period: { start: \"2025-06-01T00:00:00Z\", end: \"2025-07-01T00:00:00Z\" }, includeDescendants: true) {
    totals { meter quantity events amount { amount } } BUCKETS } } }";
/// Of the three meters together, as wide.sql has it: two events a day and meter of each account.
const EVENTS: u64 = 10_000 * 3 * 30 * 2;

const HEAD: &str = "
### Long and deep

Canopy alone, one request at a time, with subaccounts below one account.

| subaccounts | p50 ms | p99 ms | ms for each |
|---|---|---|---|
";

/// One request, and how long it took.
pub(crate) struct Timed {
    what: &'static str,
    /// In the answer, or in its sums.
    accounts: usize,
    /// Milliseconds.
    p50: f64,
    p99: f64,
}

impl Timed {
    pub(crate) fn json(&self) -> Value {
        json!({"what": self.what, "accounts": self.accounts, "p50Ms": self.p50, "p99Ms": self.p99})
    }
}

/// Adds the accounts, and asks for them.
pub(crate) async fn measure(served: &Served, postgres: &Postgres) -> Result<Vec<Timed>> {
    script::run(postgres, "wide.sql").await?;
    let wide = |variables: Value| {
        let mut variables = variables;
        variables["id"] = json!(WIDE);
        json!({"query": LIST, "variables": variables})
    };
    let last = answered(served, &wide(json!({"last": 100}))).await?;
    let list = &last["data"]["account"]["subaccounts"];
    ensure!(list["totalCount"] == 10_000, "{list}");
    let near_the_end = list["pageInfo"]["startCursor"].clone();
    let teams = |first: usize| json!({"query": TEAMS, "variables": {"id": WIDE, "first": first}});
    let deep = json!({"query": levels(), "variables": {"id": DEEP}});
    let asked = [
        (
            "the first 100 of 10,000, with totalCount",
            100,
            wide(json!({"first": 100})),
        ),
        ("the last 100, with totalCount", 100, wide(json!({"last": 100}))),
        (
            "99 after the 9,901st, with totalCount",
            99,
            wide(json!({"first": 100, "after": near_the_end})),
        ),
        ("1 with ten members", 1, teams(1)),
        ("10 with ten members each", 10, teams(10)),
        ("25 with ten members each", 25, teams(25)),
        ("50 with ten members each", 50, teams(50)),
        ("100 with ten members each", 100, teams(100)),
        ("five levels of 25 with ten members each", 125, deep),
    ];
    let mut timed = Vec::new();
    for (what, accounts, body) in asked {
        let found = count(&answered(served, &body).await?["data"]["account"]["subaccounts"]);
        ensure!(found == accounts, "{what}: {found} accounts");
        timed.push(time(served, what, accounts, &body).await?);
    }
    for (what, buckets) in [
        ("what 10,000 used in a month, by meter", ""),
        (
            "what 10,000 used in a month, by meter and day",
            "buckets { start meter quantity }",
        ),
    ] {
        let body = json!({"query": USAGE.replace("BUCKETS", buckets), "variables": {"id": WIDE}});
        let answer = answered(served, &body).await?;
        let totals = answer["data"]["account"]["usage"]["totals"].as_array();
        let events = totals
            .into_iter()
            .flatten()
            .filter_map(|total| total["events"].as_u64());
        ensure!(events.sum::<u64>() == EVENTS, "{what}: {answer}");
        timed.push(time(served, what, 10_000, &body).await?);
    }
    Ok(timed)
}

async fn time(served: &Served, what: &'static str, accounts: usize, body: &Value) -> Result<Timed> {
    let load = Load {
        requests: vec![served.request(body)],
        port: served.port,
        connections: 1,
        length: LENGTH,
    };
    let loaded = tokio::task::spawn_blocking(move || load.run()).await??;
    let at = |percent: usize| loaded.latencies[loaded.latencies.len() * percent / 100].as_secs_f64() * 1e3;
    Ok(Timed {
        what,
        accounts,
        p50: at(50),
        p99: at(99),
    })
}

/// Five levels, each with its members.
fn levels() -> String {
    let mut inner = String::new();
    for _ in 0..5 {
        inner = format!(
            "subaccounts(first: 25) {{ nodes {{ id name members(first: 10) {{ nodes {{ id role user {{ email }} }} }} {inner} }} }}"
        );
    }
    format!("query ($id: ID!) {{ account(id: $id) {{ {inner} }} }}")
}

/// The accounts on a page and below.
fn count(page: &Value) -> usize {
    let nodes = page["nodes"].as_array().into_iter().flatten();
    nodes.map(|node| 1 + count(&node["subaccounts"])).sum()
}

/// Markdown.
pub(crate) fn table(timed: &[Timed]) -> String {
    let rows = timed.iter().map(|own| {
        let each = own.p50 / own.accounts as f64;
        format!("| {} | {:.2} | {:.2} | {each:.4} |\n", own.what, own.p50, own.p99)
    });
    format!("{HEAD}{}", rows.collect::<String>())
}
