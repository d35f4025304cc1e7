//! `canopy rules test`: asks the built rule each fixture's question in the server's own sandbox, and compares.

use canopy_domain::rules_host::{Host, LoadedRule};
use serde_json::{Value, json};

use super::{
    arguments::TestOptions,
    build,
    fixture::{Fixture, Question, differences, limits_answer, priced_lines, refusal},
    project::Project,
    sandbox,
};
use crate::cli::output::Output;

/// What asking one fixture's question gave.
struct Ran {
    name: String,
    answer: Value,
    differences: Vec<String>,
    updated: bool,
    fuel: Option<u64>,
    micros: Option<u128>,
}

pub(super) async fn run(project: &Project, options: &TestOptions, output: &Output) -> anyhow::Result<()> {
    let fixtures = Fixture::all(&project.fixtures(), project.kind, &project.configuration()?)?;
    if fixtures.is_empty() {
        anyhow::bail!(
            "there is no fixture: make {}/a-name/input.json",
            project.fixtures().display()
        );
    }
    let built = build::build(project)?;
    let host = sandbox::open()?;
    let rule = host.prepare(built.wasm).await?;
    let mut all = Vec::new();
    for fixture in &fixtures {
        all.push(ask(&host, &rule, fixture, options.update).await?);
    }
    let failed = all.iter().filter(|ran| !ran.differences.is_empty()).count();
    let (passed, total) = (all.len() - failed, all.len());
    let json = json!({
        "passed": passed,
        "failed": failed,
        "fixtures": all.iter().map(as_json).collect::<Vec<_>>(),
    });
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    output.table(&json, &["FIXTURE", "RESULT", "FUEL", "TIME"], &rows)?;
    if failed == 0 {
        return Ok(());
    }
    let details: Vec<String> = all
        .iter()
        .filter(|ran| !ran.differences.is_empty())
        .map(|ran| format!("{}:\n  {}", ran.name, ran.differences.join("\n  ")))
        .collect();
    anyhow::bail!(
        "{failed} of {total} fixtures differ.\n{}\nIf the answers are right, write them down with --update.",
        details.join("\n")
    )
}

async fn ask(host: &Host, rule: &LoadedRule, fixture: &Fixture, update: bool) -> anyhow::Result<Ran> {
    let (answer, fuel, elapsed) = match fixture.question.clone() {
        Question::Pricing(input) => match host.price(rule, input).await {
            Ok(outcome) => (
                priced_lines(&outcome.value),
                Some(outcome.fuel),
                Some(outcome.elapsed),
            ),
            Err(error) => (refusal(&error), None, None),
        },
        Question::Limits(input) => match host.limits(rule, input).await {
            Ok(outcome) => (
                limits_answer(&outcome.value),
                Some(outcome.fuel),
                Some(outcome.elapsed),
            ),
            Err(error) => (refusal(&error), None, None),
        },
    };
    let expected = fixture.expected()?;
    let mut differences = match &expected {
        Some(expected) => differences(expected, &answer),
        None => vec!["there is no expected.json yet".to_owned()],
    };
    let updated = update && !differences.is_empty();
    if updated {
        fixture.expect(&answer)?;
        differences.clear();
    }
    Ok(Ran {
        name: fixture.name.clone(),
        answer,
        differences,
        updated,
        fuel,
        micros: elapsed.map(|elapsed| elapsed.as_micros()),
    })
}

fn result(ran: &Ran) -> &'static str {
    match (ran.updated, ran.differences.is_empty()) {
        (true, _) => "updated",
        (false, true) => "equal",
        (false, false) => "DIFFERENT",
    }
}

fn as_json(ran: &Ran) -> Value {
    json!({
        "name": ran.name,
        "result": result(ran).to_lowercase(),
        "answer": ran.answer,
        "differences": ran.differences,
        "fuel": ran.fuel,
        "micros": ran.micros,
    })
}

fn row(ran: &Ran) -> Vec<String> {
    let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    vec![
        ran.name.clone(),
        result(ran).to_owned(),
        shown(ran.fuel.map(|fuel| fuel.to_string())),
        shown(ran.micros.map(|micros| format!("{micros} µs"))),
    ]
}
