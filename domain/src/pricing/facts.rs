//! What a price depends on beside the usage itself: the accounts of the path and the rules that are live there.

use std::collections::{BTreeSet, HashMap};

use canopy_entity::account::{self, AccountStatus, BillingMode, CreditMode};
use canopy_entity::rule_version::{self, FailurePolicy, RuleKind};
use canopy_entity::{AccountId, AccountPath, PlanId};
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::Result;
use crate::rules::{LiveRule, active_rules};
use crate::statement::{list, statement};

/// What one account of a path is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AccountFacts {
    pub(crate) path: AccountPath,
    pub(crate) status: AccountStatus,
    pub(crate) currency: String,
    pub(crate) plan_id: Option<PlanId>,
    pub(crate) billing_mode: BillingMode,
    pub(crate) credit_mode: CreditMode,
    /// Whether its plan lets it sell for less than it pays.
    pub(crate) allow_below_cost: bool,
}

/// The accounts of some paths, and the pricing rules that are live there. Equal facts give equal prices.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) accounts: HashMap<AccountId, AccountFacts>,
    pub(crate) rules: HashMap<AccountId, LiveRule>,
}

const ACCOUNTS: &str = "
SELECT a.*, (SELECT p.limits_configuration FROM plans p WHERE p.id = a.plan_id) AS terms
FROM accounts a WHERE a.id IN [$1] ORDER BY a.id
";

impl Facts {
    /// Reads what holds for all accounts of `paths`.
    pub(crate) async fn read(
        db: &impl ConnectionTrait,
        paths: impl IntoIterator<Item = &AccountPath>,
    ) -> Result<Self> {
        Self::load(db, paths, ACCOUNTS).await
    }

    /// The same, and keeps it so until the transaction `db` ends: who changes an account or activates a rule for it
    /// waits.
    pub(crate) async fn read_locked(
        db: &impl ConnectionTrait,
        paths: impl IntoIterator<Item = &AccountPath>,
    ) -> Result<Self> {
        Self::load(db, paths, &format!("{ACCOUNTS} [FOR SHARE]")).await
    }

    async fn load(
        db: &impl ConnectionTrait,
        paths: impl IntoIterator<Item = &AccountPath>,
        sql: &str,
    ) -> Result<Self> {
        let distinct: BTreeSet<&AccountPath> = paths.into_iter().collect();
        let ids: BTreeSet<AccountId> = distinct.into_iter().flat_map(AccountPath::ids).collect();
        let mut facts = Facts::default();
        for row in db
            .query_all_raw(statement(db.get_database_backend(), sql, [list(&ids)]))
            .await?
        {
            let account = account::Model::from_query_result(&row, "")?;
            let terms: Option<serde_json::Value> = row.try_get("", "terms")?;
            facts.accounts.insert(account.id.clone(), of(account, terms));
        }
        facts.rules = active_rules(db, RuleKind::Pricing, &ids).await?;
        Ok(facts)
    }

    /// Only what holds for the accounts of `path`.
    pub(crate) fn of_path(&self, path: &AccountPath) -> Self {
        let ids = path.ids();
        let accounts = ids
            .iter()
            .filter_map(|id| Some((id.clone(), self.accounts.get(id)?.clone())));
        let rules = ids
            .iter()
            .filter_map(|id| Some((id.clone(), self.rules.get(id)?.clone())));
        Self {
            accounts: accounts.collect(),
            rules: rules.collect(),
        }
    }

    /// The version that prices the edge of the seller `ids[edge]` when that seller's own rule has no answer. None if
    /// the usage waits then, or is refused.
    pub(super) fn stand_in(&self, ids: &[AccountId], edge: usize) -> Option<&rule_version::Model> {
        let rule = self.rules.get(&ids[edge])?;
        match rule.policy() {
            FailurePolicy::Deny | FailurePolicy::KeepPending => None,
            FailurePolicy::LastGood => rule.last_good.as_ref(),
            FailurePolicy::ParentRule => {
                let mut above = ids[..edge].iter().rev();
                above.find_map(|seller| self.rules.get(seller)?.standing())
            }
        }
    }

    /// True if the account at `path` and all above it are in use.
    pub(crate) fn all_active(&self, path: &AccountPath) -> bool {
        path.ids().iter().all(|id| {
            self.accounts
                .get(id)
                .is_some_and(|account| account.status == AccountStatus::Active)
        })
    }
}

fn of(account: account::Model, terms: Option<serde_json::Value>) -> AccountFacts {
    let allow_below_cost = terms
        .and_then(|terms| terms.get("allow_below_cost")?.as_bool())
        .unwrap_or(false);
    AccountFacts {
        path: account.path,
        status: account.status,
        currency: account.currency,
        plan_id: account.plan_id,
        billing_mode: account.billing_mode,
        credit_mode: account.credit_mode,
        allow_below_cost,
    }
}
