//! `canopy usage`: the usage that a running server keeps, as a file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;
use tempfile::NamedTempFile;

use super::{arguments::ServerOptions, output::Output, rules::client::Client};

#[derive(Debug, Subcommand)]
pub(super) enum UsageCommand {
    /// Write events, or sums of buckets, to a file or to standard output.
    #[command(after_help = "Examples:\n  \
        canopy usage export --account acc_01k… --include-descendants --from 2026-01-01 --to 2026-02-01 --out january.csv\n  \
        canopy usage export --from 2026-01-01 --to 2026-02-01 --granularity day --format ndjson\n\n\
        A file is there when it is whole, and not before. docs/usage.md tells what is in it.")]
    Export(ExportOptions),
}

#[derive(Debug, Args)]
pub(super) struct ExportOptions {
    /// Whose; not given: the account that the token acts on.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Everything below it too.
    #[arg(long)]
    include_descendants: bool,
    /// From then on: an instant, or a day in UTC.
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Until then, exclusively.
    #[arg(long, value_name = "TIME")]
    to: String,
    /// Sums of such buckets; none: single events.
    #[arg(long, default_value = "none", value_parser = ["hour", "day", "month", "none"])]
    granularity: String,
    /// Only these, separated by commas.
    #[arg(long, value_name = "METERS")]
    meters: Option<String>,
    /// CSV with a row of names, or a JSON object a line.
    #[arg(long, default_value = "csv", value_parser = ["csv", "ndjson"])]
    format: String,
    /// The file to write; "-", or not given: standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(command: UsageCommand, server: ServerOptions, output: &Output) -> anyhow::Result<()> {
    let UsageCommand::Export(options) = command;
    let client = Client::new(server)?;
    match options.out.as_deref().filter(|file| *file != Path::new("-")) {
        None => export(&client, &options, &mut io::stdout().lock())
            .await
            .map(drop),
        Some(file) => {
            let name = file.display();
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            let unfinished = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
            let mut unfinished = unfinished.with_context(|| format!("cannot write beside {name}"))?;
            let bytes = export(&client, &options, &mut unfinished).await?;
            unfinished
                .persist(file)
                .with_context(|| format!("cannot write {name}"))?;
            let told = json!({ "file": file, "bytes": bytes });
            Ok(output.value(&told, || format!("Wrote {bytes} bytes to {name}."))?)
        }
    }
}

/// Writes all of it; answers how many bytes.
async fn export(client: &Client, options: &ExportOptions, to: &mut impl Write) -> anyhow::Result<u64> {
    let mut query = vec![
        ("from", options.from.as_str()),
        ("to", &options.to),
        ("granularity", &options.granularity),
        ("format", &options.format),
    ];
    query.extend(options.account.as_deref().map(|account| ("account", account)));
    query.extend(options.meters.as_deref().map(|meters| ("meters", meters)));
    if options.include_descendants {
        query.push(("includeDescendants", "true"));
    }
    let mut written = 0;
    let write = |part: &[u8]| {
        written += part.len() as u64;
        to.write_all(part)
    };
    client.download("/usage/export", &query, write).await?;
    to.flush()?;
    Ok(written)
}
