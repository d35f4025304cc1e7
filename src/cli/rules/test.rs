//! `canopy rules test`: asks the built rule each fixture's question in the server's own sandbox, and compares.

use canopy_domain::rules_host::{Examined, Host, LoadedRule};
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
    cost: Cost,
}

/// What a call took.
struct Cost {
    fuel: u64,
    micros: u128,
    memory: usize,
    logs: Vec<String>,
}

impl Cost {
    fn of<T>(ran: &Examined<T>) -> Self {
        Self {
            fuel: ran.fuel,
            micros: ran.elapsed.as_micros(),
            memory: ran.memory,
            logs: ran.logs.clone(),
        }
    }
}

pub(super) async fn run(project: &Project, options: &TestOptions, output: &Output) -> anyhow::Result<()> {
    let fixtures = Fixture::all(&project.fixtures(), project.kind, &project.configuration()?)?;
    if fixtures.is_empty() {
        anyhow::bail!(
            "there is no fixture: make {}/a-name/input.json",
            project.fixtures().display()
        );
    }
    let built = build::built(project)?;
    let host = sandbox::open()?;
    let rule = sandbox::load(&host, built.wasm).await?;
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
    output.table(
        &json,
        &["FIXTURE", "RESULT", "FUEL", "TIME", "MEMORY", "LOG"],
        &rows,
    )?;
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
    let (answer, cost) = match fixture.question.clone() {
        Question::Pricing(input) => {
            let ran = host.examine_pricing(rule, input).await;
            (
                ran.result
                    .as_ref()
                    .map_or_else(refusal, |lines| priced_lines(lines)),
                Cost::of(&ran),
            )
        }
        Question::Limits(input) => {
            let ran = host.examine_limits(rule, input).await;
            (
                ran.result.as_ref().map_or_else(refusal, limits_answer),
                Cost::of(&ran),
            )
        }
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
        cost,
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
        "logs": ran.cost.logs,
        "fuel": ran.cost.fuel,
        "micros": ran.cost.micros,
        "memoryBytes": ran.cost.memory,
    })
}

fn row(ran: &Ran) -> Vec<String> {
    vec![
        ran.name.clone(),
        result(ran).to_owned(),
        ran.cost.fuel.to_string(),
        format!("{} µs", ran.cost.micros),
        format!("{} KiB", ran.cost.memory / 1024),
        ran.cost.logs.join("; "),
    ]
}
