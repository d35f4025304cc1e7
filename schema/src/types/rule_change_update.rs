//! `RuleChangeUpdate`.

use async_graphql::{Context, Object};
use canopy_domain::{Error, Result, events};

use super::rule_change::RuleChange;
use super::rule_version::RuleVersion;
use crate::loaders::reads;
use crate::session::Session;

/// News of a rule.
pub(crate) struct RuleChangeUpdate(events::RuleChangeUpdate);

impl From<events::RuleChangeUpdate> for RuleChangeUpdate {
    fn from(update: events::RuleChangeUpdate) -> Self {
        Self(update)
    }
}

/// News of a rule version: a step in its life, whoever took it. A quarantine is one too.
#[Object]
impl RuleChangeUpdate {
    /// The update's place in the stream, opaque. Subscribe again with it as `after` to go on without gap or
    /// duplicate.
    async fn cursor(&self) -> &str {
        &self.0.cursor
    }

    /// The step.
    async fn change(&self) -> RuleChange {
        self.0.change.clone().into()
    }

    /// The version, as it is now.
    async fn rule_version(&self, ctx: &Context<'_>) -> Result<RuleVersion> {
        let loaders = &Session::caller(ctx)?.loaders;
        let id = self.0.change.row.rule_version_id.clone();
        let version = loaders.load(reads::RuleVersionsById, id).await?;
        version
            .map(RuleVersion::from)
            .ok_or(Error::NotFound("rule version"))
    }
}
