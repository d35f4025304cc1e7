//! `canopy rules check`: what the server would say of the project's rule, without a server.

use canopy_domain::rules_host::{CheckReport, LoadedRule, RuleError, Samples};
use serde_json::json;

use super::{arguments::CheckOptions, build, project::Project, sandbox};
use crate::cli::{Refused, output::Output};

pub(super) async fn run(project: &Project, options: &CheckOptions, output: &Output) -> anyhow::Result<()> {
    let built = build::built(project)?;
    let host = sandbox::open()?;
    let rule = sandbox::load(&host, built.wasm).await?;
    let kind = rule.kind();
    anyhow::ensure!(
        kind == project.kind,
        "the component is a {} rule, and rule.toml says {}",
        kind.as_str(),
        project.kind.as_str()
    );
    let samples = Samples {
        meters: options.meters.clone(),
        allow_below_cost: options.allow_below_cost,
        ..Samples::default()
    };
    let configuration = project.configuration()?;
    let checked = async {
        if let Some(schema) = &rule.manifest().configuration_schema {
            host.check_configuration(None, schema, &configuration).await?;
        }
        host.check(&rule, &configuration.to_string(), samples).await
    };
    match checked.await {
        Ok(report) => passed(&rule, &report, output),
        Err(
            error @ (RuleError::BrokeContract { .. }
            | RuleError::InvalidSchema(_)
            | RuleError::InvalidConfiguration { .. }
            | RuleError::RefusedConfiguration(_)),
        ) => Err(refused(error)),
        Err(error) => Err(error.into()),
    }
}

fn passed(rule: &LoadedRule, report: &CheckReport, output: &Output) -> anyhow::Result<()> {
    let json = json!({
        "kind": rule.kind(),
        "class": rule.class(),
        "digest": rule.digest(),
        "sizeBytes": rule.size(),
        "report": report,
    });
    output.value(&json, || {
        let mut lines = vec![format!(
            "A server would take this {} rule of {} bytes. {}",
            rule.kind().as_str(),
            rule.size(),
            cost_of(rule.class().as_str())
        )];
        for check in &report.checks {
            lines.push(format!(
                "  {:<20} {} calls, {} answered",
                check.name, check.calls, check.answered
            ));
        }
        lines.push(format!(
            "A call took {} µs (median here) and at most {} fuel.",
            report.median_micros, report.fuel_max
        ));
        lines.push(format!("Digest {}.", rule.digest()));
        lines.join("\n")
    })?;
    Ok(())
}

/// A refusal whose counterexample, which is JSON, is laid out to be read.
fn refused(error: RuleError) -> anyhow::Error {
    let RuleError::BrokeContract {
        check,
        message,
        counterexample,
    } = &error
    else {
        return Refused(error.to_string()).into();
    };
    let shown = serde_json::from_str::<serde_json::Value>(counterexample)
        .map_or_else(|_| counterexample.clone(), |json| format!("{json:#}"));
    Refused(format!(
        "The rule breaks the contract in the check `{check}`: {message}\nThe smallest case found:\n{shown}"
    ))
    .into()
}

/// What a class means, in a sentence.
pub(super) fn cost_of(class: &str) -> &'static str {
    match class.to_lowercase().as_str() {
        "interpreter" => {
            "Its class is INTERPRETER: a call takes tenths of a millisecond or more, and uses up its account's budget many times faster."
        }
        _ => "Its class is SMALL: a call takes microseconds.",
    }
}
