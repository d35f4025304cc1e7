//! How many members and subaccounts an account may have, by its plan; the deeper it
//! lies in the tree, the fewer. configuration.schema.json says what the configuration holds.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::{collections::BTreeMap, format, string::String, vec};

use canopy_rules_sdk::{
    limits::{
        self, CreditMode, KeyPolicy, LimitsAnswer, LimitsInput, MemberPolicy, Policy, ResourceLimit, Rule,
        RuleError, StarterCredits,
    },
    log,
    money::{self, Rounding},
};

#[derive(serde::Deserialize)]
struct Configuration {
    /// By the id of the plan; `*` is for all that are not named.
    plans: BTreeMap<String, Allowance>,
    /// What each level down the tree leaves of the allowance, in millionths.
    per_level_ppm: i64,
}

#[derive(serde::Deserialize)]
struct Allowance {
    members: i64,
    subaccounts: i64,
    depth: i64,
}

struct MyRule;

impl Rule for MyRule {
    fn evaluate(input: LimitsInput) -> Result<LimitsAnswer, RuleError> {
        let configuration: Configuration = limits::configuration(&input.configuration)?;
        let plans = &configuration.plans;
        let Some(allowance) = plans.get(&input.plan).or_else(|| plans.get("*")) else {
            return Err(RuleError::Unsupported(format!("There is no plan `{}`.", input.plan)));
        };
        let level = input.account.level;
        log!("plan {}, level {level}", input.plan);
        let fewer = |count| left_at(level, count, configuration.per_level_ppm);
        Ok(LimitsAnswer {
            limits: vec![
                limit("depth", allowance.depth, level),
                limit("members", fewer(allowance.members)?, level),
                limit("subaccounts", fewer(allowance.subaccounts)?, level),
            ],
            policy: policy(),
        })
    }
}

#[cfg(target_arch = "wasm32")]
canopy_rules_sdk::export_limits!(MyRule);

/// What is left of a count at a level; a part of one does not count.
fn left_at(level: u32, count: i64, ppm: i64) -> Result<i64, RuleError> {
    let wrong = || RuleError::Configuration(String::from("A count or `per_level_ppm` is out of range."));
    if count < 0 || !(0..=money::UNIT).contains(&ppm) {
        return Err(wrong());
    }
    (0..level.min(64)).try_fold(count, |count, _| {
        money::mul_div(count, ppm, money::UNIT, Rounding::Down).ok_or_else(wrong)
    })
}

fn limit(name: &str, max: i64, level: u32) -> ResourceLimit {
    ResourceLimit {
        name: String::from(name),
        max: Some(max),
        reason: format!("The plan allows {max} {name} at level {level}."),
    }
}

/// What holds for the subaccounts of the account: they manage their own keys and members,
/// and are paid for from the parent's pool.
fn policy() -> Policy {
    Policy {
        keys: KeyPolicy::Own,
        members: MemberPolicy::Own,
        starter_credits: StarterCredits { count: 0, credit_value: 0 },
        credit_modes: vec![CreditMode::Manual, CreditMode::Reselling],
        shared_resources: vec![],
        allow_below_cost: false,
    }
}

#[cfg(test)]
mod tests {
    use canopy_rules_sdk::sample;

    use super::*;

    const CONFIGURATION: &str =
        r#"{"plans": {"*": {"members": 10, "subaccounts": 25, "depth": 3}}, "per_level_ppm": 500000}"#;

    #[test]
    fn each_level_has_half_of_the_one_above() {
        let members = |level| {
            let answer = MyRule::evaluate(sample::limits(CONFIGURATION, "pln_a", level)).unwrap();
            answer.limits[1].max
        };
        assert_eq!([members(0), members(1), members(2)], [Some(10), Some(5), Some(2)]);
    }

    #[test]
    fn a_plan_that_is_not_named_is_refused() {
        let input = sample::limits(r#"{"plans": {}, "per_level_ppm": 0}"#, "pln_a", 0);
        assert!(matches!(MyRule::evaluate(input), Err(RuleError::Unsupported(_))));
    }
}
