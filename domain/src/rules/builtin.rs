//! Registering the rules that Canopy ships. They belong to nobody, and everybody may use them.

use canopy_entity::rule_version::{self, FailurePolicy, RuleClass, RuleKind, RuleStatus};
use canopy_entity::{RuleVersionId, time};
use canopy_rules_host::{Builtin, builtins};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::store;
use crate::{Domain, Error, Result, transaction};

/// The limits rule of the plans that Canopy ships.
const LIMITS_BY_PLAN: &str = "limits-by-plan";

impl Domain {
    /// Registers the rules that Canopy ships; answers the version of `limits-by-plan`. A rule whose wasm is another
    /// than that of its last version becomes a new version; earlier ones stay for those that use them.
    pub(crate) async fn ensure_builtin_rules(&self) -> Result<RuleVersionId> {
        let mut limits_by_plan = None;
        for builtin in builtins() {
            let version = transaction::run(&self.0.writer, "ensure-builtin-rule", |txn| {
                transaction::work(async move { ensure(txn, builtin).await })
            })
            .await?;
            if builtin.name == LIMITS_BY_PLAN {
                limits_by_plan = Some(version);
            }
        }
        limits_by_plan.ok_or_else(|| Error::internal("limits-by-plan is not among the built-in rules"))
    }
}

async fn ensure(txn: &impl ConnectionTrait, builtin: &Builtin) -> Result<RuleVersionId> {
    let digest = builtin.digest().to_string();
    let last = rule_version::Entity::find()
        .filter(rule_version::Column::OwnerAccountId.is_null())
        .filter(rule_version::Column::Name.eq(builtin.name))
        .order_by_desc(rule_version::Column::Version)
        .one(txn)
        .await?;
    if let Some(last) = last.filter(|last| last.digest == digest) {
        return Ok(last.id);
    }
    let kind = kind(builtin.kind);
    let manifest = canopy_rules_host::manifest(builtin.wasm).map_err(Error::internal)?;
    store::artifact(txn, &digest, builtin.wasm, manifest.configuration_schema).await?;
    let row = rule_version::Model {
        id: RuleVersionId::new(),
        owner_account_id: None,
        kind,
        name: builtin.name.to_owned(),
        version: store::next_number(txn, None, builtin.name).await?,
        digest,
        size_bytes: i64::try_from(builtin.wasm.len()).expect("a rule is small"),
        class: RuleClass::Small,
        // Plans call the limits rule as it is; a pricing rule decides nothing until a seller has it with prices.
        status: match kind {
            RuleKind::Limits => RuleStatus::Active,
            RuleKind::Pricing => RuleStatus::Checked,
        },
        configuration: serde_json::json!({}),
        failure_policy: default_policy(kind),
        created_by: "system".to_owned(),
        created_at: time::now(),
    };
    let id = row.id.clone();
    store::version(txn, row).await?;
    Ok(id)
}

/// What happens when a rule fails whose owner did not say.
pub(super) fn default_policy(kind: RuleKind) -> FailurePolicy {
    match kind {
        RuleKind::Limits => FailurePolicy::Deny,
        RuleKind::Pricing => FailurePolicy::KeepPending,
    }
}

/// The sandbox's name for a class, as ours.
pub(super) fn class(class: canopy_rules_host::RuleClass) -> RuleClass {
    match class {
        canopy_rules_host::RuleClass::Small => RuleClass::Small,
        canopy_rules_host::RuleClass::Interpreter => RuleClass::Interpreter,
    }
}

/// The sandbox's name for a kind, as ours.
pub(super) fn kind(kind: canopy_rules_host::RuleKind) -> RuleKind {
    match kind {
        canopy_rules_host::RuleKind::Limits => RuleKind::Limits,
        canopy_rules_host::RuleKind::Pricing => RuleKind::Pricing,
    }
}
