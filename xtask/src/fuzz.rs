//! Runs the fuzz targets of fuzz/ with cargo-fuzz. On the stable compiler, so without a sanitizer: the code under
//! test is safe Rust, and what is looked for are panics and what takes too long or too much.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{self, Report};
use crate::tools::{self, Missing};

/// Each is run for so long unless the caller says otherwise.
pub(crate) const SECONDS: u64 = 60;

/// The targets, and the largest input that each is given.
const TARGETS: [(&str, u32); 2] = [("validate", 16 << 10), ("lift", 4 << 10)];

/// The engine with the fuzzer's counters, on two cores that do other things too.
const BUILD: Duration = Duration::from_secs(40 * 60);

/// Builds the targets and runs one after the other; the first failure is the report's.
pub(crate) fn run(seconds: u64) -> Result<Report> {
    if tools::on_path("cargo-fuzz").is_none() {
        bail!(Missing {
            tool: "cargo-fuzz".to_owned(),
            install: "Install it with `cargo install --locked cargo-fuzz`.",
            optional: false,
        });
    }
    let target = tools::target_directory()?.join("fuzz");
    let target_option = format!("--target-dir={}", target.display());
    let common = ["--sanitizer=none", &target_option];
    tools::succeed(tools::cargo(&["fuzz", "build"]).args(common), BUILD)?;
    for (name, largest) in TARGETS {
        // What a run finds is kept for the next one, beside the build.
        let corpus = target.join("corpus").join(name);
        std::fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
        let mut fuzz = tools::cargo(&["fuzz", "run"]);
        fuzz.args(common)
            .arg(name)
            .arg(&corpus)
            .arg(format!("fuzz/seeds/{name}"));
        fuzz.args(["--", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
        fuzz.arg(format!("-max_len={largest}"));
        fuzz.arg(format!("-max_total_time={seconds}"));
        let report = process::run(&mut fuzz, BUILD + Duration::from_secs(seconds))?;
        if let Some(failure) = report.failure {
            let advice = format!("{name}: {failure}; the input lies in fuzz/artifacts/{name}");
            return Ok(Report {
                failure: Some(advice),
                ..report
            });
        }
    }
    Ok(Report::default())
}
