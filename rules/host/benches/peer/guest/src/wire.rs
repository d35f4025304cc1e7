//! What goes into the rule and comes out, as JSON: read and written by this guest, and by the program that calls it.
//! The names are those of the contract (rules/wit/pricing.wit), as the host's own types have them.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// The rule's prices, or why there are none.
pub type Answer = Result<Vec<PricedLine>, String>;

#[derive(Serialize, Deserialize)]
pub struct PricingInput {
    pub seller_path: String,
    pub currency: String,
    pub configuration: String,
    pub accounts: Vec<Account>,
    pub lines: Vec<UsageLine>,
}

#[derive(Serialize, Deserialize)]
pub struct Account {
    pub path: String,
    pub buyer: String,
    pub buyer_plan: String,
}

#[derive(Serialize, Deserialize)]
pub struct UsageLine {
    pub account: u32,
    pub meter: String,
    pub quantity: i64,
    pub cost: i64,
    pub occurred_at: i64,
    pub attributes: Option<String>,
    pub period: PeriodTotals,
}

#[derive(Serialize, Deserialize)]
pub struct PeriodTotals {
    pub start: i64,
    pub quantity: i64,
    pub lines: i64,
}

#[derive(Serialize, Deserialize)]
pub struct PricedLine {
    pub amount: i64,
    pub items: Vec<LineItem>,
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
pub struct LineItem {
    pub description: String,
    pub quantity: i64,
    pub amount: i64,
}
