//! `canopy rules replay`: takes a receipt's rule and input from the server, runs them here, and says whether the
//! answer is the one that was charged.

use anyhow::Context;
use canopy_domain::rules_host::{Digest, ENGINE, Host, PricingInput};
use serde_json::{Value, json};

use super::{
    client::{Client, text},
    sandbox,
};
use crate::cli::{Refused, output::Output};

const DOCUMENT: &str = "query Receipt($id: ID!) { rating(id: $id) { id explain { steps { \
    rating { id seller buyer price { amount currency } ruleVersion ruleName ruleDigest inputDigest outputDigest fuel } \
    input output } } } }";

/// How one step came out.
struct Replayed {
    rating: String,
    rule: String,
    price: String,
    equal: bool,
    fuel: u64,
    logs: Vec<String>,
    /// What differs, in sentences.
    differences: Vec<String>,
}

pub(super) async fn run(client: &Client, rating: &str, output: &Output) -> anyhow::Result<()> {
    let data = client.query(DOCUMENT, json!({ "id": rating })).await?;
    let Some(steps) = data["rating"]["explain"]["steps"].as_array() else {
        return Err(Refused("There is no such rating.".to_owned()).into());
    };
    let host = sandbox::open()?;
    let mut all = Vec::new();
    for step in steps {
        // A price without a rule is the cost, and of a seller out of scope nothing is told.
        if step["input"].is_string() && step["rating"]["ruleVersion"].is_string() {
            all.push(replay(client, &host, step).await?);
        }
    }
    if all.is_empty() {
        return Err(Refused("No step of this receipt has a rule that you may see.".to_owned()).into());
    }
    let json = json!({
        "equal": all.iter().all(|step| step.equal),
        "engine": ENGINE,
        "steps": all.iter().map(as_json).collect::<Vec<_>>(),
    });
    output.value(&json, || all.iter().map(said).collect::<Vec<_>>().join("\n"))?;
    let different = all.iter().filter(|step| !step.equal).count();
    anyhow::ensure!(different == 0, "{different} of {} steps differ", all.len());
    Ok(())
}

async fn replay(client: &Client, host: &Host, step: &Value) -> anyhow::Result<Replayed> {
    let receipt = &step["rating"];
    let wasm = client
        .get(&format!("/rules/{}.wasm", text(&receipt["ruleVersion"])))
        .await?;
    let mut differences = Vec::new();
    let mut hold = |what: &str, found: &str, wanted: &Value| {
        if found != text(wanted) {
            differences.push(format!(
                "{what}: the receipt says {}, here it is {found}",
                text(wanted)
            ));
        }
    };
    hold("rule", &Digest::of(&wasm).to_string(), &receipt["ruleDigest"]);
    let input: PricingInput =
        serde_json::from_str(text(&step["input"])).context("the receipt's input is not of this contract")?;
    let rule = host.prepare(wasm).await?;
    let ran = host.examine_pricing(&rule, input).await;
    hold("input", &ran.input_digest.to_string(), &receipt["inputDigest"]);
    match ran.result.as_deref() {
        Ok([line]) => {
            hold(
                "answer's digest",
                &line.digest().to_string(),
                &receipt["outputDigest"],
            );
            hold("answer", &serde_json::to_string(line)?, &step["output"]);
        }
        Ok(lines) => hold("lines", &lines.len().to_string(), &json!("1")),
        Err(error) => hold("answer", &error.to_string(), &step["output"]),
    }
    let price = &receipt["price"];
    Ok(Replayed {
        rating: text(&receipt["id"]).to_owned(),
        rule: text(&receipt["ruleName"]).to_owned(),
        price: format!("{} {}", text(&price["amount"]), text(&price["currency"])),
        equal: differences.is_empty(),
        fuel: ran.fuel,
        logs: ran.logs,
        differences,
    })
}

fn as_json(step: &Replayed) -> Value {
    json!({
        "rating": step.rating,
        "rule": step.rule,
        "price": step.price,
        "replay": if step.equal { "EQUAL" } else { "DIFFERENT" },
        "fuel": step.fuel,
        "logs": step.logs,
        "differences": step.differences,
    })
}

fn said(step: &Replayed) -> String {
    let verdict = if step.equal { "EQUAL" } else { "DIFFERENT" };
    let mut lines = vec![format!(
        "{}  {}  {}  {verdict}",
        step.rating, step.rule, step.price
    )];
    lines.extend(step.logs.iter().map(|message| format!("    log: {message}")));
    lines.extend(
        step.differences
            .iter()
            .map(|difference| format!("    {difference}")),
    );
    lines.join("\n")
}
