//! A price per unit that is lower at night, and never below the cost plus a margin.
//! configuration.schema.json says what the configuration holds.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::{collections::BTreeMap, format, string::String, vec, vec::Vec};

use canopy_rules_sdk::{
    config::Micros,
    log, money,
    pricing::{self, LineItem, PricedLine, PricingInput, Rule, RuleError, UsageLine},
};

#[derive(serde::Deserialize)]
struct Configuration {
    meters: BTreeMap<String, Prices>,
    /// Least margin over cost, in millionths of it.
    #[serde(default)]
    margin_ppm: i64,
}

/// Prices per unit.
#[derive(serde::Deserialize)]
struct Prices {
    day: Micros,
    night: Micros,
}

struct MyRule;

impl Rule for MyRule {
    fn price(input: PricingInput) -> Result<Vec<PricedLine>, RuleError> {
        let configuration: Configuration = pricing::configuration(&input.configuration)?;
        let price = |line: &UsageLine| price_line(&configuration, line);
        input.lines.iter().map(price).collect()
    }
}

#[cfg(target_arch = "wasm32")]
canopy_rules_sdk::export_pricing!(MyRule);

fn price_line(configuration: &Configuration, line: &UsageLine) -> Result<PricedLine, RuleError> {
    let Some(prices) = configuration.meters.get(&line.meter) else {
        return Err(RuleError::Unsupported(format!("There is no price for `{}`.", line.meter)));
    };
    let hour = line.occurred_at.rem_euclid(86_400) / 3_600; // in UTC
    let (time, unit_price) = if (6..22).contains(&hour) {
        ("by day", prices.day.0)
    } else {
        ("at night", prices.night.0)
    };
    log!("{} {time}, cost {}", line.meter, money::format(line.cost));
    let used = money::times(line.quantity, unit_price).ok_or_else(RuleError::out_of_range)?;
    let least = least(line.cost, configuration.margin_ppm).ok_or_else(RuleError::out_of_range)?;
    let mut items = vec![LineItem {
        description: format!("{} {time}, {} each", line.meter, money::format(unit_price)),
        quantity: line.quantity,
        amount: used,
    }];
    // A correction has a negative quantity and gives back what was charged for it.
    let amount = if line.quantity < 0 { used.min(least) } else { used.max(least) };
    if amount != used {
        items.push(LineItem {
            description: String::from("Up to the least margin"),
            quantity: 0,
            amount: amount - used,
        });
    }
    Ok(PricedLine { amount, items, reason: format!("Used {time}.") })
}

/// The cost and its margin; a part of a micro-unit is rounded away from zero.
fn least(cost: i64, margin_ppm: i64) -> Option<i64> {
    let margin = money::mul_div(cost, margin_ppm, money::UNIT, money::Rounding::Up)?;
    money::add(cost, margin)
}

#[cfg(test)]
mod tests {
    use canopy_rules_sdk::sample;

    use super::*;

    const CONFIGURATION: &str =
        r#"{"meters": {"call_minutes": {"day": "0.12", "night": "0.08"}}, "margin_ppm": 100000}"#;

    fn amount(line: UsageLine) -> i64 {
        MyRule::price(sample::pricing(CONFIGURATION, &[line])).unwrap()[0].amount
    }

    #[test]
    fn nights_are_cheaper() {
        let mut line = sample::line("call_minutes", 10_000_000, 0);
        assert_eq!(amount(line.clone()), 1_200_000);
        line.occurred_at = 23 * 3_600;
        assert_eq!(amount(line), 800_000);
    }

    #[test]
    fn the_margin_over_cost_is_kept() {
        assert_eq!(amount(sample::line("call_minutes", 1_000_000, 1_000_000)), 1_100_000);
    }

    #[test]
    fn an_unknown_meter_is_refused() {
        let input = sample::pricing(CONFIGURATION, &[sample::line("sms", 1, 0)]);
        assert!(matches!(MyRule::price(input), Err(RuleError::Unsupported(_))));
    }
}
