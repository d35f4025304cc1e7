//! The contract suite against rules in the sandbox: the built-in ones pass with configurations as sellers have
//! them; a rule that breaks one check is refused with the smallest input that does.

use std::time::Instant;

use canopy_rules_host::testing::component_from_wat;
use canopy_rules_host::{CheckReport, Manifest, RuleError, RuleKind, Samples, manifest, with_manifest};
use serde_json::Value;

use crate::sandbox::{built_in, host};

const PRICING: [&str; 8] = [
    "answers",
    "empty-input",
    "determinism",
    "batch-independence",
    "bounds",
    "monotonicity",
    "not-below-cost",
    "huge-input",
];

async fn builtin_check(name: &str, configuration: &str) -> Result<CheckReport, RuleError> {
    let rule = built_in(host(), name).await;
    host().check(&rule, configuration, Samples::default()).await
}

#[tokio::test]
async fn tiered_pricing_passes_with_the_prices_that_sellers_have() {
    let tables = [
        r#"{"*": {"unit_price": "0.12"}}"#,
        r#"{"*": {"markup_ppm": 0}}"#,
        r#"{"call_minutes": {"unit_price": "0.12"}, "*": {"markup_ppm": 250000}}"#,
        // A higher tier lowers the price of what lies in it, never of the whole.
        r#"{"call_minutes": {"tiers": [{"up_to": "1000", "unit_price": "0.09"},
            {"up_to": "5000", "unit_price": "0.07", "flat_fee": "2"}, {"unit_price": "0.001"}], "minimum": "0.01"}}"#,
        r#"{"llm_tokens": {"unit_price": "0.15", "per": "1000000", "rounding": "UP"},
            "credits": {"package": {"size": "100", "price": "15"}}, "sms": {"unit_price": 7, "rounding": "DOWN"}}"#,
        r#"{"a": {"unit_price": "1"}, "b": {"unit_price": "1"}, "c": {"unit_price": "1"}, "d": {"unit_price": "1"},
            "e": {"unit_price": "1"}, "f": {"unit_price": "1"}, "g": {"unit_price": "1"}, "h": {"unit_price": "1"}}"#,
        r#"{"minutes": {"unit_price": "0.05", "markup_ppm": 100000, "minimum": "0.02"}}"#,
    ];
    for table in tables {
        let begin = Instant::now();
        let report = builtin_check("tiered-pricing", &format!(r#"{{"meters": {table}}}"#))
            .await
            .unwrap_or_else(|error| panic!("{table}: {error}"));
        let calls: u32 = report.checks.iter().map(|check| check.calls).sum();
        println!(
            "{calls} calls, {} answered, in {:?}: {report:?}",
            report.answered(),
            begin.elapsed()
        );
        assert_eq!(
            report
                .checks
                .iter()
                .map(|check| check.name.as_str())
                .collect::<Vec<_>>(),
            PRICING
        );
        assert!(
            report
                .checks
                .iter()
                .all(|check| check.calls > 0 && check.answered > 0),
            "{report:?}"
        );
        assert!(calls <= 150 && report.fuel_max > 0, "{calls}");
    }
}

#[tokio::test]
async fn limits_by_plan_passes() {
    let plan = r#"{"max_depth": 5, "caps": {"subaccounts": 25, "members": null}, "key_policy": "OWN",
        "member_policy": "OWN", "starter_credits": 100, "credit_value": "0.15"}"#;
    let report = builtin_check("limits-by-plan", plan).await.unwrap();
    let names: Vec<_> = report.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(
        names,
        ["answers", "empty-input", "determinism", "bounds", "huge-input"]
    );
    assert!(
        report.checks.iter().all(|check| check.answered == check.calls),
        "{report:?}"
    );
}

#[tokio::test]
async fn the_report_is_the_same_each_time() {
    let table = r#"{"meters": {"*": {"unit_price": "0.12"}}}"#;
    let [first, second] = [
        builtin_check("tiered-pricing", table).await.unwrap(),
        builtin_check("tiered-pricing", table).await.unwrap(),
    ];
    assert_eq!((first.checks, first.fuel_max), (second.checks, second.fuel_max));
}

#[tokio::test]
async fn a_configuration_that_the_rule_refuses_is_named_as_such() {
    for name in ["tiered-pricing", "limits-by-plan"] {
        let error = builtin_check(name, r#"{"mistake": 1}"#).await.unwrap_err();
        assert!(
            matches!(error, RuleError::RefusedConfiguration(_)),
            "{name}: {error}"
        );
    }
}

#[tokio::test]
async fn a_rule_without_an_answer_for_any_sample_passes_and_the_report_says_so() {
    let report = builtin_check("tiered-pricing", r#"{"meters": {}}"#)
        .await
        .unwrap();
    assert_eq!(report.answered(), 0);
}

#[tokio::test]
async fn the_account_own_meters_and_costs_are_asked_about() {
    let rule = built_in(host(), "tiered-pricing").await;
    let configuration = r#"{"meters": {"*": {"unit_price": "0.09"}}}"#;
    let samples = |unit_cost| Samples {
        meters: vec!["call_minutes".into()],
        unit_costs: [("call_minutes".into(), unit_cost)].into(),
        ..Samples::default()
    };
    host().check(&rule, configuration, samples(80_000)).await.unwrap();
    let error = host()
        .check(&rule, configuration, samples(100_000))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("1 of `call_minutes` is priced 0.09, and this account really pays 0.1."),
        "{text}"
    );
}

/// A pricing rule by hand: what `price` leaves of a line's `$quantity`, `$cost` and `$index` is its amount.
fn rule(price: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (memory (export "memory") 32)
          (global $free (mut i32) (i32.const 1024))
          (func $take (param $size i32) (result i32)
            (global.get $free)
            (global.set $free
              (i32.and (i32.add (i32.add (global.get $free) (local.get $size)) (i32.const 7)) (i32.const -8))))
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (call $take (local.get 3)))
          (func $amount (param $quantity i64) (param $cost i64) (param $index i32) (result i64) {price})
          (func (export "canopy:rules/pricing-rule@1.0.0#price")
            (param i32 i32 i32 i32 i32 i32 i32 i32) (param $lines i32) (param $length i32) (result i32)
            (local $answer i32) (local $priced i32) (local $index i32) (local $line i32) (local $amount i64)
            (local.set $answer (call $take (i32.const 16)))
            (local.set $priced (call $take (i32.mul (local.get $length) (i32.const 24))))
            (loop $next
              (local.set $line (i32.add (local.get $lines) (i32.mul (local.get $index) (i32.const 80))))
              (local.set $amount
                (call $amount
                  (i64.load offset=16 (local.get $line)) (i64.load offset=24 (local.get $line)) (local.get $index)))
              ;; An amount out of range is refused.
              (if (i64.gt_u (i64.add (local.get $amount) (i64.const 9007199254740992)) (i64.const 18014398509481984))
                (then
                  (i32.store8 (local.get $answer) (i32.const 1))
                  (i32.store8 offset=4 (local.get $answer) (i32.const 1))
                  (return (local.get $answer))))
              (i64.store
                (i32.add (local.get $priced) (i32.mul (local.get $index) (i32.const 24)))
                (local.get $amount))
              (local.set $index (i32.add (local.get $index) (i32.const 1)))
              (br_if $next (i32.lt_u (local.get $index) (local.get $length))))
            (i32.store offset=4 (local.get $answer) (local.get $priced))
            (i32.store offset=8 (local.get $answer) (local.get $length))
            (local.get $answer)))"#
    );
    component_from_wat(RuleKind::Pricing, &text)
}

async fn verdict(wasm: Vec<u8>, samples: Samples) -> Result<CheckReport, RuleError> {
    let rule = host().prepare(wasm).await.unwrap();
    host().check(&rule, r#"{"up_to": "1000"}"#, samples).await
}

/// The check that it breaks, the words, and the counterexample's calls.
async fn broken(price: &str) -> (String, String, Value) {
    let begin = Instant::now();
    match verdict(rule(price), Samples::default()).await {
        Err(RuleError::BrokeContract {
            check,
            message,
            counterexample,
        }) => {
            println!("{check} after {:?}: {message} {counterexample}", begin.elapsed());
            (check, message, serde_json::from_str(&counterexample).unwrap())
        }
        other => panic!("{price}: {other:?}"),
    }
}

const AS_MUCH: &str = "(local.get $quantity)";
const VOLUME: &str = "(i64.div_s (local.get $quantity)
    (select (i64.const 10) (i64.const 20) (i64.le_s (local.get $quantity) (i64.const 1000000000))))";
const DISCOUNT: &str = "(i64.div_s (i64.mul (local.get $cost) (i64.const 9)) (i64.const 10))";

#[tokio::test]
async fn a_rule_that_keeps_the_contract_passes() {
    let report = verdict(rule(AS_MUCH), Samples::default()).await.unwrap();
    assert!(report.checks.iter().all(|check| check.answered > 0), "{report:?}");
}

#[tokio::test]
async fn a_crash_is_shown_with_what_it_was_asked() {
    let (check, message, calls) = broken("(unreachable)").await;
    assert_eq!(check, "answers");
    assert!(message.starts_with("The rule crashed"), "{message}");
    assert_eq!(calls[0]["input"]["lines"].as_array().unwrap().len(), 1);
    assert_eq!(calls[0]["error"], "trap");
    assert_eq!(calls[0]["input"].get("configuration"), None);
}

#[tokio::test]
async fn a_price_that_depends_on_the_place_in_the_batch_is_shown_in_the_smallest_batch() {
    let (check, message, calls) =
        broken("(i64.add (local.get $quantity) (i64.extend_i32_u (local.get $index)))").await;
    assert_eq!(check, "batch-independence");
    assert!(
        message.contains("in a batch and") && message.contains("alone"),
        "{message}"
    );
    let calls = calls.as_array().unwrap();
    assert_eq!(calls.len(), 3, "two lines, together and alone");
}

#[tokio::test]
async fn a_charge_for_a_correction_is_found_at_the_smallest_quantity() {
    let absolute = "(select (local.get $quantity) (i64.sub (i64.const 0) (local.get $quantity))
        (i64.ge_s (local.get $quantity) (i64.const 0)))";
    let (check, message, calls) = broken(absolute).await;
    assert_eq!(check, "bounds");
    assert!(
        message.contains("different signs") && message.contains("-0.000001 of"),
        "{message}"
    );
    assert_eq!(calls[0]["input"]["lines"][0]["quantity"], -1);
}

#[tokio::test]
async fn a_volume_price_is_shown_at_the_very_step_unless_it_is_declared() {
    let (check, message, calls) = broken(VOLUME).await;
    assert_eq!(check, "monotonicity");
    assert!(
        message.contains("1000.000001 of `sample_units` is priced 50, and 1000 is priced 100."),
        "{message}"
    );
    assert_eq!(calls[0]["output"][0]["amount"], 100_000_000);

    let declared = Manifest {
        monotonic: false,
        ..Manifest::default()
    };
    let wasm = with_manifest(&rule(VOLUME), &declared);
    assert_eq!(manifest(&wasm).unwrap(), declared);
    assert_eq!(host().prepare(wasm.clone()).await.unwrap().manifest(), &declared);
    let report = verdict(wasm, Samples::default()).await.unwrap();
    let check = report.checks.iter().find(|check| check.name == "monotonicity");
    assert_eq!(check.unwrap().calls, 0);
}

#[tokio::test]
async fn a_price_made_from_the_cost_and_below_it_is_refused_unless_the_plan_allows_it() {
    let (check, message, _) = broken(DISCOUNT).await;
    assert_eq!(check, "not-below-cost");
    assert!(message.contains("the seller pays 0.000001."), "{message}");
    let allowed = Samples {
        allow_below_cost: true,
        ..Samples::default()
    };
    verdict(rule(DISCOUNT), allowed).await.unwrap();
}

#[tokio::test]
async fn a_division_by_nothing_is_found_with_empty_input() {
    let (check, _, calls) =
        broken("(i64.div_s (i64.mul (local.get $quantity) (local.get $quantity)) (local.get $quantity))")
            .await;
    assert_eq!(
        (check.as_str(), &calls[0]["input"]["lines"][0]["quantity"]),
        ("empty-input", &Value::from(0))
    );
}

#[tokio::test]
async fn an_overflow_is_found_where_it_begins() {
    // From 2^52 on it crashes.
    let crash = "(if (i64.gt_s (local.get $quantity) (i64.const 4503599627370496)) (then (unreachable)))
        (local.get $quantity)";
    let (check, message, calls) = broken(crash).await;
    assert_eq!(check, "huge-input");
    assert_eq!(
        calls[0]["input"]["lines"][0]["quantity"], 4_503_599_627_370_497_i64,
        "{message}"
    );
}
