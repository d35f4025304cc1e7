//! The guard of an account: how far a pricing version may be from what was charged, to go live without being
//! confirmed.

use canopy_entity::rule_version::{self, RuleKind};
use canopy_entity::simulation::SimulationKind;
use canopy_entity::{AccountId, Level, PermissionKey, rule_guard, simulation, time};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult};

use super::{store, variance};
use crate::idempotency::{Claim, Replayable};
use crate::statement::statement;
use crate::{Actor, Domain, Error, Micros, Result, audit, transaction};

const SET: &str = "
INSERT INTO rule_guards (account_id, max_variance, updated_at) VALUES ($1, $2, $3)
ON CONFLICT (account_id) DO UPDATE SET max_variance = excluded.max_variance, updated_at = excluded.updated_at
";

const LIFT: &str = "DELETE FROM rule_guards WHERE account_id = $1";

/// The last trial of a version as it is, on all customers: a dry run that is complete, or a shadow that has met usage.
const LAST: &str = "
SELECT * FROM simulations
WHERE rule_version_id = $1 AND account_id = $2 AND configuration IS NULL AND CAST(account_ids AS text) = '[]'
  AND (kind = 'DRY_RUN' AND status = 'DONE' OR kind = 'SHADOW' AND status IN ('RUNNING', 'DONE') AND events_done > 0)
ORDER BY id DESC LIMIT 1
";

/// A guard to set.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct SetRuleGuard {
    /// The seller.
    pub account_id: AccountId,
    /// The greatest variance in percent; none lifts the guard.
    pub max_variance: Option<Micros>,
}

impl Domain {
    /// Sets or lifts the guard of an account; answers the greatest variance in percent. Needs `BILLING` FULL.
    pub async fn set_rule_guard(
        &self,
        actor: &Actor,
        input: SetRuleGuard,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<Option<Micros>>> {
        let account = self.account(actor, &input.account_id).await?;
        account.access().require(PermissionKey::Billing, Level::Full)?;
        account.require_active(&["accountId"])?;
        if input.max_variance.is_some_and(|percent| percent < Micros::ZERO) {
            return Err(Error::bad_input(&["maxVariance"], "A variance is not negative."));
        }
        let claim = Claim::new(actor, "setRuleGuard", idempotency_key, &input)?;
        if let Some(answer) = claim.find(&self.0.db).await? {
            return Ok(Replayable::replayed(answer));
        }
        let (claim, account, percent) = (&claim, &account, input.max_variance);
        transaction::run(&self.0.writer, "set-rule-guard", |txn| {
            transaction::work(async move {
                if let Some(answer) = claim.find(txn).await? {
                    return Ok(Replayable::replayed(answer));
                }
                let id = account.id().as_str();
                match percent {
                    None => store::execute(txn, LIFT, [id.into()]).await?,
                    Some(percent) => {
                        store::execute(txn, SET, [id.into(), percent.get().into(), time::now().into()])
                            .await?
                    }
                };
                let entry = audit::Entry {
                    account_id: account.id(),
                    path: account.path(),
                    action: "rule.guard",
                    target: id,
                    detail: serde_json::json!({ "max_variance": percent.map(|percent| percent.to_string()) }),
                };
                audit::write(txn, actor, entry).await?;
                claim.store(txn, &percent).await?;
                Ok(Replayable::fresh(percent))
            })
        })
        .await
    }

    /// The guard of an account, in percent; none if it has none, or without `BILLING` FULL.
    pub async fn rule_guards(
        &self,
        _actor: &Actor,
        accounts: &[crate::AccountView],
    ) -> Result<std::collections::HashMap<AccountId, Micros>> {
        let allowed = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Billing, Level::Full))
            .map(|account| account.id());
        const GUARDS: &str = "SELECT * FROM rule_guards WHERE account_id IN [$1]";
        let db = &self.0.db;
        let statement = statement(
            db.get_database_backend(),
            GUARDS,
            [crate::statement::list(allowed)],
        );
        let rows = rule_guard::Model::find_by_statement(statement).all(db).await?;
        rows.into_iter()
            .map(|row| {
                Ok((
                    row.account_id,
                    Micros::new(row.max_variance).map_err(Error::internal)?,
                ))
            })
            .collect()
    }
}

/// Why a version may not go live at its owner without being confirmed; none if it may.
///
/// What is asked for is the last trial of the version with its own configuration on the usage of all customers: no
/// failure, and a variance within the guard. A trial is a complete dry run, or a shadow that has met usage, as far as it
/// has come.
pub(crate) async fn objection(
    txn: &impl ConnectionTrait,
    owner: &AccountId,
    version: &rule_version::Model,
) -> Result<Option<String>> {
    if version.kind != RuleKind::Pricing {
        return Ok(None);
    }
    let Some(guard) = rule_guard::Entity::find_by_id(owner.clone()).one(txn).await? else {
        return Ok(None);
    };
    let most = Micros::new(guard.max_variance).map_err(Error::internal)?;
    let values = [version.id.as_str().into(), owner.as_str().into()];
    let last = statement(txn.get_database_backend(), LAST, values);
    let Some(last) = simulation::Model::find_by_statement(last).one(txn).await? else {
        return Ok(Some(format!(
            "The account's guard asks for a trial of this version on all customers first, with a variance of at most \
             {most} %: simulateRule makes one, as does new usage while it is in shadow. `confirmVariance: true` goes on \
             without."
        )));
    };
    let found = variance(last.before_amount, last.after_amount);
    let trial = match last.kind {
        SimulationKind::DryRun => "dry run",
        SimulationKind::Shadow => "shadow",
    };
    if last.failures > 0 {
        return Ok(Some(format!(
            "In the last {trial} {} of {} events have no price. `confirmVariance: true` goes on all the same.",
            last.failures, last.events_done
        )));
    }
    if found.is_some_and(|found| found <= guard.max_variance) {
        return Ok(None);
    }
    let found = found.and_then(|found| Micros::new(found).ok());
    let found = found.map_or("beyond any percentage".to_owned(), |found| format!("{found} %"));
    Ok(Some(format!(
        "The variance in the last {trial} is {found}; the account's guard allows {most} %. `confirmVariance: true` \
         goes on all the same."
    )))
}
