//! The receipt of a price: each step of its chain of sellers, as far as the asker may see it.

use anyhow::Context;
use canopy_domain::{
    Micros,
    rules_host::{LineItem, PricedLine, PricingInput},
};
use serde_json::{Value, json};

use super::{Rules, Step, rule_id};
use crate::cli::{Refused, rules::client::text};

const DOCUMENT: &str = "query Receipt($id: ID!) { rating(id: $id) { explain { steps { input output rating { \
    id price { amount currency } lineItems { description quantity amount { amount } } \
    ruleVersion ruleName ruleDigest inputDigest outputDigest } } } } }";

pub(super) async fn steps(rules: &mut Rules<'_>, rating: &str) -> anyhow::Result<Vec<Step>> {
    let data = rules.client.query(DOCUMENT, json!({ "id": rating })).await?;
    let Some(steps) = data["rating"]["explain"]["steps"].as_array() else {
        return Err(Refused("There is no such rating.".to_owned()).into());
    };
    let mut all = Vec::new();
    for step in steps {
        // A price without a rule is the cost, and of a seller out of scope nothing is told.
        if let (Some(input), Some(id)) = (step["input"].as_str(), rule_id(&step["rating"]["ruleVersion"])) {
            all.push(replay(rules, step, input, id).await?);
        }
    }
    if all.is_empty() {
        return Err(Refused("No step of this receipt has a rule that you may see.".to_owned()).into());
    }
    Ok(all)
}

async fn replay(rules: &mut Rules<'_>, step: &Value, input: &str, rule: &str) -> anyhow::Result<Step> {
    let receipt = &step["rating"];
    let input: PricingInput =
        serde_json::from_str(input).context("the receipt's input is not of this contract")?;
    let (digest, rule) = rules.fetch(rule).await?;
    let input_digest = input.digest();
    let ran = rules.host.examine_pricing(&rule, input).await;
    let (id, name) = (text(&receipt["id"]), text(&receipt["ruleName"]));
    let price = format!(
        "{} {}",
        text(&receipt["price"]["amount"]),
        text(&receipt["price"]["currency"])
    );
    let title = format!("{id}  {name}  {price}");
    let mut step_here = Step::new(title, json!({ "rating": id, "rule": name, "price": price }), &ran);
    let mut hold = |what: &str, here: Value, server: &Value| step_here.hold(what, &here, server);
    hold("rule", json!(digest), &receipt["ruleDigest"]);
    hold("input", json!(input_digest), &receipt["inputDigest"]);
    match ran.result.as_deref() {
        Ok([line]) => {
            hold("price", amount(line.amount), &receipt["price"]["amount"]);
            hold("line items", items(line), &receipt["lineItems"]);
            hold("answer's digest", json!(line.digest()), &receipt["outputDigest"]);
            hold("answer", json!(serde_json::to_string(line)?), &step["output"]);
        }
        Ok(lines) => hold("lines", json!(lines.len()), &json!(1)),
        Err(error) => hold("answer", json!(error.to_string()), &step["output"]),
    }
    Ok(step_here)
}

fn amount(micros: i64) -> Value {
    Micros::new(micros).map_or(Value::Null, |micros| json!(micros.to_string()))
}

/// The line items of an answer as a receipt shows them: the reason is a last one that charges nothing.
fn items(line: &PricedLine) -> Value {
    let item = |item: &LineItem| {
        json!({
            "description": item.description,
            "quantity": amount(item.quantity),
            "amount": { "amount": amount(item.amount) },
        })
    };
    let reason = LineItem {
        description: line.reason.clone(),
        quantity: 0,
        amount: 0,
    };
    let reason = Some(&reason).filter(|reason| !reason.description.is_empty());
    line.items.iter().chain(reason).map(item).collect()
}
