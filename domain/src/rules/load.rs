//! Getting a rule ready to be called: from the sandbox's memory, or from the stored wasm. The sandbox sees to it
//! that the same wasm is compiled once, however many ask for it at the same time.

use std::collections::{BTreeMap, HashMap};

use canopy_entity::{RuleVersionId, rule_artifact, rule_version};
use canopy_rules_host::{Digest, LoadedRule, RuleError};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::{Domain, Error, Result};

/// The most bytes of wasm that are read at once.
const MAX_READ: i64 = 32 << 20;

impl Domain {
    /// The rule of `version`, ready to be called; `Error::RuleFailed` if it cannot be made ready.
    pub(crate) async fn loaded_rule(&self, version: &rule_version::Model) -> Result<LoadedRule> {
        self.load_rule(version).await?.map_err(|error| match error {
            RuleError::Throttled { .. } => Error::busy(),
            error => Error::RuleFailed(error.to_string()),
        })
    }

    /// The same, for those who need to know why it cannot be made ready. Calls of the rule are charged to the owner of
    /// the version and counted as the version's; a rule of nobody's is counted alone.
    pub(crate) async fn load_rule(
        &self,
        version: &rule_version::Model,
    ) -> Result<Result<LoadedRule, RuleError>> {
        let digest: Digest = version.digest.parse().map_err(Error::internal)?;
        let loaded = match self.0.rules.loaded(&digest) {
            Some(loaded) => Ok(loaded),
            None => self.prepared(version, self.wasm(version).await?).await,
        };
        Ok(loaded.map(|loaded| charged(version, &loaded)))
    }

    /// Compiles the wasm of `version`, in the queue of its owner.
    async fn prepared(&self, version: &rule_version::Model, wasm: Vec<u8>) -> Result<LoadedRule, RuleError> {
        match &version.owner_account_id {
            Some(owner) => self.0.rules.prepare_for(owner.as_str(), wasm).await,
            None => self.0.rules.prepare(wasm).await,
        }
    }

    /// Many rules at once, by version: all that are not in memory are read with one statement, as long as they are
    /// small enough together; those beyond are unavailable.
    pub(crate) async fn load_rules(
        &self,
        versions: impl Iterator<Item = &rule_version::Model>,
    ) -> Result<HashMap<RuleVersionId, Result<LoadedRule, RuleError>>> {
        let versions: HashMap<&RuleVersionId, &rule_version::Model> =
            versions.map(|version| (&version.id, version)).collect();
        let mut sizes: BTreeMap<&str, i64> = BTreeMap::new();
        for version in versions.values() {
            let digest: Digest = version.digest.parse().map_err(Error::internal)?;
            if self.0.rules.loaded(&digest).is_none() {
                sizes.insert(&version.digest, version.size_bytes);
            }
        }
        let mut room = MAX_READ;
        sizes.retain(|_, size| {
            room -= *size;
            room >= 0
        });
        let mut wasm = self.artifacts(sizes.into_keys().collect()).await?;
        let mut rules = HashMap::with_capacity(versions.len());
        for (id, version) in versions {
            let digest: Digest = version.digest.parse().map_err(Error::internal)?;
            let rule = match (self.0.rules.loaded(&digest), wasm.remove(&version.digest)) {
                (Some(loaded), _) => Ok(loaded),
                (None, Some(wasm)) => self.prepared(version, wasm).await,
                (None, None) => Err(RuleError::Unavailable),
            };
            rules.insert(id.clone(), rule.map(|rule| charged(version, &rule)));
        }
        Ok(rules)
    }

    async fn artifacts(&self, digests: Vec<&str>) -> Result<HashMap<String, Vec<u8>>> {
        if digests.is_empty() {
            return Ok(HashMap::new());
        }
        let artifacts = rule_artifact::Entity::find()
            .filter(rule_artifact::Column::Digest.is_in(digests))
            .all(&self.0.db)
            .await?;
        Ok(artifacts
            .into_iter()
            .map(|artifact| (artifact.digest, artifact.wasm))
            .collect())
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

/// The handle whose calls are charged to the version's owner, and counted as the version's.
fn charged(version: &rule_version::Model, loaded: &LoadedRule) -> LoadedRule {
    match &version.owner_account_id {
        Some(owner) => loaded.for_owner(owner.as_str(), version.id.as_str()),
        None => loaded.for_nobody(version.id.as_str()),
    }
}
