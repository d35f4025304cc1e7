//! The rule as a function of the host: what it takes without a sandbox.

use canopy_rules_host::{LineItem, PricedLine, PricingInput};

/// Prices a batch: a price per unit from the configuration's JSON, like the guests.
pub(crate) fn price(input: &PricingInput) -> Vec<PricedLine> {
    let configuration: serde_json::Value = serde_json::from_str(&input.configuration).unwrap();
    let meters = &configuration["meters"];
    let price_line = |line: &canopy_rules_host::UsageLine| {
        let tariff = meters.get(&line.meter).unwrap_or(&meters["*"]);
        let price = tariff["unit_price"].as_str().unwrap();
        let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
        let micros: i128 = format!("{whole}{fraction:0<6}").parse().unwrap();
        let amount = i64::try_from(i128::from(line.quantity) * micros / 1_000_000).unwrap();
        PricedLine {
            amount,
            items: vec![LineItem {
                description: format!("{price} per 1"),
                quantity: line.quantity,
                amount,
            }],
            reason: String::new(),
        }
    };
    input.lines.iter().map(price_line).collect()
}
