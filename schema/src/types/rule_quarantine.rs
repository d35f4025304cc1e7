//! `RuleQuarantine`.

use async_graphql::Object;
use canopy_domain::rules;

use crate::scalars::DateTime;

/// Why a version is not called although it is live.
pub(crate) struct RuleQuarantine(rules::Quarantine);

impl From<rules::Quarantine> for RuleQuarantine {
    fn from(quarantine: rules::Quarantine) -> Self {
        Self(quarantine)
    }
}

/// Why a rule version is not called although it is live. Activating it again lifts the quarantine.
#[Object]
impl RuleQuarantine {
    /// Since when.
    async fn at(&self) -> DateTime {
        self.0.at.into()
    }

    /// What went wrong, as a sentence.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// How many failures led to it.
    async fn failures(&self) -> i32 {
        self.0.failures
    }
}
