//! `canopy rules`: writing a rule, and its life on a running server.

mod arguments;
mod build;
mod check;
mod client;
mod fixture;
mod logs;
mod new;
mod project;
mod replay;
mod sandbox;
mod simulate;
mod templates;
mod test;
mod versions;

pub(super) use arguments::RulesCommand;
use client::{Client, text};
use project::Project;
use serde_json::json;
use versions::{show, show_all};

use super::{arguments::ServerOptions, output::Output};

pub(super) async fn run(command: RulesCommand, server: ServerOptions, output: &Output) -> anyhow::Result<()> {
    let client = || Client::new(server);
    match command {
        RulesCommand::New(new) => new::run(&new, output),
        RulesCommand::Build(options) => build::run(&Project::open(&options.project)?, output),
        RulesCommand::Test(options) => {
            test::run(&Project::open(&options.project.project)?, &options, output).await
        }
        RulesCommand::Check(options) => match &options.rule {
            None => check::run(&Project::open(&options.project.project)?, &options, output).await,
            Some(id) => {
                let input = json!({ "ruleVersionId": id });
                let checked = client()?.mutate("checkRule", "CheckRuleInput", input).await?;
                show(&checked, output)
            }
        },
        RulesCommand::Push(push) => {
            let client = client()?;
            let rule = client.push(&Project::open(&push.project.project)?, &push).await?;
            show(&activated(&client, rule, push.activate).await?, output)
        }
        RulesCommand::Upload(new) => {
            let (client, activate) = (client()?, new.activate);
            let rule = client.upload(new).await?;
            show(&activated(&client, rule, activate).await?, output)
        }
        RulesCommand::Activate(step) => show(&client()?.step("activateRule", &step).await?, output),
        RulesCommand::Shadow(step) => show(&client()?.step("shadowRule", &step).await?, output),
        RulesCommand::Retire(step) => show(&client()?.step("retireRule", &step).await?, output),
        RulesCommand::Rollback {
            account,
            kind,
            reason,
        } => {
            let rule = client()?.rollback(&account, &kind, reason.as_deref()).await?;
            show(&rule, output)
        }
        RulesCommand::List { account } => show_all(&client()?.versions(&account).await?, output),
        RulesCommand::Logs { rule, first } => logs::run(&client()?, &rule, first, output).await,
        RulesCommand::Simulate(simulate) => simulate::run(&client()?, &simulate, output).await,
        RulesCommand::Replay { rating } => replay::run(&client()?, &rating, output).await,
    }
}

/// The version, made live if that was asked for.
async fn activated(
    client: &Client,
    rule: serde_json::Value,
    activate: bool,
) -> anyhow::Result<serde_json::Value> {
    if !activate {
        return Ok(rule);
    }
    let input = json!({ "ruleVersionId": text(&rule["id"]) });
    client.mutate("activateRule", "ActivateRuleInput", input).await
}
