//! `RuleChange`.

use async_graphql::{ID, Object};
use canopy_domain::rules;

use super::rule_status::RuleStatus;
use crate::scalars::DateTime;

/// A step in the life of a rule version.
#[derive(Clone)]
pub(crate) struct RuleChange(rules::RuleChange);

impl From<rules::RuleChange> for RuleChange {
    fn from(change: rules::RuleChange) -> Self {
        Self(change)
    }
}

/// A step in the life of a rule version. It is never changed.
#[Object]
impl RuleChange {
    /// The id, with the prefix `rch_`.
    async fn id(&self) -> ID {
        ID(self.0.row.id.to_string())
    }

    /// What the version was before; null for its upload.
    async fn from_status(&self) -> Option<RuleStatus> {
        self.0.row.from_status.map(Into::into)
    }

    /// What it was from then on.
    async fn to_status(&self) -> RuleStatus {
        self.0.row.to_status.into()
    }

    /// Id of the user or API key that did it; "system" for Canopy itself. Null if it was somebody whose access
    /// the caller may not see.
    async fn changed_by(&self) -> Option<&str> {
        self.0.changed_by.as_deref()
    }

    /// Why, in the words of whoever did it.
    async fn reason(&self) -> Option<&str> {
        self.0.row.reason.as_deref()
    }

    /// When.
    async fn changed_at(&self) -> DateTime {
        self.0.row.changed_at.into()
    }
}
