//! Built-in rule `limits-by-plan`: what the plan's configuration says, and
//! nothing else. README.md beside it documents the configuration.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod configuration;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use canopy_rules_sdk::limits::{
    self, LimitsAnswer, LimitsInput, Policy, ResourceLimit, Rule, RuleError, StarterCredits,
};
use canopy_rules_sdk::money;

use crate::configuration::Configuration;

/// The rule.
pub struct LimitsByPlan;

impl Rule for LimitsByPlan {
    fn evaluate(input: LimitsInput) -> Result<LimitsAnswer, RuleError> {
        let configuration: Configuration = limits::configuration(&input.configuration)?;
        answer(&input.plan, configuration)
    }
}

#[cfg(target_arch = "wasm32")]
canopy_rules_sdk::export_limits!(LimitsByPlan);

/// The answer is the same for every account of the plan.
fn answer(plan: &str, configuration: Configuration) -> Result<LimitsAnswer, RuleError> {
    let wrong = |text: &str| RuleError::Configuration(text.to_string());
    if configuration.caps.contains_key("depth") {
        return Err(wrong("`caps` may not name `depth`: say `max_depth`."));
    }
    if configuration.credit_modes.is_empty() || has_twins(&configuration.credit_modes) {
        return Err(wrong("`credit_modes` must name at least one mode, each once."));
    }
    if has_twins(&configuration.shared_resources) {
        return Err(wrong("`shared_resources` names something twice."));
    }
    let (count, value) = (configuration.starter_credits, configuration.credit_value.0);
    if value < 0
        || i64::try_from(count)
            .ok()
            .and_then(|c| money::mul_div(c, value, 1, money::Rounding::Down))
            .is_none()
    {
        return Err(wrong("`starter_credits` times `credit_value` is out of range."));
    }

    let mut limits = Vec::with_capacity(configuration.caps.len() + 1);
    limits.push(limit(plan, "depth", configuration.max_depth.map(u64::from))?);
    for (name, max) in &configuration.caps {
        limits.push(limit(plan, name, *max)?);
    }
    Ok(LimitsAnswer {
        limits,
        policy: Policy {
            keys: configuration.key_policy.into(),
            members: configuration.member_policy.into(),
            starter_credits: StarterCredits {
                count: count as i64,
                credit_value: value,
            },
            credit_modes: configuration.credit_modes.into_iter().map(Into::into).collect(),
            shared_resources: configuration.shared_resources,
            allow_below_cost: configuration.allow_below_cost,
        },
    })
}

fn limit(plan: &str, name: &str, max: Option<u64>) -> Result<ResourceLimit, RuleError> {
    let max = match max {
        None => None,
        Some(max) => Some(
            money::bounded(max.into())
                .ok_or_else(|| RuleError::Configuration(format!("The cap of `{name}` is out of range.")))?,
        ),
    };
    let reason = match max {
        None => String::new(),
        Some(max) if name == "depth" => format!("Plan {plan} allows {max} levels below a main account."),
        Some(max) => format!("Plan {plan} allows {max} {}.", name.replace('_', " ")),
    };
    Ok(ResourceLimit {
        name: name.to_string(),
        max,
        reason,
    })
}

fn has_twins<T: Ord>(items: &[T]) -> bool {
    let mut seen = BTreeSet::new();
    !items.iter().all(|item| seen.insert(item))
}

#[cfg(test)]
mod tests;
