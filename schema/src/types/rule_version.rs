//! `RuleVersion`.

use async_graphql::{Context, ID, Object};
use canopy_domain::Result;
use canopy_domain::entity::RuleVersionId;
use canopy_domain::rules::RuleVersionView;

use super::failure_policy::FailurePolicy;
use super::rule_change::RuleChange;
use super::rule_check_report::RuleCheckReport;
use super::rule_class::RuleClass;
use super::rule_failure::RuleFailure;
use super::rule_kind::RuleKind;
use super::rule_quarantine::RuleQuarantine;
use super::rule_run::RuleRun;
use super::rule_status::RuleStatus;
use super::simulation::Simulation;
use crate::connection::{Edge, List};
use crate::loaders::reads;
use crate::nullable::nullable;
use crate::scalars::{DateTime, Json, int};
use crate::session::Session;

/// A rule version.
pub(crate) struct RuleVersion(RuleVersionView);

impl From<RuleVersionView> for RuleVersion {
    fn from(view: RuleVersionView) -> Self {
        Self(view)
    }
}

impl RuleVersion {
    /// The id of the version that priced something; null if none did, or if the caller may not see it.
    pub(crate) async fn visible_id(ctx: &Context<'_>, id: Option<&RuleVersionId>) -> Option<Result<ID>> {
        let id = id?.clone();
        let rule = async {
            let loaders = &Session::caller(ctx)?.loaders;
            let rule = loaders.load(reads::RuleVersionsById, id).await?;
            Ok(rule.map(|rule| ID(rule.row.id.to_string())))
        };
        nullable(rule).await
    }
}

/// A version of a rule: WebAssembly, and the configuration that it is called with. It is never changed; a
/// change is a new version.
#[Object]
impl RuleVersion {
    /// The id, with the prefix `rul_`.
    async fn id(&self) -> ID {
        ID(self.0.row.id.to_string())
    }

    /// What the rule decides.
    async fn kind(&self) -> RuleKind {
        self.0.row.kind.into()
    }

    /// The rule's name within its account.
    async fn name(&self) -> &str {
        &self.0.row.name
    }

    /// Number of the version within the name, from 1.
    async fn version(&self) -> i32 {
        self.0.row.version
    }

    /// SHA-256 of the wasm, in hexadecimal.
    async fn digest(&self) -> &str {
        &self.0.row.digest
    }

    /// Size of the wasm in bytes.
    async fn size_bytes(&self) -> i32 {
        int(self.0.row.size_bytes.unsigned_abs())
    }

    /// What a call of it may cost.
    async fn class(&self) -> RuleClass {
        self.0.row.class.into()
    }

    /// Where in its life it is.
    async fn status(&self) -> RuleStatus {
        self.0.row.status.into()
    }

    /// What it is called with: an object.
    async fn configuration(&self) -> Json {
        Json(self.0.row.configuration.clone())
    }

    /// The JSON Schema that the rule's author wrote for its configuration; null if there is none.
    async fn configuration_schema(&self, ctx: &Context<'_>) -> Result<Option<Json>> {
        let loaders = &Session::caller(ctx)?.loaders;
        let schema = loaders.load(reads::ConfigurationSchemas, self.0.clone()).await?;
        Ok(schema.map(Json))
    }

    /// The last check that it passed; null if it is a draft, and for a rule that Canopy ships.
    async fn check_report(&self, ctx: &Context<'_>) -> Result<Option<RuleCheckReport>> {
        let loaders = &Session::caller(ctx)?.loaders;
        let report = loaders.load(reads::CheckReports, self.0.clone()).await?;
        Ok(report.map(RuleCheckReport::from))
    }

    /// What happens when it fails.
    async fn failure_policy(&self) -> FailurePolicy {
        self.0.row.failure_policy.into()
    }

    /// When it was uploaded.
    async fn created_at(&self) -> DateTime {
        self.0.row.created_at.into()
    }

    /// Since when it decides; null if it does not.
    async fn active_since(&self) -> Option<DateTime> {
        self.0.active_since.map(DateTime)
    }

    /// The steps of its life, newest first. Empty for a rule that Canopy ships.
    async fn history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many steps, 0 to 100.", default = 20)] first: i32,
    ) -> Result<Vec<RuleChange>> {
        let loaders = &Session::caller(ctx)?.loaders;
        let steps = loaders.load(reads::RuleHistory(first), self.0.clone()).await?;
        Ok(steps.into_iter().flatten().map(RuleChange::from).collect())
    }

    /// What it failed on last, newest first. Empty for a rule that Canopy ships.
    async fn failures(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many failures, 0 to 100.", default = 20)] first: i32,
    ) -> Result<Vec<RuleFailure>> {
        let loaders = &Session::caller(ctx)?.loaders;
        let failures = loaders.load(reads::RuleFailures(first), self.0.clone()).await?;
        Ok(failures.into_iter().flatten().map(RuleFailure::from).collect())
    }

    /// What it did last, newest first: ratings that it priced, each run again, and failures. Of all versions of a
    /// list together at most 1000. Empty for a rule that Canopy ships.
    #[graphql(complexity = "10 + child_complexity")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many runs, 0 to 100.", default = 20)] first: i32,
    ) -> Result<Vec<RuleRun>> {
        let loaders = &Session::caller(ctx)?.loaders;
        let runs = loaders.load(reads::RuleRuns(first), self.0.clone()).await?;
        Ok(runs.into_iter().flatten().map(RuleRun::from).collect())
    }

    /// Why it is in quarantine; null if it is not.
    async fn quarantine(&self, ctx: &Context<'_>) -> Result<Option<RuleQuarantine>> {
        let loaders = &Session::caller(ctx)?.loaders;
        let quarantine = loaders.load(reads::Quarantines, self.0.clone()).await?;
        Ok(quarantine.map(RuleQuarantine::from))
    }

    /// What it would have charged for new usage since it is in shadow: the last time that it was, which goes on as
    /// long as the status is SHADOW. Null if it never was, or since less than a second.
    async fn shadow(&self, ctx: &Context<'_>) -> Option<Result<Simulation>> {
        let shadow = async {
            let loaders = &Session::caller(ctx)?.loaders;
            loaders.load(reads::ShadowsOf, self.0.clone()).await
        };
        nullable(shadow).await
    }
}

/// The rule versions of an account.
pub(crate) struct RuleVersions;

impl List for RuleVersions {
    const NAME: &'static str = "RuleVersion";
    type Row = RuleVersionView;
    type Node = RuleVersion;
    type Edge = Edge<Self>;

    fn node(row: RuleVersionView) -> RuleVersion {
        row.into()
    }

    fn edge(cursor: String, row: RuleVersionView) -> Edge<Self> {
        Edge::new(cursor, row)
    }
}
