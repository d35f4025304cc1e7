//! Making a rule version live at its owner's edge; the one before it retires in the same transaction.

use canopy_entity::rule_version::RuleStatus;
use canopy_entity::{Level, PermissionKey, RuleActivationId, RuleVersionId, rule_activation, time};
use sea_orm::{ActiveEnum, ConnectionTrait, EntityTrait, IntoActiveModel};

use super::active::live_activation;
use super::{RuleVersionView, read, store};
use crate::idempotency::{Claim, Replayable};
use crate::statement::statement;
use crate::transaction::{LostRace, breaks_uniqueness};
use crate::{AccountView, Actor, Domain, Error, Result, audit, transaction};

/// Which version is to be live.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct ActivateRule {
    /// The version; going back to an earlier one is the same act.
    pub rule_version_id: RuleVersionId,
}

/// What is live now, and what was before.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Activated {
    /// The version that is live now.
    pub version: RuleVersionView,
    /// The version that was live before; none if there was none, or if it was the same.
    pub previous: Option<RuleVersionView>,
}

const RETIRE: &str = "UPDATE rule_activations SET retired_at = $1 WHERE id = $2";

const SET_STATUS: &str = "UPDATE rule_versions SET status = $1 WHERE id = $2";

impl Domain {
    /// Makes a version live from now on. Needs `BILLING` FULL at its owner. Earlier events keep their price.
    pub async fn activate_rule(
        &self,
        actor: &Actor,
        input: ActivateRule,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<Activated>> {
        let id = &input.rule_version_id;
        let mut versions = self.rule_versions_by_id(actor, std::slice::from_ref(id)).await?;
        let version = versions.remove(id).ok_or(Error::NotFound("rule version"))?;
        let Some(owner) = &version.row.owner_account_id else {
            return Err(Error::bad_input(
                &["ruleVersionId"],
                "A built-in rule belongs to nobody: upload it for your account first, with its configuration.",
            ));
        };
        let account = self.account(actor, owner).await?;
        account.access().require(PermissionKey::Billing, Level::Full)?;
        account.require_active(&["ruleVersionId"])?;
        let claim = Claim::new(actor, "activateRule", idempotency_key, &input)?;
        if let Some(answer) = claim.find(&self.0.db).await? {
            return Ok(Replayable::replayed(answer));
        }
        // What cannot be loaded must not go live.
        self.loaded_rule(&version.row).await?;

        let (claim, account, version) = (&claim, &account, &version);
        transaction::run(&self.0.db, "activate-rule", |txn| {
            transaction::work(async move {
                if let Some(answer) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(answer));
                }
                let answer = activate(txn, actor, account, version).await?;
                claim.store(txn, &answer).await?;
                Ok(Replayable::fresh(answer))
            })
        })
        .await
    }
}

async fn activate(
    txn: &impl ConnectionTrait,
    actor: &Actor,
    account: &AccountView,
    version: &RuleVersionView,
) -> Result<Activated> {
    let (id, kind) = (&version.row.id, version.row.kind);
    // Whoever records usage below holds this account's row; so it is before or after this, and never in between.
    store::lock_owner(txn, account.id()).await?;
    let now = time::now();
    let live = live_activation(txn, account.id(), kind).await?;
    if live.as_ref().is_some_and(|live| live.rule_version_id == *id) {
        return Ok(Activated {
            version: read::one(txn, id).await?.ok_or(Error::NotFound("rule version"))?,
            previous: None,
        });
    }
    let backend = txn.get_database_backend();
    if let Some(live) = &live {
        let values = [now.into(), live.id.as_str().into()];
        txn.execute_raw(statement(backend, RETIRE, values)).await?;
        set_status(txn, &live.rule_version_id, RuleStatus::Retired).await?;
    }
    let row = rule_activation::Model {
        id: RuleActivationId::new(),
        account_id: account.id().clone(),
        kind,
        rule_version_id: id.clone(),
        activated_by: actor.label(),
        activated_at: now,
        retired_at: None,
    };
    let inserted = rule_activation::Entity::insert(row.into_active_model());
    match inserted.exec_without_returning(txn).await {
        Ok(_) => {}
        Err(error) if breaks_uniqueness(&error) => return Err(Error::internal(LostRace)),
        Err(error) => return Err(error.into()),
    }
    set_status(txn, id, RuleStatus::Active).await?;
    let previous = live.as_ref().map(|live| &live.rule_version_id);
    let entry = audit::Entry {
        account_id: account.id(),
        path: account.path(),
        action: "rule.activate",
        target: id.as_str(),
        detail: serde_json::json!({ "kind": kind, "previous": previous }),
    };
    audit::write(txn, actor, entry).await?;
    Ok(Activated {
        version: read::one(txn, id).await?.ok_or(Error::NotFound("rule version"))?,
        previous: match previous {
            Some(previous) => read::one(txn, previous).await?,
            None => None,
        },
    })
}

async fn set_status(txn: &impl ConnectionTrait, id: &RuleVersionId, status: RuleStatus) -> Result<()> {
    let values = [status.to_value().into(), id.as_str().into()];
    txn.execute_raw(statement(txn.get_database_backend(), SET_STATUS, values))
        .await?;
    Ok(())
}
