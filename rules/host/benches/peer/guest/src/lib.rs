//! The built-in rule `tiered-pricing` as a plain core module, for a host that knows no components: JSON in, JSON out.
//! It knows nothing of prices; allocator and panic are those of the SDK, as in Canopy's own guest.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod wire;

use alloc::vec::Vec;

use canopy_rules_sdk::pricing::{self, Rule, RuleError};
use tiered_pricing::TieredPricing;

/// Where the host may write so many bytes of input.
#[unsafe(no_mangle)]
pub extern "C" fn allocate(length: usize) -> *mut u8 {
    Vec::<u8>::with_capacity(length).leak().as_mut_ptr()
}

/// Prices the input at `start`; answers where its answer begins (high half) and its length (low half).
///
/// # Safety
///
/// `start` is of [`allocate`] for as many bytes, and the host has written all of them. The input is used up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn price(start: *mut u8, length: usize) -> u64 {
    // SAFETY: as above, so it is a vector of that length and capacity.
    let input = unsafe { Vec::from_raw_parts(start, length, length) };
    let answer = serde_json::to_vec(&answer(&input)).expect("texts and numbers can be written as JSON");
    let answer = answer.leak();
    ((answer.as_ptr().addr() as u64) << 32) | answer.len() as u64
}

fn answer(input: &[u8]) -> wire::Answer {
    let input: wire::PricingInput =
        serde_json::from_slice(input).map_err(|error| alloc::format!("{error}"))?;
    match TieredPricing::price(input.into()) {
        Ok(lines) => Ok(lines.into_iter().map(wire::PricedLine::from).collect()),
        Err(RuleError::Configuration(text) | RuleError::Unsupported(text) | RuleError::Failed(text)) => {
            Err(text)
        }
    }
}

// All below moves: no text is copied.

impl From<wire::PricingInput> for pricing::PricingInput {
    fn from(input: wire::PricingInput) -> Self {
        Self {
            seller_path: input.seller_path,
            currency: input.currency,
            configuration: input.configuration,
            accounts: input.accounts.into_iter().map(pricing::Account::from).collect(),
            lines: input.lines.into_iter().map(pricing::UsageLine::from).collect(),
        }
    }
}

impl From<wire::Account> for pricing::Account {
    fn from(account: wire::Account) -> Self {
        Self {
            path: account.path,
            buyer: account.buyer,
            buyer_plan: account.buyer_plan,
        }
    }
}

impl From<wire::UsageLine> for pricing::UsageLine {
    fn from(line: wire::UsageLine) -> Self {
        Self {
            account: line.account,
            meter: line.meter,
            quantity: line.quantity,
            cost: line.cost,
            occurred_at: line.occurred_at,
            attributes: line.attributes,
            period: pricing::PeriodTotals {
                start: line.period.start,
                quantity: line.period.quantity,
                lines: line.period.lines,
            },
        }
    }
}

impl From<pricing::PricedLine> for wire::PricedLine {
    fn from(line: pricing::PricedLine) -> Self {
        Self {
            amount: line.amount,
            items: line.items.into_iter().map(wire::LineItem::from).collect(),
            reason: line.reason,
        }
    }
}

impl From<pricing::LineItem> for wire::LineItem {
    fn from(item: pricing::LineItem) -> Self {
        Self {
            description: item.description,
            quantity: item.quantity,
            amount: item.amount,
        }
    }
}
