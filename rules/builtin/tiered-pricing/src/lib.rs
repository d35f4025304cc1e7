//! Built-in rule `tiered-pricing`: prices per unit, in tiers or in packages, and
//! a markup over the seller's cost, per meter. README.md beside it documents the
//! configuration.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod configuration;
mod price;

use alloc::format;
use alloc::vec::Vec;

use canopy_rules_sdk::pricing::{self, PricedLine, PricingInput, Rule, RuleError};

use crate::configuration::Configuration;

/// The rule.
pub struct TieredPricing;

impl Rule for TieredPricing {
    fn price(input: PricingInput) -> Result<Vec<PricedLine>, RuleError> {
        let configuration: Configuration = pricing::configuration(&input.configuration)?;
        configuration.check().map_err(RuleError::Configuration)?;
        let price_line = |line| {
            let meter: &pricing::UsageLine = line;
            let tariff = configuration.tariff(&meter.meter).ok_or_else(|| {
                RuleError::Unsupported(format!(
                    "The configuration has no price for the meter `{}`.",
                    meter.meter
                ))
            })?;
            price::line(tariff, meter).ok_or_else(RuleError::out_of_range)
        };
        input.lines.iter().map(price_line).collect()
    }
}

#[cfg(target_arch = "wasm32")]
canopy_rules_sdk::export_pricing!(TieredPricing);

#[cfg(test)]
mod tests;
