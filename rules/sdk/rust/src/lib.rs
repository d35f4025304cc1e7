//! Write rules for Canopy in Rust.
//!
//! A rule is a library that implements one trait and exports it:
//!
//! ```
//! use canopy_rules_sdk::pricing::{PricedLine, PricingInput, Rule, RuleError};
//!
//! struct Flat;
//!
//! impl Rule for Flat {
//!     fn price(input: PricingInput) -> Result<Vec<PricedLine>, RuleError> {
//!         let nine_cents = 90_000; // micro-units
//!         let price = |quantity| canopy_rules_sdk::money::times(quantity, nine_cents);
//!         input
//!             .lines
//!             .iter()
//!             .map(|line| {
//!                 let amount = price(line.quantity).ok_or_else(RuleError::out_of_range)?;
//!                 Ok(PricedLine { amount, items: vec![], reason: String::new() })
//!             })
//!             .collect()
//!     }
//! }
//!
//! canopy_rules_sdk::export_pricing!(Flat);
//! # fn main() {}
//! ```
//!
//! [`money`] computes exactly, with named rounding. [`config`] reads the JSON of
//! the rule version. [`log!`] says something to the rule's owner. `sample` makes
//! inputs for tests. In wasm the crate also brings an allocator that never frees (a
//! call gets a fresh memory) and a panic that ends the call.
//!
//! It knows the contract and nothing of the server.
#![cfg_attr(target_arch = "wasm32", no_std)]

#[doc(hidden)]
pub extern crate alloc;

pub mod config;
pub mod limits;
pub mod log;
pub mod money;
pub mod pricing;
#[cfg(target_arch = "wasm32")]
mod runtime;
#[cfg(not(target_arch = "wasm32"))]
pub mod sample;
