//! The `limits` world. rules/wit/limits.wit says what each field means.

use serde::de::DeserializeOwned;

#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "limits",
        pub_export_macro: true,
        export_macro_name: "export_limits_world",
        default_bindings_module: "canopy_rules_sdk::limits::bindings",
    });
}

pub use bindings::exports::canopy::rules::limits_rule::{
    AccountFacts, AccountKind, CreditMode, Guest as Rule, KeyPolicy, LimitsAnswer, LimitsInput, MemberPolicy,
    Policy, ResourceCount, ResourceLimit, RuleError, StarterCredits,
};

/// Reads a rule's configuration.
pub fn configuration<T: DeserializeOwned>(json: &str) -> Result<T, RuleError> {
    crate::config::read(json).map_err(RuleError::Configuration)
}

/// Exports a type that implements [`Rule`] as the component's limits rule.
#[macro_export]
macro_rules! export_limits {
    ($rule:ident) => {
        $crate::limits::bindings::export_limits_world!($rule with_types_in $crate::limits::bindings);
    };
}
