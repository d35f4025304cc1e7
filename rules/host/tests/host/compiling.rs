//! Compiling apart, and what is believed of its results.

use std::time::{Duration, Instant};

use canopy_rules_host::testing::component_from_wat;
use canopy_rules_host::{
    CacheSettings, CompilerCommand, Digest, Host, HostSettings, RuleError, RuleKind, builtin,
};

use crate::sandbox::{built_in, host, settings};

fn wasm(name: &str) -> Vec<u8> {
    builtin(name).unwrap().wasm.to_vec()
}

fn small(mut settings: HostSettings) -> Host {
    settings.small.places = 4;
    Host::new(settings).unwrap()
}

/// A compiler that is not there: what is answered without it came from the cache.
fn without_compiler(folder: &std::path::Path, key: [u8; 32]) -> Host {
    let mut settings = settings();
    settings.compiler = CompilerCommand {
        program: "/nonexistent/compiler".into(),
        args: vec![],
    };
    settings.cache = Some(CacheSettings {
        folder: folder.into(),
        key,
        files: 10,
    });
    small(settings)
}

#[tokio::test]
async fn what_was_begun_for_one_who_went_away_is_there_for_the_next() {
    let host = small(settings());
    let wasm = wasm("limits-by-plan");
    let digest = Digest::of(&wasm);
    // A client that gives up as soon as its rule is being compiled.
    let abandoned = tokio::time::timeout(Duration::ZERO, host.prepare(wasm)).await;
    assert!(abandoned.is_err());
    let mut turns = tokio::time::interval(Duration::from_millis(20));
    let there = async {
        while host.loaded(&digest).is_none() {
            turns.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), there)
        .await
        .expect("nobody begins it again");
}

#[tokio::test]
async fn a_kept_artifact_is_used_and_a_forged_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut with_cache = settings();
    with_cache.cache = Some(CacheSettings {
        folder: folder.path().into(),
        key: [7; 32],
        files: 10,
    });
    built_in(&small(with_cache), "limits-by-plan").await;

    let again = without_compiler(folder.path(), [7; 32]);
    let begin = Instant::now();
    built_in(&again, "limits-by-plan").await;
    println!("loaded from the cache in {:?}", begin.elapsed());

    let file = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let good = std::fs::read(&file).unwrap();
    let mut forged = Vec::new();
    for at in [0, 40, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        forged.push(bytes);
    }
    forged.push(good[32..].to_vec());
    forged.push(good[..good.len() - 100].to_vec());
    for bytes in forged {
        std::fs::write(&file, bytes).unwrap();
        let host = without_compiler(folder.path(), [7; 32]);
        assert_eq!(
            host.prepare(wasm("limits-by-plan")).await.unwrap_err(),
            RuleError::Unavailable
        );
        assert!(!file.exists(), "it is removed");
    }
    std::fs::write(&file, &good).unwrap();
    let other_key = without_compiler(folder.path(), [8; 32]);
    assert_eq!(
        other_key.prepare(wasm("limits-by-plan")).await.unwrap_err(),
        RuleError::Unavailable
    );
}

#[tokio::test]
async fn precompiled_code_is_no_upload() {
    let folder = tempfile::tempdir().unwrap();
    let mut with_cache = settings();
    with_cache.cache = Some(CacheSettings {
        folder: folder.path().into(),
        key: [7; 32],
        files: 10,
    });
    built_in(&small(with_cache), "limits-by-plan").await;
    let file = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let sealed = std::fs::read(&file).unwrap();
    for upload in [sealed.clone(), sealed[32..].to_vec()] {
        assert!(matches!(host().prepare(upload).await, Err(RuleError::Invalid(_))));
    }
}

#[tokio::test]
async fn a_compiler_that_misbehaves_is_our_fault_and_is_not_believed() {
    for (program, script) in [
        ("/bin/sh", "cat > /dev/null; exit 1"),
        ("/bin/sh", "cat > /dev/null; echo forged; exit 0"),
        ("/bin/sh", "exit 0"),
    ] {
        let mut settings = settings();
        settings.compiler = CompilerCommand {
            program: program.into(),
            args: vec!["-c".into(), script.into()],
        };
        let error = small(settings).prepare(wasm("tiered-pricing")).await.unwrap_err();
        assert_eq!(error, RuleError::Unavailable, "{script}");
    }
}

#[tokio::test]
async fn compiling_is_bounded_in_time_memory_and_size() {
    let stuck = CompilerCommand {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), "exec sleep 600".into()],
    };
    let mut slow = settings();
    slow.compiler = stuck;
    slow.small.compile.deadline = Duration::from_millis(200);
    let begin = Instant::now();
    assert_eq!(
        small(slow).prepare(wasm("tiered-pricing")).await.unwrap_err(),
        RuleError::CompileTimeout
    );
    assert!(begin.elapsed() < Duration::from_secs(5));

    let mut little_memory = settings();
    little_memory.small.compile.memory = 8 << 20;
    let error = small(little_memory)
        .prepare(wasm("tiered-pricing"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, RuleError::CompileFailed(_) | RuleError::Unavailable),
        "{error}"
    );

    let mut little_room = settings();
    little_room.small.compile.artifact = 1000;
    let error = small(little_room)
        .prepare(wasm("tiered-pricing"))
        .await
        .unwrap_err();
    assert!(matches!(error, RuleError::CompileFailed(_)), "{error}");
}

#[tokio::test]
async fn a_rule_prepared_by_many_at_once_is_compiled_once() {
    let counter = tempfile::NamedTempFile::new().unwrap();
    let (log, compiler) = (
        counter.path().display(),
        env!("CARGO_BIN_EXE_canopy-rule-compiler"),
    );
    let mut settings = settings();
    let script = format!("echo started >> {log}; exec {compiler}");
    settings.compiler = CompilerCommand {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script],
    };
    let host = small(settings);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(async move { host.prepare(wasm("limits-by-plan")).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(counter.path()).unwrap().lines().count(),
        1
    );
}

/// Code that keeps a compiler busy out of proportion to its size.
fn bomb(functions: usize, locals: usize, loops: usize) -> Vec<u8> {
    use std::fmt::Write;
    let mut text = String::from("(module (memory (export \"memory\") 1)\n");
    for _ in 0..functions {
        let _ = write!(text, "(func (local {})", "i32 ".repeat(locals));
        for _ in 0..loops {
            text.push_str("(loop ");
        }
        for local in 0..locals - 1 {
            let other = (local * 7 + 13) % locals;
            let _ = write!(
                text,
                "(local.set {} (i32.add (local.get {local}) (local.get {other}))) (br_if {} (local.get {local}))",
                local + 1,
                local % loops
            );
        }
        text.push_str(&")".repeat(loops + 1));
    }
    text.push_str(
        r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "canopy:rules/pricing-rule@1.0.0#price")
          (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable))"#,
    );
    component_from_wat(RuleKind::Pricing, &text)
}

#[tokio::test]
async fn a_compile_bomb_is_refused_by_its_shape() {
    for (functions, locals, loops) in [(1, 5000, 40), (1, 100, 500), (21_000, 2, 1)] {
        let begin = Instant::now();
        let error = host().prepare(bomb(functions, locals, loops)).await.unwrap_err();
        assert!(matches!(error, RuleError::Invalid(_)), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_compile_bomb_within_the_shape_is_ended_by_the_clock() {
    let mut strict = settings();
    strict.small.compile.cpu = Duration::from_secs(1);
    let begin = Instant::now();
    let error = small(strict).prepare(bomb(20, 1400, 40)).await.unwrap_err();
    assert!(
        matches!(error, RuleError::CompileTimeout | RuleError::CompileFailed(_)),
        "{error}"
    );
    println!("the bomb was ended after {:?}: {error}", begin.elapsed());
}
