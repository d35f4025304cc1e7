//! A markup over cost that is lower at night: `{"day_ppm": 300000, "night_ppm": 100000}`.
#![cfg_attr(target_arch = "wasm32", no_std)]

use canopy_rules_sdk::money;
use canopy_rules_sdk::pricing::{self, PricedLine, PricingInput, Rule, RuleError};

extern crate alloc;

/// Markups in millionths of the cost.
#[derive(serde::Deserialize)]
struct Markups {
    day_ppm: i64,
    night_ppm: i64,
}

struct NightRate;

impl Rule for NightRate {
    fn price(input: PricingInput) -> Result<alloc::vec::Vec<PricedLine>, RuleError> {
        let markups: Markups = pricing::configuration(&input.configuration)?;
        let price = |line: &pricing::UsageLine| {
            let hour = line.occurred_at.rem_euclid(86_400) / 3_600; // in UTC
            let ppm = if (6..22).contains(&hour) { markups.day_ppm } else { markups.night_ppm };
            let markup = money::times(line.cost, ppm).ok_or_else(RuleError::out_of_range)?;
            let amount = line.cost.checked_add(markup).ok_or_else(RuleError::out_of_range)?;
            Ok(PricedLine { amount, items: Default::default(), reason: Default::default() })
        };
        input.lines.iter().map(price).collect()
    }
}

#[cfg(target_arch = "wasm32")]
canopy_rules_sdk::export_pricing!(NightRate);
