//! What the rule says for the plans that Canopy ships, and what it refuses.

use canopy_rules_sdk::limits::{AccountFacts, AccountKind, CreditMode, KeyPolicy, LimitsInput, MemberPolicy};

use super::*;

fn evaluate(configuration: &str) -> Result<LimitsAnswer, RuleError> {
    LimitsByPlan::evaluate(LimitsInput {
        plan: "pln_x".into(),
        account: AccountFacts {
            path: "acc_A/".into(),
            kind: AccountKind::Main,
            level: 0,
            credit_mode: None,
        },
        counts: vec![],
        configuration: configuration.into(),
    })
}

#[test]
fn everything_comes_from_the_configuration() {
    let answer = evaluate(
        r#"{"max_depth": 5, "caps": {"subaccounts": 25, "members": null}, "key_policy": "AUTO_ONE",
            "member_policy": "INHERITED", "shared_resources": ["phone_numbers"], "starter_credits": 100,
            "credit_value": 150000, "credit_modes": ["RESELLING", "MANUAL"], "allow_below_cost": true}"#,
    )
    .unwrap();
    let limits: Vec<_> = answer
        .limits
        .iter()
        .map(|l| (l.name.as_str(), l.max, l.reason.as_str()))
        .collect();
    assert_eq!(
        limits,
        [
            (
                "depth",
                Some(5),
                "Plan pln_x allows 5 levels below a main account."
            ),
            ("members", None, ""),
            ("subaccounts", Some(25), "Plan pln_x allows 25 subaccounts."),
        ]
    );
    let policy = answer.policy;
    assert_eq!(
        (policy.keys, policy.members),
        (KeyPolicy::AutoOne, MemberPolicy::Inherited)
    );
    assert_eq!(
        (policy.starter_credits.count, policy.starter_credits.credit_value),
        (100, 150_000)
    );
    assert_eq!(policy.credit_modes, [CreditMode::Reselling, CreditMode::Manual]);
    assert_eq!(policy.shared_resources, ["phone_numbers"]);
    assert!(policy.allow_below_cost);
}

#[test]
fn what_is_left_out_is_the_narrow_choice() {
    let answer = evaluate(r#"{"max_depth": null, "key_policy": "OWN", "member_policy": "OWN"}"#).unwrap();
    assert_eq!(answer.limits.len(), 1);
    assert_eq!(answer.limits[0].max, None);
    assert_eq!(answer.policy.credit_modes, [CreditMode::Manual]);
    assert_eq!(answer.policy.starter_credits.count, 0);
    assert!(!answer.policy.allow_below_cost);
}

#[test]
fn a_wrong_configuration_is_refused_and_says_where() {
    let cases = [
        ("{}", "max_depth"),
        (
            r#"{"max_depth": 1, "key_policy": "OWN", "member_policy": "OWN", "depth": 2}"#,
            "depth",
        ),
        (
            r#"{"max_depth": 1, "key_policy": "MINE", "member_policy": "OWN"}"#,
            "MINE",
        ),
        (
            r#"{"max_depth": 1, "key_policy": "OWN", "member_policy": "OWN", "caps": {"members": -1}}"#,
            "-1",
        ),
        (
            r#"{"max_depth": 1, "key_policy": "OWN", "member_policy": "OWN", "caps": {"depth": 1}}"#,
            "depth",
        ),
        (
            r#"{"max_depth": 1, "key_policy": "OWN", "member_policy": "OWN", "credit_modes": []}"#,
            "credit_modes",
        ),
        (
            r#"{"max_depth": 1, "key_policy": "OWN", "member_policy": "OWN", "starter_credits": 9007199254740992,
                "credit_value": 2}"#,
            "starter_credits",
        ),
        (
            r#"{"max_depth": 1, "key_policy": "OWN", "member_policy": "OWN", "caps": {"a": 9007199254740993}}"#,
            "`a`",
        ),
    ];
    for (configuration, expected) in cases {
        match evaluate(configuration) {
            Err(RuleError::Configuration(text)) => assert!(text.contains(expected), "{text}"),
            other => panic!("{configuration}: {other:?}"),
        }
    }
}
