//! Getting a rule ready to be called: from the sandbox's memory, or from the stored wasm. The sandbox sees to it
//! that the same wasm is compiled once, however many ask for it at the same time.

use canopy_entity::{rule_artifact, rule_version};
use canopy_rules_host::{Digest, LoadedRule, RuleError};
use sea_orm::EntityTrait;

use crate::{Domain, Error, Result};

impl Domain {
    /// The rule of `version`, ready to be called; `Error::RuleFailed` if it cannot be made ready.
    pub(crate) async fn loaded_rule(&self, version: &rule_version::Model) -> Result<LoadedRule> {
        self.load_rule(version)
            .await?
            .map_err(|error| Error::RuleFailed(error.to_string()))
    }

    /// The same, for those who need to know why it cannot be made ready.
    pub(crate) async fn load_rule(
        &self,
        version: &rule_version::Model,
    ) -> Result<Result<LoadedRule, RuleError>> {
        let digest: Digest = version.digest.parse().map_err(Error::internal)?;
        if let Some(loaded) = self.0.rules.loaded(&digest) {
            return Ok(Ok(loaded));
        }
        let wasm = self.wasm(version).await?;
        Ok(self.0.rules.prepare(wasm).await)
    }

    /// The stored wasm of `version`.
    pub(super) async fn wasm(&self, version: &rule_version::Model) -> Result<Vec<u8>> {
        let artifact = rule_artifact::Entity::find_by_id(version.digest.clone())
            .one(&self.0.db)
            .await?;
        artifact
            .map(|artifact| artifact.wasm)
            .ok_or_else(|| Error::internal(format!("the wasm of rule {} is missing", version.id)))
    }
}
