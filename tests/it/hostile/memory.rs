//! The real server's memory over the whole corpus.

use canopy_domain::entity::Role;
use canopy_domain::entity::rule_version::RuleKind;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::generated::Stage;
use super::{generated, hostile_rules, refused, upload};
use crate::app::process::{Process, post};
use crate::app::rules::component;
use crate::app::{App, Caller};

const UPLOAD: &str = "mutation ($input: UploadRuleInput!) {
  uploadRule(input: $input) { ruleVersion { id } userErrors { field message code } }
}";

/// So many uploads at once.
const AT_ONCE: usize = 4;

/// What the corpus may leave behind when it is met for the second time, in bytes.
const LEFT: u64 = 32 << 20;

/// What it may take at its worst, above what the server has when it starts: bodies of up to two megabytes, their
/// wasm, and the memories of calls.
const PEAK: u64 = 128 << 20;

async fn storm(url: &str, owner: &Caller, uploads: &[(String, Value)]) {
    let answers = futures_util::stream::iter(uploads).map(|(name, input)| async move {
        let answer = post(url, owner, UPLOAD, json!({"input": input})).await;
        refused(
            name,
            "PRICING",
            &answer.unwrap_or_else(|error| panic!("{name}: {error}")),
            &[],
        );
    });
    answers.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_memory_stays_bounded_over_the_whole_corpus() {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let texts = hostile_rules().into_iter();
    let texts = texts.map(|(name, text)| (name, component(RuleKind::Pricing, &text)));
    let generated = generated::uploads().into_iter();
    // One is larger than any request may be.
    let generated =
        generated.filter(|upload| upload.stage == Stage::Structure && upload.wasm.len() < 1 << 20);
    let generated = generated.map(|upload| (upload.name.to_owned(), upload.wasm));
    let uploads: Vec<_> = texts
        .chain(generated)
        .map(|(name, wasm)| (name, upload(&main, "PRICING", &wasm)))
        .collect();

    let process = Process::serve(&app.database).await;
    let (fresh, _) = process.memory();
    storm(&process.url, &owner, &uploads).await;
    let (before, _) = process.memory();
    storm(&process.url, &owner, &uploads).await;
    let (after, peak) = process.memory();
    let [fresh_mib, before_mib, after_mib, peak_mib] = [fresh, before, after, peak].map(|bytes| bytes >> 20);
    println!(
        "{} hostile uploads, twice: {fresh_mib} MiB when fresh, {before_mib} MiB after the first time, {after_mib} MiB \
         after the second, {peak_mib} MiB at most",
        uploads.len()
    );
    assert!(after <= before + LEFT, "it keeps {} bytes", after - before);
    assert!(peak <= fresh + PEAK, "it took {} bytes", peak - fresh);
    let (code, _) = process.terminate().await;
    assert_eq!(code, Some(0));
}
