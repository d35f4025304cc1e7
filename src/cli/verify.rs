//! `canopy verify`: whether the sums that are kept are what their parts come to.

use anyhow::bail;
use canopy_domain::recount::Checked;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{output::Output, progress};
use crate::{
    config::Config,
    house::{self, Pending, Tokens},
};

#[derive(Debug, Subcommand)]
pub(super) enum VerifyCommand {
    /// Sums of usage, ratings, the ledger, and the news of them.
    Usage,
}

pub(super) async fn run(config: &Config, command: VerifyCommand, output: &Output) -> anyhow::Result<()> {
    let VerifyCommand::Usage = command;
    let domain = house::open(config, Pending::Refuse, Tokens::Unused).await?;
    let tell = |step: &str| progress::tell(&format!("verify: {step}"));
    let checked = domain.recount_usage(&tell).await?;
    output.value(&told(&checked), || words(&checked))?;
    let failed = checked.iter().filter(|check| check.differing > 0).count();
    if failed > 0 {
        bail!("{failed} of {} checks found differences", checked.len());
    }
    Ok(())
}

fn told(checked: &[Checked]) -> Value {
    let checks = checked.iter().map(|check| {
        json!({
            "check": check.what, "ok": check.differing == 0, "differences": check.differences,
            "more": check.differing > check.differences.len(),
        })
    });
    json!({ "checks": checks.collect::<Vec<_>>() })
}

fn words(checked: &[Checked]) -> String {
    let mut lines = Vec::new();
    for check in checked {
        let outcome = if check.differing == 0 { "ok" } else { "DIFFERS" };
        lines.push(format!("{outcome:8} {}", check.what));
        lines.extend(check.differences.iter().map(|row| format!("         {row}")));
        if check.differing > check.differences.len() {
            lines.push("         … and more".to_owned());
        }
    }
    lines.join("\n")
}
