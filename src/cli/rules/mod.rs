//! `canopy rules`: writing a rule, and its life on a running server.

mod arguments;
mod build;
mod check;
pub(super) mod client;
mod fixture;
mod logs;
mod new;
mod project;
mod replay;
mod sandbox;
mod show;
mod simulate;
mod templates;
mod test;
mod upload;
mod versions;

pub(super) use arguments::RulesCommand;
use client::Client;
use project::Project;
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
            Some(id) => show(&client()?.check(id).await?, output),
        },
        RulesCommand::Push(push) => {
            let client = client()?;
            show(
                &client.push(&Project::open(&push.project.project)?, &push).await?,
                output,
            )
        }
        RulesCommand::Upload(new) => show(&client()?.upload(&new).await?, output),
        RulesCommand::Activate(activation) => show(&client()?.go_live(&activation).await?, output),
        RulesCommand::Shadow(step) => show(&client()?.step("shadowRule", &step).await?, output),
        RulesCommand::Retire(step) => show(&client()?.step("retireRule", &step).await?, output),
        RulesCommand::Rollback {
            account,
            kind,
            reason,
        } => {
            let rule = client()?.rollback(&account, kind, reason.as_deref()).await?;
            show(&rule, output)
        }
        RulesCommand::List { account } => show_all(&client()?.versions(&account).await?, output),
        RulesCommand::Show { rule } => show::run(&client()?, &rule, output).await,
        RulesCommand::Logs { rule, first } => logs::run(&client()?, &rule, first, output).await,
        RulesCommand::Simulate(simulate) => simulate::run(&client()?, &simulate, output).await,
        RulesCommand::Replay(replay) => replay::run(&client()?, &replay, output).await,
    }
}
