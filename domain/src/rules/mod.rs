//! Rules: versions, which of them is live where, and calling them.
//!
//! A version is wasm with a configuration; it never changes. One version of each kind may be live at an account. A
//! live pricing rule sets what the account charges its direct customers. A live limits rule narrows what everything
//! at and below the account may have, in addition to the rules of the plans there.

mod activate;
mod active;
mod builtin;
mod change;
mod check;
mod failures;
mod history;
mod life;
mod load;
mod quarantine;
mod read;
mod report;
mod samples;
mod store;
mod upload;

use canopy_entity::rule_version::{self, RuleKind};
use canopy_entity::{AccountId, RuleVersionId};
use std::collections::HashMap;

use crate::page::Pages;
use crate::{AccountView, Actor, Domain, Error, PageArgs, Result};

pub(crate) use active::{LiveRule, active_rules};
pub(crate) use check::named;
pub(crate) use failures::{Failed, Failure, Fault, Refusals};
pub use history::{MAX_RECORDS, Quarantine, RuleChange};
pub use life::{ChangeRule, ChangedRule, RollBackRule, RuleStep};
pub use quarantine::QuarantineSettings;
pub use report::RuleCheckReport;
pub use upload::{MAX_CONFIGURATION, RuleSource, UploadRule};

/// A rule version, and since when it is live.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct RuleVersionView {
    /// The row.
    pub row: rule_version::Model,
    /// Since when it is live at its owner; none if it is not.
    pub active_since: Option<canopy_entity::time::Timestamp>,
}

impl Domain {
    /// A page of the rule versions of each account, of one kind if it is given. An account without `BILLING` FULL
    /// is missing from the answer.
    pub async fn rule_versions(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
        kind: Option<RuleKind>,
        page: &PageArgs,
    ) -> Result<Pages<AccountId, RuleVersionView>> {
        read::pages(&self.0.db, accounts, kind, page).await
    }

    /// The wasm of a version that the actor may see: its own accounts' (`BILLING` FULL) or a built-in one.
    pub async fn rule_wasm(&self, actor: &Actor, id: &RuleVersionId) -> Result<Vec<u8>> {
        let mut versions = self.rule_versions_by_id(actor, std::slice::from_ref(id)).await?;
        let version = versions.remove(id).ok_or(Error::NotFound("rule version"))?;
        self.wasm(&version.row).await
    }

    /// The largest component that may be uploaded, in bytes.
    pub fn largest_rule(&self) -> usize {
        self.0.rules.largest_upload()
    }

    /// The rule versions with these ids that the actor may see: its own accounts' (`BILLING` FULL) and built-in ones.
    pub async fn rule_versions_by_id(
        &self,
        actor: &Actor,
        ids: &[RuleVersionId],
    ) -> Result<HashMap<RuleVersionId, RuleVersionView>> {
        read::by_id(self, actor, ids).await
    }
}
