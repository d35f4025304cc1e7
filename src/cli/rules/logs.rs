//! `canopy rules logs`: the last calls of a version, with what it logged.

use serde_json::{Value, json};

use super::client::{Client, text};
use crate::cli::{Refused, output::Output};

const DOCUMENT: &str = "query Runs($id: ID!, $first: Int!) { node(id: $id) { ... on RuleVersion { runs(first: $first) { \
    at rating { id price { amount currency } } failure { kind message } input output logs replay note } } } }";

pub(super) async fn run(client: &Client, rule: &str, first: u32, output: &Output) -> anyhow::Result<()> {
    let mut data = client
        .query(DOCUMENT, json!({ "id": rule, "first": first }))
        .await?;
    let runs = data["node"]["runs"].take();
    let Some(list) = runs.as_array() else {
        return Err(Refused("There is no such rule version.".to_owned()).into());
    };
    output.value(&runs, || match list.is_empty() {
        true => "It was not called yet.".to_owned(),
        false => list.iter().map(said).collect::<Vec<_>>().join("\n"),
    })?;
    Ok(())
}

fn said(run: &Value) -> String {
    let what = if run["failure"].is_object() {
        let failure = &run["failure"];
        format!(
            "failed ({}): {}",
            text(&failure["kind"]),
            text(&failure["message"])
        )
    } else {
        let (rating, price) = (&run["rating"], &run["rating"]["price"]);
        format!(
            "{} charged {} {}, run again: {}",
            text(&rating["id"]),
            text(&price["amount"]),
            text(&price["currency"]),
            text(&run["replay"])
        )
    };
    let mut lines = vec![format!("{}  {what}", text(&run["at"]))];
    for message in run["logs"].as_array().into_iter().flatten() {
        lines.push(format!("    {}", text(message)));
    }
    lines.join("\n")
}
