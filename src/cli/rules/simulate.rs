//! `canopy rules simulate`: what a version would have charged for usage that is stored, with progress as it runs.

use std::{fs, io::Write, path::Path, time::Duration};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::{
    arguments::Simulate,
    client::{Client, text},
    upload::configuration,
};
use crate::cli::{Refused, output::Output, progress::Counter};

/// How often the server is asked how far it is.
const STEP: Duration = Duration::from_millis(500);
const START: &str = "mutation S($input: SimulateRuleInput!) { simulateRule(input: $input) { simulation { id } \
    userErrors { field message code } } }";
const CANCEL: &str = "mutation C($input: CancelSimulationInput!) { cancelSimulation(input: $input) { \
    userErrors { field message code } } }";
/// What is told of a simulation.
pub(super) const SIMULATION: &str = "fragment S on Simulation { id status eventsTotal eventsDone failures \
    failureMessage pending before { amount currency } after { amount currency } difference { amount currency } \
    variance p50Change { amount } p95Change { amount } csvUrl error }";

pub(super) async fn run(client: &Client, simulate: &Simulate, output: &Output) -> anyhow::Result<()> {
    let mut input = json!({
        "ruleVersionId": simulate.rule,
        "period": { "from": simulate.from.to_rfc3339(), "to": simulate.to.to_rfc3339() },
    });
    if let Some(given) = &simulate.configuration {
        input["configuration"] = configuration(given)?;
    }
    if !simulate.accounts.is_empty() {
        input["accountIds"] = json!(simulate.accounts);
    }
    let payload = client.payload(START, "simulateRule", input).await?;
    let id = text(&payload["simulation"]["id"]);
    let done = tokio::select! {
        done = wait(client, id) => done.with_context(|| format!("the simulation {id} goes on"))?,
        _ = tokio::signal::ctrl_c() => {
            client.payload(CANCEL, "cancelSimulation", json!({ "id": id })).await?;
            bail!("the simulation {id} is cancelled");
        }
    };
    if done["status"] != "DONE" {
        let error = done["error"].as_str().unwrap_or("no results were kept");
        bail!("the simulation {id} is {}: {error}", text(&done["status"]));
    }
    if let Some(file) = &simulate.csv {
        let csv = client.get(text(&done["csvUrl"])).await?;
        if file == Path::new("-") {
            std::io::stdout().lock().write_all(&csv)?;
            return Ok(());
        }
        fs::write(file, csv).with_context(|| format!("cannot write {}", file.display()))?;
    }
    output.value(&done, || said(&done))?;
    Ok(())
}

/// Asks until it has ended, in whichever way.
async fn wait(client: &Client, id: &str) -> anyhow::Result<Value> {
    let document = format!("query S($id: ID!) {{ simulation(id: $id) {{ ...S }} }} {SIMULATION}");
    let mut steps = tokio::time::interval(STEP);
    let mut counter = Counter::default();
    loop {
        steps.tick().await;
        let mut data = client.query(&document, json!({ "id": id })).await?;
        let simulation = data["simulation"].take();
        counter.tell(&format!(
            "{} of {} events",
            simulation["eventsDone"], simulation["eventsTotal"]
        ));
        match text(&simulation["status"]) {
            "RUNNING" => {}
            "" => bail!(Refused(format!("There is no simulation {id} any more."))),
            _ => return Ok(simulation),
        }
    }
}

/// What a simulation came to, in words.
pub(super) fn said(simulation: &Value) -> String {
    let count = |name: &str| simulation[name].as_i64().unwrap_or_default();
    let mut lines = match count("eventsDone") {
        0 => vec!["No usage was priced in that time.".to_owned()],
        _ => compared(simulation),
    };
    if count("failures") > 0 {
        lines.push(format!(
            "{} of {} events have no price that may be charged. The first: {}",
            count("failures"),
            count("eventsDone"),
            simulation["failureMessage"].as_str().unwrap_or("not told")
        ));
    }
    if count("pending") > 0 {
        lines.push(format!(
            "{} events wait for a price and were left out.",
            count("pending")
        ));
    }
    lines.join("\n")
}

fn compared(simulation: &Value) -> Vec<String> {
    let money = |name: &str| text(&simulation[name]["amount"]);
    let currency = text(&simulation["before"]["currency"]);
    let share = simulation["variance"]
        .as_str()
        .map_or_else(String::new, |percent| format!(" ({percent} %)"));
    let difference = match (money("difference"), money("difference").strip_prefix('-')) {
        ("0", _) => "the same".to_owned(),
        (_, Some(less)) => format!("{less} {currency} less{share}"),
        (more, None) => format!("{more} {currency} more{share}"),
    };
    vec![
        format!("{} events.", simulation["eventsDone"]),
        format!(
            "Before {} {currency}, after {} {currency}: {difference}.",
            money("before"),
            money("after")
        ),
        format!(
            "Change of an event: median {} {currency}, 95th percentile {} {currency}.",
            money("p50Change"),
            money("p95Change")
        ),
    ]
}
