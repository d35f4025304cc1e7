//! The limits of an account: each bound on its path that a rule gives, as far as the asker may see it. No limit is
//! stored, so the server's side is what it answers now.

use anyhow::Context;
use canopy_domain::rules_host::LimitsInput;
use serde_json::{Value, json};

use super::{Rules, Step, rule_id};
use crate::cli::{Refused, rules::client::text};

const DOCUMENT: &str = "query Limits($id: ID!) { account(id: $id) { limits { resources { resource explain { steps { \
    source account max decides rule { id name digest } input output } } } } } }";

pub(super) async fn steps(
    rules: &mut Rules<'_>,
    account: &str,
    only: Option<&str>,
) -> anyhow::Result<Vec<Step>> {
    let data = rules.client.query(DOCUMENT, json!({ "id": account })).await?;
    let resources = data["account"]["limits"]["resources"].as_array();
    let resources = resources.map(Vec::as_slice).unwrap_or_default();
    let mut all = Vec::new();
    for resource in resources {
        let name = text(&resource["resource"]);
        if only.is_some_and(|only| only != name) {
            continue;
        }
        for step in resource["explain"]["steps"].as_array().into_iter().flatten() {
            // What a parent set has no rule, and of an account out of scope nothing is told.
            if let (Some(input), Some(id)) = (step["input"].as_str(), rule_id(&step["rule"]["id"])) {
                all.push(replay(rules, name, step, input, id).await?);
            }
        }
    }
    if all.is_empty() {
        let which = only.map_or_else(String::new, |name| format!(" of `{name}`"));
        return Err(Refused(format!(
            "No limit{which} of this account has a rule that you may see."
        ))
        .into());
    }
    Ok(all)
}

async fn replay(
    rules: &mut Rules<'_>,
    resource: &str,
    step: &Value,
    input: &str,
    rule: &str,
) -> anyhow::Result<Step> {
    let input: LimitsInput =
        serde_json::from_str(input).context("the limit's input is not of this contract")?;
    let (digest, rule) = rules.fetch(rule).await?;
    let ran = rules.host.examine_limits(&rule, input).await;
    let (account, name) = (text(&step["account"]), text(&step["rule"]["name"]));
    let max = step["max"]
        .as_i64()
        .map_or_else(|| "unlimited".to_owned(), |max| max.to_string());
    let decides = if step["decides"] == true { "  decides" } else { "" };
    let mut here = Step::new(
        format!("{resource}  {account}  {name}  {max}{decides}"),
        json!({
            "limit": resource, "account": account, "rule": name, "source": step["source"],
            "max": step["max"], "decides": step["decides"],
        }),
        &ran,
    );
    here.hold("rule", &json!(digest), &step["rule"]["digest"]);
    match &ran.result {
        Ok(answer) => {
            let max = answer.limit(resource).and_then(|limit| limit.max);
            // GraphQL's integers end here.
            here.hold(
                "max",
                &json!(max.map(|max| max.min(i64::from(i32::MAX)))),
                &step["max"],
            );
            here.hold("answer", &json!(serde_json::to_string(answer)?), &step["output"]);
        }
        Err(error) => here.hold("answer", &json!(error.to_string()), &step["output"]),
    }
    Ok(here)
}
