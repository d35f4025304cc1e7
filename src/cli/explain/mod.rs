//! `canopy explain`: how the operations of a document are answered, and what is asked of the database for one.

mod sent;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use canopy_schema::{Explained, Explainer};
use clap::Args;
use serde_json::{Map, Value, json};

use super::Refused;
use super::arguments::OutputOptions;
use super::output::Output;
use crate::config::Sources;
use crate::serve::schema_settings;

/// The most bytes of standard input that are read; a document's own bound is lower.
const MOST_INPUT: u64 = 16 << 20;

#[derive(Debug, Args)]
pub(super) struct ExplainOptions {
    /// The GraphQL document, or - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The operation; without it all of the document are explained.
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// The values of the operation's variables: a JSON object.
    #[arg(long, value_name = "JSON", value_parser = variables)]
    variables: Option<Map<String, Value>>,
    /// A token or an API key to run the query with.
    #[arg(long)]
    token: Option<String>,
    /// The account to act on, one below that of the token.
    #[arg(long, value_name = "ID", requires = "token")]
    account: Option<String>,
    /// Show the database's own plan of each statement, too.
    #[arg(long, requires = "token")]
    analyze: bool,
    /// The database; overrides database.url.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    #[command(flatten)]
    output: OutputOptions,
}

fn variables(given: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(given).map_err(|error| format!("it is no JSON object: {error}"))
}

pub(super) async fn run(sources: Sources, mut options: ExplainOptions) -> anyhow::Result<()> {
    let output = Output::new(&options.output);
    let database_url = options.database_url.take();
    let loaded = sources
        .flag("--database-url", "database.url", database_url)
        .load()?;
    let text = read(&options.file)?;
    let given = options.variables.clone().unwrap_or_default();
    let explainer = Explainer::new(&schema_settings(&loaded.config));
    let operation = options.operation.as_deref();
    let explained = explainer.explain(text.clone(), operation, &given).await;
    let explained = explained.map_err(Refused)?;
    let mut told = json!({"operations": explained.iter().map(as_json).collect::<Vec<_>>()});
    let mut words: Vec<String> = explained.iter().map(in_words).collect();
    if options.token.is_some() {
        if explained.iter().any(|one| one.kind != "query") {
            return Err(Refused("Only queries are run: name one with --operation.".to_owned()).into());
        }
        let sent = sent::by(&loaded.config, text, given, &options).await?;
        told["run"] = sent.as_json();
        words.push(sent.in_words());
    }
    output.value(&told, || words.join("\n"))?;
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    if file != Path::new("-") {
        return std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()));
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MOST_INPUT).read_to_string(&mut text);
    read.context("cannot read standard input")?;
    Ok(text)
}

fn as_json(explained: &Explained) -> Value {
    let (plan, reason) = match &explained.plan {
        Ok(plan) => (Some(plan), None),
        Err(reason) => (None, Some(reason)),
    };
    json!({"name": explained.name, "kind": explained.kind, "plan": plan, "notPlanned": reason})
}

fn in_words(explained: &Explained) -> String {
    let name = explained.name.as_deref().unwrap_or("without a name");
    match &explained.plan {
        Ok(plan) => format!("{} {name}: answered by a query plan\n{plan}", explained.kind),
        Err(reason) => format!("{} {name}: answered by resolvers, as {reason}\n", explained.kind),
    }
}
