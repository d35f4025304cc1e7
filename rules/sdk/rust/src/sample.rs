//! Inputs for the tests of a rule, which run natively. Not there in wasm.

use std::string::String;
use std::vec;

use crate::limits::{AccountFacts, AccountKind, CreditMode, LimitsInput};
use crate::pricing::{Account, PeriodTotals, PricingInput, UsageLine};

/// A line of usage: quantity and cost in micro-units, at 1970-01-01T12:00:00Z.
pub fn line(meter: &str, quantity: i64, cost: i64) -> UsageLine {
    UsageLine {
        account: 0,
        meter: String::from(meter),
        quantity,
        cost,
        occurred_at: 12 * 3600,
        attributes: None,
        period: PeriodTotals {
            start: 0,
            quantity: 0,
            lines: 0,
        },
    }
}

/// A batch of one client whose direct seller is asked.
pub fn pricing(configuration: &str, lines: &[UsageLine]) -> PricingInput {
    PricingInput {
        seller_path: String::from("acc_seller/"),
        currency: String::from("USD"),
        configuration: String::from(configuration),
        accounts: vec![Account {
            path: String::from("acc_seller/acc_buyer/"),
            buyer: String::from("acc_buyer"),
            buyer_plan: String::from("pln_sample"),
        }],
        lines: lines.to_vec(),
    }
}

/// The question about a subaccount at a level.
pub fn limits(configuration: &str, plan: &str, level: u32) -> LimitsInput {
    LimitsInput {
        plan: String::from(plan),
        account: AccountFacts {
            path: String::from("acc_seller/acc_buyer/"),
            kind: AccountKind::Subaccount,
            level,
            credit_mode: Some(CreditMode::Manual),
        },
        counts: vec![],
        configuration: String::from(configuration),
    }
}
