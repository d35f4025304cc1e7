//! Runs the steps of `xtask test` one after the other and sums them up.
//! What a step does is in `steps`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::evidence::Evidence;
use crate::interrupt;
use crate::process::{Counts, Report};
use crate::steps::{Bench, STEPS, Step};
use crate::tools::Missing;

/// How strict a run is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A missing tool skips its steps.
    Developer,
    /// A missing tool is a failure.
    Strict,
    /// Strict, with the steps that only CI runs.
    Ci,
}

impl Mode {
    /// Strict where `CI=true`, as CI services set it.
    pub(crate) fn of_environment() -> Self {
        match std::env::var("CI") {
            Ok(value) if value == "true" || value == "1" => Self::Strict,
            _ => Self::Developer,
        }
    }
}

/// How a step ended.
enum Outcome {
    Passed(Counts),
    Failed {
        counts: Counts,
        evidence: Evidence,
        reason: String,
    },
    Skipped(Missing),
}

struct Line {
    step: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// Runs the chosen steps, all of them even after a failure, and prints the table.
pub(crate) fn run(only: &[String], list: bool, mode: Mode) -> Result<ExitCode> {
    let chosen = choose(only, mode)?;
    if list {
        for step in chosen {
            println!("{:<20} {}", step.name, step.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let bench = Bench::default();
    let mut lines = Vec::new();
    for step in chosen {
        println!("\n=== {}: {}", step.name, step.about);
        let start = Instant::now();
        let outcome = outcome_of((step.run)(&bench), mode);
        if interrupt::interrupted() {
            bail!("interrupted");
        }
        if let Outcome::Failed { reason, .. } = &outcome {
            eprintln!("\nstep {} failed: {reason}", step.name);
        }
        if let Outcome::Skipped(missing) = &outcome {
            eprintln!("\nWARNING: step {} is skipped. {missing}", step.name);
        }
        lines.push(Line {
            step: step.name,
            outcome,
            took: start.elapsed(),
        });
    }
    drop(bench);
    Ok(summarize(&lines))
}

fn choose(only: &[String], mode: Mode) -> Result<Vec<&'static Step>> {
    if let Some(unknown) = only
        .iter()
        .find(|name| !STEPS.iter().any(|step| step.name == **name))
    {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("there is no step `{unknown}`; the steps are {}", known.join(", "));
    }
    let wanted = |step: &&Step| match only {
        [] => mode == Mode::Ci || !step.only_ci,
        names => names.iter().any(|name| name == step.name),
    };
    Ok(STEPS.iter().filter(wanted).collect())
}

fn outcome_of(result: Result<Report>, mode: Mode) -> Outcome {
    match result {
        Ok(Report {
            counts,
            failure: None,
            ..
        }) if counts.failed == 0 => Outcome::Passed(counts),
        Ok(Report {
            counts,
            evidence,
            failure,
        }) => Outcome::Failed {
            counts,
            evidence,
            reason: failure.unwrap_or_else(|| "a test failed".to_owned()),
        },
        Err(error) => match error.downcast::<Missing>() {
            Ok(missing) if missing.optional || mode == Mode::Developer => Outcome::Skipped(missing),
            Ok(missing) => failed(missing.to_string()),
            Err(error) => failed(format!("{error:#}")),
        },
    }
}

/// A failure of a step that ran no test.
fn failed(reason: String) -> Outcome {
    Outcome::Failed {
        counts: Counts::default(),
        evidence: Evidence::default(),
        reason,
    }
}

/// Prints again what failed, a line for each step and, last, the number of tests.
fn summarize(lines: &[Line]) -> ExitCode {
    for Line { step, outcome, .. } in lines {
        if let Outcome::Failed { evidence, reason, .. } = outcome {
            println!("\n=== {step} failed: {reason}");
            for line in evidence.lines() {
                println!("{line}");
            }
        }
    }
    let mut sum = Counts::default();
    let mut failed_steps = 0;
    println!("\n{:<20} {:<8} {:>6} {:>9}", "step", "result", "tests", "seconds");
    for Line { step, outcome, took } in lines {
        let (result, counts, note) = match outcome {
            Outcome::Passed(counts) => ("passed", *counts, String::new()),
            Outcome::Failed { counts, reason, .. } => ("FAILED", *counts, first_line(reason)),
            Outcome::Skipped(missing) => ("SKIPPED", Counts::default(), missing.to_string()),
        };
        failed_steps += u64::from(result == "FAILED");
        let tests = if counts.total() == 0 {
            "-".to_owned()
        } else {
            counts.total().to_string()
        };
        println!(
            "{step:<20} {result:<8} {tests:>6} {:>9.1}  {note}",
            took.as_secs_f64()
        );
        sum.add(counts);
    }
    let skipped_steps = lines
        .iter()
        .filter(|line| matches!(line.outcome, Outcome::Skipped(_)))
        .count();
    println!(
        "\nsteps: {}, {failed_steps} failed, {skipped_steps} skipped",
        lines.len()
    );
    println!(
        "tests: {} passed, {} failed, {} skipped",
        sum.passed, sum.failed, sum.skipped
    );
    if failed_steps == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn first_line(reason: &str) -> String {
    reason.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(optional: bool) -> Result<Report> {
        Err(Missing {
            tool: "a tool".to_owned(),
            install: "Install it.",
            optional,
        }
        .into())
    }

    #[test]
    fn missing_tool_skips_for_a_developer_and_fails_in_ci() {
        assert!(matches!(
            outcome_of(missing(false), Mode::Developer),
            Outcome::Skipped(_)
        ));
        assert!(matches!(
            outcome_of(missing(false), Mode::Strict),
            Outcome::Failed { .. }
        ));
        assert!(matches!(
            outcome_of(missing(false), Mode::Ci),
            Outcome::Failed { .. }
        ));
        assert!(matches!(outcome_of(missing(true), Mode::Ci), Outcome::Skipped(_)));
    }

    #[test]
    fn failed_test_fails_the_step_even_if_the_command_succeeds() {
        let counts = Counts {
            passed: 4,
            failed: 1,
            skipped: 0,
        };
        let report = Report {
            counts,
            ..Report::default()
        };
        assert!(matches!(
            outcome_of(Ok(report), Mode::Developer),
            Outcome::Failed { .. }
        ));
    }

    #[test]
    fn unknown_step_is_refused_with_the_known_ones() {
        let error = choose(&["units".to_owned()], Mode::Developer)
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("units") && error.contains("it-postgres"),
            "{error}"
        );
    }

    #[test]
    fn steps_of_ci_run_only_there_unless_named() {
        let names = |only: &[String], mode| -> Vec<&str> {
            choose(only, mode).unwrap().iter().map(|step| step.name).collect()
        };
        assert!(!names(&[], Mode::Strict).contains(&"deny"));
        assert!(names(&[], Mode::Ci).contains(&"deny"));
        assert_eq!(names(&["deny".to_owned()], Mode::Developer), ["deny"]);
    }
}
