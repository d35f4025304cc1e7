//! The sandbox for rules: it takes a component that a stranger wrote, compiles it
//! at arm's length, and calls it with bounds on everything.
//!
//! This is the only crate that knows wasmtime; nothing of the engine shows in
//! its interface. It knows neither accounts nor money beyond the types of the
//! contract (rules/wit), neither the database nor who may upload what.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use canopy_rules_host::{CompilerCommand, Host, HostSettings, PricingInput, Samples, builtin};
//!
//! let compiler = CompilerCommand {
//!     program: std::env::current_exe()?,
//!     args: vec!["compile-rule".into()], // calls `work_apart`
//! };
//! let host = Host::new(HostSettings::new(compiler))?;
//! let pricing = builtin("tiered-pricing").ok_or("no such rule")?;
//! let rule = host.prepare(pricing.wasm.to_vec()).await?;
//! let configuration = r#"{"meters":{"*":{"unit_price":"0.09"}}}"#;
//! host.check(&rule, configuration, Samples::default()).await?;
//!
//! let input = PricingInput::new("acc_A/", "USD", configuration);
//! let outcome = host.price(&rule, input).await?;
//! println!("{:?} for {} steps", outcome.value, outcome.fuel);
//! # Ok(()) }
//! ```

mod apart;
mod artifact;
mod builtins;
mod cache;
mod call;
mod check;
mod class;
mod code;
mod compile;
mod configuration;
mod contract;
mod digest;
#[cfg(feature = "testing")]
pub mod direct;
mod engine;
mod error;
mod host;
mod lane;
mod log;
mod manifest;
mod outcome;
mod owner;
mod pool;
mod prepare;
mod queue;
mod rule;
mod settings;
mod station;
mod suite;
#[cfg(feature = "testing")]
pub mod testing;
mod validate;
mod width;
mod wiring;

pub use apart::work_apart;
pub use builtins::{Builtin, builtin, builtins};
pub use class::RuleClass;
pub use contract::{
    AccountFacts, AccountKind, CreditMode, KeyPolicy, LimitsAnswer, LimitsInput, LineItem, MAX_INTEGER,
    MAX_LINES, MemberPolicy, PeriodTotals, Policy, PricedLine, PricingAccount, PricingInput, ResourceCount,
    ResourceLimit, RuleKind, StarterCredits, UsageLine,
};
pub use digest::{Digest, DigestError};
pub use engine::ENGINE;
pub use error::{HostError, RuleError};
pub use host::Host;
pub use manifest::{Manifest, manifest, with_manifest};
pub use outcome::{Examined, Outcome};
pub use prepare::Inspected;
pub use rule::LoadedRule;
pub use settings::{CacheSettings, ClassSettings, CompileSettings, CompilerCommand, HostSettings};
pub use suite::{CheckReport, CheckResult, Samples};
