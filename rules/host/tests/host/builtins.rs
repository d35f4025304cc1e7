//! The built-in rules, called through the sandbox.

use std::time::Duration;

use canopy_rules_host::{
    CreditMode, KeyPolicy, MAX_LINES, MemberPolicy, RuleError, RuleKind, StarterCredits, builtins,
};

use crate::sandbox::{built_in, host, subaccount, usage};

const TIERS: &str = r#"{"meters": {
    "call_minutes": {"tiers": [{"up_to": "1000", "unit_price": "0.09"}, {"unit_price": "0.07"}]},
    "*": {"markup_ppm": 250000}}}"#;

const PLAN: &str = r#"{"max_depth": 5, "caps": {"subaccounts": 25, "members": null}, "key_policy": "AUTO_ONE",
    "member_policy": "INHERITED", "shared_resources": ["phone_numbers"], "starter_credits": 100,
    "credit_value": 150000, "credit_modes": ["MANUAL", "RESELLING"], "allow_below_cost": false}"#;

#[tokio::test]
async fn tiered_pricing_prices_each_line_and_says_why() {
    let rule = built_in(host(), "tiered-pricing").await;
    assert_eq!(rule.kind(), RuleKind::Pricing);
    let input = usage(
        TIERS,
        &[
            ("call_minutes", 1_500_000_000, 0, 500_000_000),
            ("sms", 1_000_000, 8_000, 0),
        ],
    );
    let digest = input.digest();
    let outcome = host().price(&rule, input).await.unwrap();
    let amounts: Vec<_> = outcome.value.iter().map(|line| line.amount).collect();
    assert_eq!(amounts, [45_000_000 + 70_000_000, 10_000]);
    assert_eq!(outcome.value[0].items[1].description, "Tier 2: 0.07 per 1");
    assert_eq!(outcome.input_digest, digest);
    assert!(outcome.fuel > 0);
}

#[tokio::test]
async fn the_same_input_gives_the_same_answer_and_fuel() {
    let rule = built_in(host(), "tiered-pricing").await;
    let input = usage(TIERS, &[("call_minutes", 7, 0, 0)]);
    let first = host().price(&rule, input.clone()).await.unwrap();
    let second = host().price(&rule, input).await.unwrap();
    assert_eq!(
        (first.fuel, first.output_digest),
        (second.fuel, second.output_digest)
    );
}

#[tokio::test]
async fn a_line_costs_the_same_alone_and_in_a_full_batch() {
    let rule = built_in(host(), "tiered-pricing").await;
    let lines: Vec<_> = (0..MAX_LINES as i64)
        .map(|i| ("call_minutes", 1_500_000, 0, i * 1_500_000))
        .collect();
    let batch = usage(TIERS, &lines);
    let single = batch.single(700).unwrap();
    let mut digests = batch.line_digests();
    for line in [0, 700, 1] {
        let single = batch.single(line).unwrap();
        assert_eq!(digests.of(line), Some(single.digest()));
    }
    let alone = host().price(&rule, single).await.unwrap();
    let together = host().price(&rule, batch).await.unwrap();
    assert_eq!(together.value.len(), MAX_LINES);
    assert_eq!(together.value[700], alone.value[0]);
}

#[tokio::test]
async fn a_rules_own_refusal_is_told_from_a_wrong_configuration() {
    let rule = built_in(host(), "tiered-pricing").await;
    let one = |configuration| usage(configuration, &[("sms", 1, 0, 0)]);
    let refused = host().price(&rule, one(r#"{"meters": {}}"#)).await.unwrap_err();
    assert!(
        matches!(&refused, RuleError::Refused(text) if text.contains("`sms`")),
        "{refused}"
    );
    let wrong = host()
        .price(&rule, one(r#"{"meters": {"sms": {}}}"#))
        .await
        .unwrap_err();
    assert!(
        matches!(&wrong, RuleError::RefusedConfiguration(text) if text.contains("meters.sms")),
        "{wrong}"
    );
}

#[tokio::test]
async fn limits_by_plan_answers_what_the_plan_says() {
    let rule = built_in(host(), "limits-by-plan").await;
    let answer = host().limits(&rule, subaccount(PLAN)).await.unwrap().value;
    assert_eq!(answer.limit("depth").unwrap().max, Some(5));
    assert_eq!(
        answer.limit("subaccounts").unwrap().reason,
        "Plan pln_x allows 25 subaccounts."
    );
    assert_eq!(answer.limit("members").unwrap().max, None);
    let policy = answer.policy;
    assert_eq!(
        (policy.keys, policy.members),
        (KeyPolicy::AutoOne, MemberPolicy::Inherited)
    );
    assert_eq!(
        policy.starter_credits,
        StarterCredits {
            count: 100,
            credit_value: 150_000
        }
    );
    assert_eq!(policy.starter_credits.value(), 15_000_000);
    assert_eq!(policy.credit_modes, [CreditMode::Manual, CreditMode::Reselling]);
    assert_eq!(policy.shared_resources, ["phone_numbers"]);
}

/// Not a benchmark: it says what a call costs here, and fails if it is absurd.
#[tokio::test]
async fn a_call_of_a_built_in_rule_is_short() {
    let (pricing, limits) = (
        built_in(host(), "tiered-pricing").await,
        built_in(host(), "limits-by-plan").await,
    );
    let line = usage(TIERS, &[("call_minutes", 1_500_000, 0, 0)]);
    let lines = usage(TIERS, &vec![("call_minutes", 1_500_000, 0, 0); 32]);
    let mut costs = [const { Vec::new() }; 3];
    for _ in 0..200 {
        let outcome = host().price(&pricing, line.clone()).await.unwrap();
        costs[0].push((outcome.elapsed, outcome.fuel));
        let outcome = host().price(&pricing, lines.clone()).await.unwrap();
        costs[1].push((outcome.elapsed, outcome.fuel));
        let outcome = host().limits(&limits, subaccount(PLAN)).await.unwrap();
        costs[2].push((outcome.elapsed, outcome.fuel));
    }
    for (name, mut costs) in ["price of one line", "price of 32 lines", "limits"]
        .into_iter()
        .zip(costs)
    {
        costs.sort();
        let (elapsed, fuel) = costs[100];
        println!("{name}: median {elapsed:?}, fuel {fuel}");
        assert!(elapsed < Duration::from_millis(20), "{name}: {elapsed:?}");
    }
}

#[tokio::test]
async fn a_rule_of_the_other_world_is_our_mistake() {
    let rule = built_in(host(), "limits-by-plan").await;
    let error = host()
        .price(&rule, usage("{}", &[("sms", 1, 0, 0)]))
        .await
        .unwrap_err();
    assert!(!error.is_rules_fault());
}

#[tokio::test]
async fn a_prepared_rule_is_found_by_its_digest() {
    for builtin in builtins() {
        let rule = built_in(host(), builtin.name).await;
        assert_eq!(rule.digest(), builtin.digest());
        assert_eq!(host().loaded(&builtin.digest()).unwrap().kind(), builtin.kind);
    }
}
