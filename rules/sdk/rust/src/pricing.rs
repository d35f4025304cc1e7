//! The `pricing` world. rules/wit/pricing.wit says what each field means.

use alloc::string::String;

use serde::de::DeserializeOwned;

#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "pricing",
        pub_export_macro: true,
        export_macro_name: "export_pricing_world",
        default_bindings_module: "canopy_rules_sdk::pricing::bindings",
    });
}

pub use bindings::exports::canopy::rules::pricing_rule::{
    Account, Guest as Rule, LineItem, PeriodTotals, PricedLine, PricingInput, RuleError, UsageLine,
};

impl RuleError {
    /// A number left the range of the contract.
    pub fn out_of_range() -> Self {
        Self::Failed(String::from("An amount is out of range."))
    }
}

/// Reads a rule's configuration.
pub fn configuration<T: DeserializeOwned>(json: &str) -> Result<T, RuleError> {
    crate::config::read(json).map_err(RuleError::Configuration)
}

/// Exports a type that implements [`Rule`] as the component's pricing rule.
#[macro_export]
macro_rules! export_pricing {
    ($rule:ident) => {
        $crate::pricing::bindings::export_pricing_world!($rule with_types_in $crate::pricing::bindings);
    };
}
