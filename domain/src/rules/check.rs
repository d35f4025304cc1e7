//! Whether a rule is fit: its structure always, and, where that is asked for, whether it keeps the contract.

use canopy_entity::rule_version::{self, RuleKind};
use canopy_rules_host::{Inspected, RuleError, Samples};
use sea_orm::ActiveEnum;

use super::builtin::kind;
use crate::pricing::Facts;
use crate::statement::storable;
use crate::{AccountView, Domain, Error, Result};

/// A rule that is to be checked.
pub(super) struct Candidate<'a> {
    /// Whose it is.
    pub(super) account: &'a AccountView,
    /// Its name, for what is told about it.
    pub(super) name: &'a str,
    pub(super) configuration: &'a serde_json::Value,
}

impl Domain {
    /// Refuses wasm that is no component of the world of `wanted`, without compiling or running any of it; answers
    /// what it says of itself.
    pub(super) async fn inspect(&self, name: &str, wanted: RuleKind, wasm: Vec<u8>) -> Result<Inspected> {
        let inspected = self.0.rules.inspect(wasm).await;
        let inspected = inspected.map_err(|error| refused(name, error))?;
        let found = kind(inspected.kind);
        if found != wanted {
            return Err(Error::RuleFailed(format!(
                "{name}: This is a rule of kind {}, not {}.",
                found.to_value(),
                wanted.to_value()
            )));
        }
        let schema = &inspected.manifest.configuration_schema;
        if !schema.as_ref().is_none_or(storable) {
            return Err(Error::RuleFailed(format!(
                "{name}: The configuration schema of its manifest has a NUL character."
            )));
        }
        Ok(inspected)
    }

    /// Compiles a rule and holds it against the contract, with its configuration.
    pub(super) async fn try_out(&self, rule: Candidate<'_>, wasm: Vec<u8>) -> Result<()> {
        let refused = |error| refused(rule.name, error);
        let owner = rule.account.id().as_str();
        let loaded = self.0.rules.prepare_for(owner, wasm).await.map_err(refused)?;
        let facts = Facts::read(&self.0.db, [rule.account.path()]).await?;
        let seller = facts.accounts.get(rule.account.id());
        let samples = Samples {
            allow_below_cost: seller.is_some_and(|seller| seller.allow_below_cost),
            ..Samples::default()
        };
        let configuration = rule.configuration.to_string();
        let checked = self.0.rules.check(&loaded, &configuration, samples).await;
        checked.map(|_| ()).map_err(refused)
    }

    /// The same for a version that was stored as a draft.
    pub(super) async fn check_version(
        &self,
        account: &AccountView,
        version: &rule_version::Model,
    ) -> Result<()> {
        let wasm = self.wasm(version).await?;
        let name = format!("{} version {}", version.name, version.version);
        let rule = Candidate {
            account,
            name: &name,
            configuration: &version.configuration,
        };
        self.try_out(rule, wasm).await
    }
}

fn refused(name: &str, error: RuleError) -> Error {
    match error {
        RuleError::Throttled { .. } => Error::RateLimited,
        error if error.is_rules_fault() => Error::RuleFailed(format!("{name}: {error}")),
        error => Error::internal(error),
    }
}
