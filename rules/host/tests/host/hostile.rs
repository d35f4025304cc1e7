//! The hostile rules of tests/it/hostile, those kept as text and those made there: each ends as it says, within
//! its budget, and nobody else waits.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use canopy_rules_host::testing::component_from_wat;
use canopy_rules_host::{Host, LoadedRule, RuleError, RuleKind, Samples};

use crate::generated::{Stage, uploads};
use crate::sandbox::{built_in, host, settings, subaccount, usage};

/// A call's deadline, and ten times that for a busy machine.
const CALL: Duration = Duration::from_millis(2500);

/// Reading the bytes of an upload takes milliseconds, where the machine is not busy and the reader is optimized.
const STRUCTURE: Duration = Duration::from_secs(3);

/// A second of processor time, and what a busy machine makes of it.
const COMPILER: Duration = Duration::from_secs(20);

struct Hostile {
    name: String,
    text: String,
    kind: String,
    stage: String,
}

fn hostile_rules() -> Vec<Hostile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/it/hostile");
    let mut rules = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wat") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().unwrap().strip_prefix(";; expect: ").unwrap();
        let (kind, stage) = expected.split_once(" at ").unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        rules.push(Hostile {
            name,
            kind: kind.into(),
            stage: stage.into(),
            text: text.clone(),
        });
    }
    assert!(rules.len() >= 50);
    rules
}

async fn call(host: &Host, rule: &LoadedRule) -> Result<(), RuleError> {
    match rule.kind() {
        RuleKind::Pricing => host
            .price(rule, usage("{}", &[("sms", 1_000_000, 0, 0)]))
            .await
            .map(drop),
        RuleKind::Limits => host.limits(rule, subaccount("{}")).await.map(drop),
    }
}

/// The stage at which a rule ends, and how.
async fn fate(host: &Host, kind: RuleKind, text: &str) -> (&'static str, Result<(), RuleError>) {
    match host.prepare(component_from_wat(kind, text)).await {
        Err(error) => ("prepare", Err(error)),
        Ok(rule) => {
            let begin = Instant::now();
            let end = call(host, &rule).await;
            println!("  called for {:?}", begin.elapsed());
            assert!(begin.elapsed() < CALL, "the call took {:?}", begin.elapsed());
            ("call", end)
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hostile_rule_ends_as_it_must() {
    for kind in [RuleKind::Pricing, RuleKind::Limits] {
        for rule in hostile_rules() {
            println!("{} as {}", rule.name, kind.as_str());
            let (stage, end) = fate(host(), kind, &rule.text).await;
            let error = end.expect_err(&rule.name);
            let expected = rule.kind.split(" or ").any(|kind| kind == error.kind()) && stage == rule.stage;
            assert!(
                expected,
                "{} ended at {stage} with {}: {error}",
                rule.name,
                error.kind()
            );
            assert!(error.is_rules_fault());
        }
    }
    // The sandbox is as good as new.
    let pricing = built_in(host(), "tiered-pricing").await;
    host()
        .check(
            &pricing,
            r#"{"meters": {"*": {"unit_price": "1"}}}"#,
            Samples::default(),
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_generated_upload_ends_as_it_must() {
    let mut settings = settings();
    settings.small.places = 2;
    settings.small.compile.cpu = Duration::from_secs(1);
    let strict = Host::new(settings).unwrap();
    let mut wrong = Vec::new();
    for upload in uploads() {
        let (host, budget) = match upload.stage {
            Stage::Structure => (host(), STRUCTURE),
            Stage::Compiler => (&strict, COMPILER),
        };
        let (name, size, begin) = (upload.name, upload.wasm.len(), Instant::now());
        let end = host.prepare(upload.wasm).await;
        let took = begin.elapsed();
        println!("{name} ({size} bytes) after {took:?}: {end:?}");
        let as_expected = end.is_err_and(|error| {
            upload.expect.contains(&error.kind()) && error.is_rules_fault() && error.to_string().len() < 700
        });
        if !as_expected || took > budget {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?} ended otherwise, or too late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_go_on_while_hostile_rules_run() {
    let loops = hostile_rules()
        .into_iter()
        .filter(|rule| rule.stage == "call" && rule.kind != "trap");
    let mut rules = Vec::new();
    for rule in loops {
        rules.push(
            host()
                .prepare(component_from_wat(RuleKind::Pricing, &rule.text))
                .await
                .unwrap(),
        );
    }
    let good = built_in(host(), "tiered-pricing").await;
    let stop = Arc::new(AtomicBool::new(false));
    let under_way = Arc::new(tokio::sync::Barrier::new(17));
    let attackers: Vec<_> = (0..16)
        .map(|at| {
            let (rule, stop) = (rules[at % rules.len()].clone(), Arc::clone(&stop));
            let under_way = Arc::clone(&under_way);
            tokio::spawn(async move {
                under_way.wait().await;
                while !stop.load(Ordering::Relaxed) {
                    call(host(), &rule).await.unwrap_err();
                }
            })
        })
        .collect();
    under_way.wait().await;
    // The attackers have no end of their own: whoever had to wait for them would wait for ever.
    let served = async {
        for _ in 0..200 {
            let lines = usage(r#"{"meters": {"*": {"unit_price": "1"}}}"#, &[("sms", 1, 0, 0)]);
            host().price(&good, lines).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), served)
        .await
        .unwrap();
    stop.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.await.unwrap();
    }
}

#[tokio::test]
async fn a_rule_that_is_too_large_or_no_component_is_refused() {
    let large = host().prepare(vec![0; (20 << 20) + 1]).await.unwrap_err();
    assert_eq!(large, RuleError::TooLarge { limit: 20 << 20 });
    for bytes in [&b""[..], b"\0asm", b"not wasm at all", &[0; 1000]] {
        let error = host().prepare(bytes.to_vec()).await.unwrap_err();
        assert!(matches!(error, RuleError::Invalid(_)), "{error}");
    }
    let core = host().prepare(b"\0asm\x01\0\0\0".to_vec()).await.unwrap_err();
    assert!(matches!(core, RuleError::WrongWorld(_)), "{core}");
}

#[tokio::test]
async fn a_priced_batch_of_the_wrong_length_is_refused() {
    let nothing = r#"(module
      (memory (export "memory") 1)
      (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
      (func (export "canopy:rules/pricing-rule@1.0.0#price")
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 1024)))"#;
    let (_, end) = fate(host(), RuleKind::Pricing, nothing).await;
    assert!(matches!(end, Err(RuleError::InvalidOutput(text)) if text.contains("0 lines")));
}
