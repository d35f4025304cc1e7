//! The configuration of `limits-by-plan`. Says what is well-formed; lib.rs says
//! what makes sense.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use canopy_rules_sdk::config::Micros;
use canopy_rules_sdk::limits;
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    /// Required, so that nobody gets unlimited depth by leaving it out.
    #[serde(deserialize_with = "required")]
    pub(crate) max_depth: Option<u32>,
    #[serde(default)]
    pub(crate) caps: BTreeMap<String, Option<u64>>,
    pub(crate) key_policy: KeyPolicy,
    pub(crate) member_policy: MemberPolicy,
    #[serde(default)]
    pub(crate) shared_resources: Vec<String>,
    #[serde(default)]
    pub(crate) starter_credits: u64,
    #[serde(default)]
    pub(crate) credit_value: Micros,
    #[serde(default = "manual_only")]
    pub(crate) credit_modes: Vec<CreditMode>,
    #[serde(default)]
    pub(crate) allow_below_cost: bool,
}

/// A value that may be null but not absent.
fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Option::deserialize(deserializer)
}

fn manual_only() -> Vec<CreditMode> {
    [CreditMode::Manual].into()
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum KeyPolicy {
    Own,
    AutoOne,
    ParentOnly,
}

impl From<KeyPolicy> for limits::KeyPolicy {
    fn from(policy: KeyPolicy) -> Self {
        match policy {
            KeyPolicy::Own => Self::Own,
            KeyPolicy::AutoOne => Self::AutoOne,
            KeyPolicy::ParentOnly => Self::ParentOnly,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum MemberPolicy {
    Own,
    Inherited,
}

impl From<MemberPolicy> for limits::MemberPolicy {
    fn from(policy: MemberPolicy) -> Self {
        match policy {
            MemberPolicy::Own => Self::Own,
            MemberPolicy::Inherited => Self::Inherited,
        }
    }
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum CreditMode {
    Manual,
    Reselling,
}

impl From<CreditMode> for limits::CreditMode {
    fn from(mode: CreditMode) -> Self {
        match mode {
            CreditMode::Manual => Self::Manual,
            CreditMode::Reselling => Self::Reselling,
        }
    }
}
