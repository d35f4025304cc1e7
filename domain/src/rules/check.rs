//! Whether a rule is fit: its structure always, and, where that is asked for, whether it keeps the contract.

use canopy_entity::rule_version::{self, RuleKind};
use canopy_rules_host::{self as rules_host, CheckReport, Inspected, Manifest, RuleError, Samples};
use sea_orm::ActiveEnum;

use super::builtin::kind;
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

    /// Refuses a configuration that is not what the schema in the manifest of the rule `name` asks for: as a fault of
    /// the field `configuration`, or of the rule if its schema is one that nobody can be held against.
    pub(crate) async fn hold_configuration(
        &self,
        account: &AccountView,
        name: &str,
        manifest: &Manifest,
        configuration: &serde_json::Value,
    ) -> Result<()> {
        let Some(schema) = &manifest.configuration_schema else {
            return Ok(());
        };
        let owner = Some(account.id().as_str());
        let held = self.0.rules.check_configuration(owner, schema, configuration);
        held.await.map_err(|error| {
            let message = error.to_string();
            match error {
                RuleError::InvalidConfiguration { place, .. } => Error::BadInput {
                    field: std::iter::once("configuration".to_owned()).chain(place).collect(),
                    message,
                },
                error => refused(name, error),
            }
        })
    }

    /// Refuses a stored version that cannot be loaded, or whose configuration is not what its schema asks for.
    pub(super) async fn ready(&self, account: &AccountView, version: &rule_version::Model) -> Result<()> {
        let rule = self.loaded_rule(version).await?;
        let name = named(version);
        self.hold_configuration(account, &name, rule.manifest(), &version.configuration)
            .await
            .map_err(of_version)
    }

    /// Compiles a rule and holds it against the contract, with its configuration.
    pub(super) async fn try_out(&self, rule: Candidate<'_>, wasm: Vec<u8>) -> Result<CheckReport> {
        let refused = |error| refused(rule.name, error);
        let owner = rule.account.id().as_str();
        let loaded = self.0.rules.prepare_for(owner, wasm).await.map_err(refused)?;
        let samples = match loaded.kind() {
            rules_host::RuleKind::Pricing => self.samples(rule.account).await?,
            rules_host::RuleKind::Limits => Samples::default(),
        };
        let configuration = rule.configuration.to_string();
        let checked = self.0.rules.check(&loaded, &configuration, samples).await;
        checked.map_err(refused)
    }

    /// The same for a version that was stored as a draft.
    pub(super) async fn check_version(
        &self,
        account: &AccountView,
        version: &rule_version::Model,
    ) -> Result<CheckReport> {
        let wasm = self.wasm(version).await?;
        let name = named(version);
        let inspected = self.inspect(&name, version.kind, wasm.clone()).await?;
        self.hold_configuration(account, &name, &inspected.manifest, &version.configuration)
            .await
            .map_err(of_version)?;
        let rule = Candidate {
            account,
            name: &name,
            configuration: &version.configuration,
        };
        self.try_out(rule, wasm).await
    }
}

/// What a stored version is called in what is told of it.
pub(crate) fn named(version: &rule_version::Model) -> String {
    format!("{} version {}", version.name, version.version)
}

/// Where the input names a version, it has no configuration that could be to blame.
fn of_version(error: Error) -> Error {
    match error {
        Error::BadInput { message, .. } => Error::bad_input(&["ruleVersionId"], message),
        error => error,
    }
}

fn refused(name: &str, error: RuleError) -> Error {
    match error {
        RuleError::Throttled { .. } => Error::busy(),
        error if error.is_rules_fault() => Error::RuleFailed(format!("{name}: {error}")),
        error => Error::internal(error),
    }
}
