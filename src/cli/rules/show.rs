//! `canopy rules show`: one version, the steps of its life, and how its shadow compares to what is charged.

use serde_json::{Value, json};

use super::{
    client::{CHECKED, Client, FIELDS, text},
    simulate::{self, SIMULATION},
    versions,
};
use crate::cli::{Refused, output::Output};

pub(super) async fn run(client: &Client, rule: &str, output: &Output) -> anyhow::Result<()> {
    let document = format!(
        "query Show($id: ID!) {{ node(id: $id) {{ ...F ... on RuleVersion {{ configuration {CHECKED} \
         history(first: 100) {{ changedAt fromStatus toStatus changedBy reason }} \
         quarantine {{ at reason failures }} shadow {{ ...S }} }} }} }} {FIELDS} {SIMULATION}"
    );
    let mut data = client.query(&document, json!({ "id": rule })).await?;
    let version = data["node"].take();
    if version["id"].is_null() {
        return Err(Refused("There is no such rule version.".to_owned()).into());
    }
    output.value(&version, || said(&version))?;
    Ok(())
}

fn said(version: &Value) -> String {
    let mut lines = vec![
        versions::said(version),
        format!("Configuration {}.", version["configuration"]),
    ];
    let quarantine = &version["quarantine"];
    if quarantine.is_object() {
        lines.push(format!(
            "In quarantine since {} after {} failures: {}",
            text(&quarantine["at"]),
            quarantine["failures"],
            text(&quarantine["reason"])
        ));
    }
    for step in version["history"].as_array().into_iter().flatten() {
        let by = step["changedBy"].as_str().unwrap_or("Canopy");
        let why = step["reason"]
            .as_str()
            .map_or_else(String::new, |why| format!(": {why}"));
        lines.push(format!(
            "  {}  {} by {by}{why}",
            text(&step["changedAt"]),
            text(&step["toStatus"])
        ));
    }
    if version["shadow"].is_object() {
        lines.push(format!("In shadow: {}", simulate::said(&version["shadow"])));
    }
    lines.join("\n")
}
