//! What a move changes for those it concerns: who may see the account, what it may have, and who pays for it.

use std::collections::BTreeMap;

use canopy_entity::account::BillingMode;
use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, AccountPath, PlanId, account};

use crate::accounts::{AccountView, on_path};
use crate::ledger::granted;
use crate::limits::{Counted, Recency, ResourceLimit};
use crate::{Actor, Domain, Error, Result};

/// All that a move changes.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct MoveChanges {
    /// The first instant at which the account stands at its new place; none if it was not moved.
    pub at: Option<Timestamp>,
    /// How many accounts move: the account and all below it.
    pub accounts: u64,
    /// The parent that it leaves.
    pub from: AccountId,
    /// The new parent.
    pub to: AccountId,
    /// Whose people and keys gain or lose access, from the top down, those first who lose it.
    pub access: Vec<AccessChange>,
    /// The account's limits that change, by resource.
    pub limits: Vec<LimitChange>,
    /// Who pays for what it uses.
    pub payer: PayerChange,
    /// Its plan before.
    pub plan_before: Option<PlanId>,
    /// Its plan after.
    pub plan_after: Option<PlanId>,
    /// What goes back to the parent that it leaves, in micro-units.
    pub credits_returned: i64,
    /// ISO 4217 code of these.
    pub currency: String,
}

/// An account above, whose people and keys gain or lose access to what moves.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct AccessChange {
    /// The account.
    pub account_id: AccountId,
    /// True if they gain access.
    pub gains: bool,
    /// How many members it has.
    pub members: u64,
    /// How many API keys of it hold.
    pub api_keys: u64,
}

/// A limit that changes.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct LimitChange {
    /// The resource.
    pub resource: String,
    /// How many the account has; for `depth` its own level after the move.
    pub used: u64,
    /// The highest count before; none means unlimited.
    pub before: Option<u64>,
    /// The highest count after; none means unlimited.
    pub after: Option<u64>,
}

/// Who pays for what the account uses.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct PayerChange {
    /// The account that paid: the nearest with its own billing, at the account or above.
    pub before: AccountId,
    /// The account that pays from then on.
    pub after: AccountId,
    /// Who sold to it, from the top down.
    pub sellers_before: Vec<AccountId>,
    /// Who sells to it from then on, from the top down.
    pub sellers_after: Vec<AccountId>,
}

impl Domain {
    /// What a move of `account` to `parent` changes, where these limits hold for it.
    pub(super) async fn changes(
        &self,
        actor: &Actor,
        account: &AccountView,
        parent: &AccountView,
        plan_after: Option<&PlanId>,
        limits: &[ResourceLimit],
        accounts: u64,
    ) -> Result<MoveChanges> {
        let db = &self.0.db;
        let left = on_path(db, account.path()).await?;
        let mut joined = on_path(db, parent.path()).await?;
        let access = self.access(&left, &joined).await?;
        joined.push(account.row().clone());
        let before = self
            .evaluate_limits([account.path()], Recency::Fresh)
            .await?
            .limits_of(account, actor.scope())?;
        let row = account.row();
        let from = row.parent_id.clone();
        Ok(MoveChanges {
            at: None,
            accounts,
            from: from.ok_or_else(|| Error::internal("a subaccount has a parent, as its check says"))?,
            to: parent.id().clone(),
            access,
            limits: differences(&before, limits),
            payer: PayerChange {
                before: payer(&left)?,
                after: payer(&joined)?,
                sellers_before: sellers(account.path()),
                sellers_after: parent.path().ids(),
            },
            plan_before: row.plan_id.clone(),
            plan_after: plan_after.cloned(),
            credits_returned: granted(db, row).await?,
            currency: row.currency.clone(),
        })
    }

    /// Those on one path and not on the other, but for the account that moves, which is the last of those it leaves with.
    async fn access(&self, left: &[account::Model], joined: &[account::Model]) -> Result<Vec<AccessChange>> {
        let above = &left[..left.len() - 1];
        let only = |these: &[account::Model], those: &[account::Model], gains: bool| {
            let only = these
                .iter()
                .filter(|one| those.iter().all(|other| other.id != one.id));
            only.map(|one| (one.id.clone(), gains)).collect::<Vec<_>>()
        };
        let mut access = Vec::new();
        let changed = only(above, joined, false)
            .into_iter()
            .chain(only(joined, above, true));
        for (account_id, gains) in changed {
            access.push(AccessChange {
                members: Counted::Members.count(&self.0.db, &account_id).await?,
                api_keys: Counted::ApiKeys.count(&self.0.db, &account_id).await?,
                account_id,
                gains,
            });
        }
        Ok(access)
    }
}

/// The nearest account of a path that pays for itself.
fn payer(path: &[account::Model]) -> Result<AccountId> {
    let payer = path
        .iter()
        .rev()
        .find(|account| account.billing_mode == BillingMode::Own);
    let payer = payer.ok_or_else(|| Error::internal("a root pays for itself, as its check says"))?;
    Ok(payer.id.clone())
}

fn sellers(path: &AccountPath) -> Vec<AccountId> {
    let mut ids = path.ids();
    ids.pop();
    ids
}

/// The limits that are not as they were.
fn differences(before: &[ResourceLimit], after: &[ResourceLimit]) -> Vec<LimitChange> {
    let mut limits: BTreeMap<&str, LimitChange> = BTreeMap::new();
    for limit in before {
        let change = LimitChange {
            resource: limit.resource.to_string(),
            used: limit.used,
            before: limit.max,
            after: None,
        };
        limits.insert(&limit.resource, change);
    }
    for limit in after {
        let change = limits.entry(&limit.resource).or_insert_with(|| LimitChange {
            resource: limit.resource.to_string(),
            used: limit.used,
            before: None,
            after: None,
        });
        (change.used, change.after) = (limit.used, limit.max);
    }
    let mut limits: Vec<LimitChange> = limits.into_values().collect();
    limits.retain(|limit| limit.before != limit.after);
    limits
}
