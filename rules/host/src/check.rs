//! Whether an answer keeps the contract. Pure; wasmtime has already checked
//! types and UTF-8. What an answer means is not looked at here.

use std::collections::HashSet;

use crate::contract::{LimitsAnswer, MAX_INTEGER, PricedLine, UsageLine};
use crate::error::RuleError;

const MAX_ITEMS: usize = 32;
const MAX_DESCRIPTION: usize = 200;
const MAX_REASON: usize = 500;
const MAX_LIMITS: usize = 64;
const MAX_NAME: usize = 64;

fn wrong(text: impl Into<String>) -> RuleError {
    RuleError::InvalidOutput(text.into())
}

fn in_range(value: i64) -> bool {
    value.unsigned_abs() <= MAX_INTEGER.unsigned_abs()
}

pub(crate) fn pricing(lines: &[UsageLine], answer: &[PricedLine]) -> Result<(), RuleError> {
    if answer.len() != lines.len() {
        let (given, priced) = (lines.len(), answer.len());
        return Err(wrong(format!("it prices {priced} lines and was given {given}")));
    }
    for (index, (line, priced)) in lines.iter().zip(answer).enumerate() {
        priced_line(line, priced).map_err(|text| wrong(format!("line {}: {text}", index + 1)))?;
    }
    Ok(())
}

fn priced_line(line: &UsageLine, priced: &PricedLine) -> Result<(), String> {
    if !in_range(priced.amount) {
        return Err("the amount is out of range".into());
    }
    let against = if line.quantity < 0 {
        priced.amount > 0
    } else {
        priced.amount < 0
    };
    if against {
        return Err("the amount and the quantity have different signs".into());
    }
    if priced.reason.len() > MAX_REASON {
        return Err(format!("the reason is longer than {MAX_REASON} bytes"));
    }
    if priced.items.len() > MAX_ITEMS {
        return Err(format!("there are more than {MAX_ITEMS} items"));
    }
    let mut sum: i64 = 0;
    for item in &priced.items {
        if item.description.len() > MAX_DESCRIPTION {
            return Err(format!("a description is longer than {MAX_DESCRIPTION} bytes"));
        }
        if !in_range(item.amount) || !in_range(item.quantity) {
            return Err("an item is out of range".into());
        }
        sum += item.amount; // 32 × 2^53 fits.
    }
    if !priced.items.is_empty() && sum != priced.amount {
        return Err("the items do not add up to the amount".into());
    }
    Ok(())
}

pub(crate) fn limits(answer: &LimitsAnswer) -> Result<(), RuleError> {
    if answer.limits.len() > MAX_LIMITS {
        return Err(wrong(format!("it names more than {MAX_LIMITS} resources")));
    }
    let mut seen = HashSet::new();
    for limit in &answer.limits {
        name(&limit.name)?;
        if !seen.insert(&limit.name) {
            return Err(wrong(format!("it names `{}` twice", limit.name)));
        }
        if limit.max.is_some_and(|max| max < 0 || !in_range(max)) {
            return Err(wrong(format!("the limit of `{}` is out of range", limit.name)));
        }
        if limit.reason.len() > MAX_REASON {
            return Err(wrong(format!("a reason is longer than {MAX_REASON} bytes")));
        }
    }
    let policy = &answer.policy;
    let credits = policy.starter_credits;
    let value = credits.count.checked_mul(credits.credit_value);
    if credits.count < 0 || credits.credit_value < 0 || !value.is_some_and(in_range) {
        return Err(wrong("the starter credits are out of range"));
    }
    if !in_range(credits.count) || !in_range(credits.credit_value) {
        return Err(wrong("the starter credits are out of range"));
    }
    let modes: HashSet<_> = policy.credit_modes.iter().collect();
    if modes.is_empty() || modes.len() != policy.credit_modes.len() {
        return Err(wrong("the credit modes must be at least one, each once"));
    }
    let shared: HashSet<_> = policy.shared_resources.iter().collect();
    if shared.len() > MAX_LIMITS || shared.len() != policy.shared_resources.len() {
        return Err(wrong("the shared resources are too many or not each once"));
    }
    policy.shared_resources.iter().try_for_each(|shared| name(shared))
}

fn name(name: &str) -> Result<(), RuleError> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(allowed) {
        return Err(wrong(
            "the name of a resource is not lowercase letters, digits, `_`, `-` and `.`",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{
        CreditMode, KeyPolicy, LineItem, MemberPolicy, PeriodTotals, Policy, ResourceLimit, StarterCredits,
    };

    fn line(quantity: i64) -> UsageLine {
        UsageLine {
            account: 0,
            meter: "m".into(),
            quantity,
            cost: 0,
            occurred_at: 0,
            attributes: None,
            period: PeriodTotals::default(),
        }
    }

    fn priced(amount: i64, items: &[i64]) -> PricedLine {
        let item = |amount: &i64| LineItem {
            description: "d".into(),
            quantity: 1,
            amount: *amount,
        };
        PricedLine {
            amount,
            items: items.iter().map(item).collect(),
            reason: String::new(),
        }
    }

    #[test]
    fn a_priced_line_is_bounded_and_adds_up() {
        let ok = |quantity, answer: PricedLine| pricing(&[line(quantity)], &[answer]).is_ok();
        assert!(ok(1, priced(MAX_INTEGER, &[])));
        assert!(ok(1, priced(5, &[10, -5])));
        assert!(ok(-1, priced(-5, &[])));
        assert!(ok(0, priced(5, &[])));

        assert!(!ok(1, priced(MAX_INTEGER + 1, &[])));
        assert!(!ok(1, priced(-1, &[])));
        assert!(!ok(0, priced(-1, &[])));
        assert!(!ok(-1, priced(1, &[])));
        assert!(!ok(1, priced(5, &[4])));
        assert!(!ok(1, priced(0, &[MAX_INTEGER + 1, -MAX_INTEGER - 1])));
        assert!(!ok(1, priced(33, &[1; 33])));
        assert!(!ok(
            1,
            PricedLine {
                reason: "x".repeat(501),
                ..priced(1, &[])
            }
        ));
        assert!(pricing(&[line(1), line(1)], &[priced(1, &[])]).is_err());
    }

    #[test]
    fn a_limits_answer_is_bounded_and_names_nothing_twice() {
        let good = LimitsAnswer {
            limits: vec![ResourceLimit {
                name: "members".into(),
                max: Some(3),
                reason: String::new(),
            }],
            policy: Policy {
                keys: KeyPolicy::Own,
                members: MemberPolicy::Own,
                starter_credits: StarterCredits {
                    count: 1,
                    credit_value: 1,
                },
                credit_modes: vec![CreditMode::Manual],
                shared_resources: vec!["phone_numbers".into()],
                allow_below_cost: false,
            },
        };
        assert_eq!(limits(&good), Ok(()));
        let breaks: [fn(&mut LimitsAnswer); 9] = [
            |a| a.limits.push(a.limits[0].clone()),
            |a| a.limits[0].name = "Members".into(),
            |a| a.limits[0].name.clear(),
            |a| a.limits[0].max = Some(-1),
            |a| a.limits[0].max = Some(MAX_INTEGER + 1),
            |a| a.policy.starter_credits.count = -1,
            |a| {
                a.policy.starter_credits = StarterCredits {
                    count: 2,
                    credit_value: MAX_INTEGER,
                }
            },
            |a| a.policy.credit_modes.clear(),
            |a| a.policy.shared_resources.push("phone_numbers".into()),
        ];
        for (index, spoil) in breaks.iter().enumerate() {
            let mut answer = good.clone();
            spoil(&mut answer);
            assert!(limits(&answer).is_err(), "case {index}");
        }
    }
}
