//! Classes, and the log: what decides the class of a rule, and what a rule may say.

use std::fmt::Write;

use canopy_rules_host::testing::component_from_wat;
use canopy_rules_host::{RuleClass, RuleError, RuleKind};

use crate::sandbox::{built_in, host, usage};

/// A pricing rule that writes to the log as told and then ends as told.
fn talkative(body: &str, end: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "canopy:rules/log@1.0.0" "write" (func $write (param i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 100) "hello")
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
          (func (export "canopy:rules/pricing-rule@1.0.0#price")
            (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
            {body}
            {end}))"#
    );
    component_from_wat(RuleKind::Pricing, &text)
}

/// `err(failed(""))`
const FAILED: &str = "(i32.store (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1028) (i32.const 2))
    (i32.const 1024)";

async fn said(wasm: Vec<u8>) -> (Vec<String>, RuleError) {
    let rule = host().prepare(wasm).await.unwrap();
    let examined = host()
        .examine_pricing(&rule, usage("{}", &[("sms", 1_000_000, 0, 0)]))
        .await;
    assert!(examined.fuel > 0);
    (examined.logs, examined.result.unwrap_err())
}

#[tokio::test]
async fn what_a_failing_rule_said_is_kept() {
    let hello = "(call $write (i32.const 100) (i32.const 5))";
    let (logs, error) = said(talkative(hello, FAILED)).await;
    assert_eq!(logs, ["hello"]);
    assert_eq!(error, RuleError::Refused(String::new()));

    let (logs, error) = said(talkative(hello, "unreachable")).await;
    assert_eq!(logs, ["hello"]);
    assert!(matches!(error, RuleError::Trap(_)), "{error}");
}

#[tokio::test]
async fn writing_without_end_runs_out_of_fuel_and_keeps_the_first_messages() {
    let endless = "(loop (call $write (i32.const 8192) (i32.const 50000)) (br 0))";
    let (logs, error) = said(talkative(endless, "unreachable")).await;
    assert!(matches!(error, RuleError::OutOfFuel { .. }), "{error}");
    assert_eq!(logs.len(), 64);
    assert!(logs[63].ends_with("more messages were dropped."));
    assert!(logs.iter().all(|message| message.len() <= 200));
}

#[tokio::test]
async fn a_message_must_be_text_in_the_memory() {
    let outside = "(call $write (i32.const 65530) (i32.const 100))";
    let (logs, error) = said(talkative(outside, "unreachable")).await;
    assert!(logs.is_empty());
    assert!(matches!(error, RuleError::InvalidOutput(_)), "{error}");
}

#[tokio::test]
async fn nothing_but_the_log_may_be_imported() {
    for (name, ty) in [
        ("canopy:rules/log@2.0.0", "(instance)"),
        ("canopy:rules/log@1.0.0", "(func)"),
        ("wasi:cli/environment@0.2.0", "(instance)"),
        ("log", "(instance)"),
    ] {
        let text = format!(r#"(component (import "{name}" {ty}))"#);
        let wasm = component_from_wat(RuleKind::Pricing, &text);
        let error = host().prepare(wasm).await.unwrap_err();
        assert_eq!(error, RuleError::ForbiddenImport(name.into()));
    }
}

/// A pricing rule with so many functions.
fn broad(functions: usize) -> Vec<u8> {
    let mut text = String::from("(module (memory (export \"memory\") 1)\n");
    for _ in 0..functions {
        text.push_str("(func)");
    }
    let _ = write!(
        text,
        r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "canopy:rules/pricing-rule@1.0.0#price")
          (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable))"#
    );
    component_from_wat(RuleKind::Pricing, &text)
}

#[tokio::test]
async fn the_class_follows_from_the_structure() {
    let pricing = built_in(host(), "tiered-pricing").await;
    assert_eq!(pricing.class(), RuleClass::Small);
    let small = host().prepare(broad(4_900)).await.unwrap();
    assert_eq!(small.class(), RuleClass::Small);
    let large = host().prepare(broad(5_100)).await.unwrap();
    assert_eq!(large.class(), RuleClass::Interpreter);
    let error = host().prepare(broad(21_000)).await.unwrap_err();
    assert!(
        matches!(&error, RuleError::Invalid(text) if text.contains("20000 functions")),
        "{error}"
    );
}
