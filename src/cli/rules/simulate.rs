//! `canopy rules simulate`: what a version would have charged for usage that is stored, with progress as it runs.

use std::{fs, io::IsTerminal, io::Write, path::Path, time::Duration};

use anyhow::{Context, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::{Value, json};

use super::{
    arguments::Simulate,
    client::{Client, text},
    versions::configuration,
};
use crate::cli::output::Output;

/// How often the server is asked how far it is.
const STEP: Duration = Duration::from_millis(500);
const START: &str = "mutation S($input: SimulateRuleInput!) { simulateRule(input: $input) { simulation { id } \
    userErrors { field message code } } }";
const READ: &str = "query S($id: ID!) { simulation(id: $id) { id status eventsTotal eventsDone failures \
    failureMessage pending before { amount currency } after { amount currency } difference { amount currency } \
    variance p50Change { amount } p95Change { amount } csvUrl error } }";

pub(super) async fn run(client: &Client, simulate: &Simulate, output: &Output) -> anyhow::Result<()> {
    let mut input = json!({
        "ruleVersionId": simulate.rule,
        "period": { "from": moment(&simulate.from)?, "to": moment(&simulate.to)? },
    });
    if let Some(given) = &simulate.configuration {
        input["configuration"] = configuration(given)?;
    }
    if !simulate.accounts.is_empty() {
        input["accountIds"] = json!(simulate.accounts);
    }
    let payload = client.payload(START, "simulateRule", input).await?;
    let done = wait(client, text(&payload["simulation"]["id"])).await?;
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

/// Asks until it has ended; anything but DONE is a failure.
async fn wait(client: &Client, id: &str) -> anyhow::Result<Value> {
    let mut steps = tokio::time::interval(STEP);
    let mut told = Value::Null;
    loop {
        steps.tick().await;
        let mut data = client.query(READ, json!({ "id": id })).await?;
        let simulation = data["simulation"].take();
        if told != simulation["eventsDone"] {
            told = simulation["eventsDone"].clone();
            progress(&simulation);
        }
        match text(&simulation["status"]) {
            "RUNNING" => {}
            "DONE" => {
                end_of_progress();
                return Ok(simulation);
            }
            status => {
                end_of_progress();
                bail!("the simulation {id} is {status}: {}", text(&simulation["error"]));
            }
        }
    }
}

/// On a terminal one line that moves, elsewhere a line each.
fn progress(simulation: &Value) {
    let line = format!(
        "{} of {} events",
        simulation["eventsDone"], simulation["eventsTotal"]
    );
    let mut err = std::io::stderr().lock();
    // Progress that nobody can read is no reason to stop.
    let _ = if err.is_terminal() {
        write!(err, "\r{line}\u{1b}[K").and_then(|()| err.flush())
    } else {
        writeln!(err, "{line}")
    };
}

fn end_of_progress() {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        let _ = writeln!(err);
    }
}

/// A moment, or the beginning of a day in UTC.
fn moment(given: &str) -> anyhow::Result<String> {
    if let Ok(day) = given.parse::<NaiveDate>() {
        let moment: DateTime<Utc> = day.and_time(NaiveTime::MIN).and_utc();
        return Ok(moment.to_rfc3339());
    }
    let moment = DateTime::parse_from_rfc3339(given).with_context(|| {
        format!("{given} is neither a day like 2026-01-31 nor a time like 2026-01-31T12:00:00Z")
    })?;
    Ok(moment.to_rfc3339())
}

fn said(done: &Value) -> String {
    let money = |name: &str| text(&done[name]["amount"]).to_owned();
    let mut lines = vec![
        format!(
            "{} events, {} without an answer.",
            done["eventsDone"], done["failures"]
        ),
        format!(
            "Before {} {}, after {}: difference {} ({} %).",
            money("before"),
            text(&done["before"]["currency"]),
            money("after"),
            money("difference"),
            text(&done["variance"])
        ),
        format!(
            "Change of an event: median {}, 95th percentile {}.",
            money("p50Change"),
            money("p95Change")
        ),
    ];
    if let Some(message) = done["failureMessage"].as_str() {
        lines.push(format!("The first without an answer: {message}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_or_a_time() {
        assert_eq!(moment("2026-01-31").expect("a day"), "2026-01-31T00:00:00+00:00");
        assert_eq!(
            moment("2026-01-31T12:00:00Z").expect("a time"),
            "2026-01-31T12:00:00+00:00"
        );
        assert!(moment("January").is_err());
    }
}
