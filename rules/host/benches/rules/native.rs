//! The rule as a function of this process: what it takes without a sandbox. Its parts are the sources of the built-in
//! rule, which the guest in Rust is made of; only their order is repeated here.

use canopy_rules_host::{PricedLine, PricingInput, UsageLine};

use crate::configuration::Configuration;
use crate::{config, price};

/// Prices a batch, as `TieredPricing` does.
pub(crate) fn price(input: &PricingInput) -> Vec<PricedLine> {
    let configuration: Configuration = config::read(&input.configuration).unwrap();
    configuration.check().unwrap();
    let price_line = |line: &UsageLine| {
        let tariff = configuration.tariff(&line.meter).unwrap();
        price::line(tariff, line).unwrap()
    };
    input.lines.iter().map(price_line).collect()
}
