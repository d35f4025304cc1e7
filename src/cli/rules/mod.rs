//! `canopy rules`: writing a rule, and its life on a running server.

mod arguments;
mod build;
mod check;
mod client;
mod fixture;
mod new;
mod project;
mod sandbox;
mod templates;
mod test;
mod versions;

use serde_json::json;

pub(super) use arguments::RulesCommand;
use client::{Client, text};
use project::Project;
use versions::{row, said};

use super::{arguments::ServerOptions, output::Output};

pub(super) async fn run(command: RulesCommand, server: ServerOptions, output: &Output) -> anyhow::Result<()> {
    match command {
        RulesCommand::New(new) => new::run(&new, output)?,
        RulesCommand::Build(options) => build::run(&Project::open(&options.project)?, output)?,
        RulesCommand::Test(options) => {
            test::run(&Project::open(&options.project.project)?, &options, output).await?;
        }
        RulesCommand::Check(options) => {
            check::run(&Project::open(&options.project.project)?, &options, output).await?;
        }
        RulesCommand::Upload(new) => {
            let client = Client::new(server)?;
            let activate = new.activate;
            let mut rule = client.upload(new).await?;
            if activate {
                rule = client.activate(text(&rule["id"])).await?;
            }
            output.value(&rule, || said(&rule))?;
        }
        RulesCommand::Activate { rule } => {
            let rule = Client::new(server)?.activate(&rule).await?;
            output.value(&rule, || said(&rule))?;
        }
        RulesCommand::List { account } => {
            let rules = Client::new(server)?.list(&account).await?;
            let rows: Vec<Vec<String>> = rules.iter().map(row).collect();
            output.table(
                &json!(rules),
                &["ID", "KIND", "NAME", "VERSION", "STATUS", "DIGEST"],
                &rows,
            )?;
        }
    }
    Ok(())
}
