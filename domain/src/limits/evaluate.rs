//! Asking the limits rules of all accounts on some paths, and answering from what they said.
//!
//! The number of statements is the same for one path and for many. Rules are asked here and nowhere else, and never
//! within a transaction: whoever writes afterwards locks the account, counts again and holds the count against the
//! limit that was evaluated.

mod explain;

use std::collections::{BTreeMap, HashMap, HashSet};

use canopy_entity::account::AccountKind;
use canopy_entity::rule_version::{self, RuleKind};
use canopy_entity::{AccountId, AccountPath, PlanId, RuleVersionId, Scope, account, account_limit, plan};
use canopy_rules_host as host;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::ask::said_by_rule;
use super::count::{CountedAccount, counted};
use super::narrow::{Bound, Source, narrow};
use super::{Counted, DEPTH, LimitDecider, ResourceLimit};
use crate::rules::{LiveRule, active_rules};
use crate::{AccountView, Domain, Error, Result};

pub use explain::LimitSteps;

/// What the rules said about each account of some paths, or that one of them failed. A failure is that of its account
/// and all below it, and of nobody else.
#[derive(Default)]
pub(crate) struct Chains(HashMap<AccountId, Result<Evaluated>>);

/// One account, and what its rules and its parent say about it.
struct Evaluated {
    account: CountedAccount,
    sources: Vec<Source>,
    policy: Option<host::Policy>,
}

/// What is read before the rules are asked.
struct Facts {
    accounts: Vec<CountedAccount>,
    plans: HashMap<PlanId, plan::Model>,
    plan_rules: HashMap<RuleVersionId, rule_version::Model>,
    live_rules: HashMap<AccountId, LiveRule>,
    set: HashMap<AccountId, Vec<account_limit::Model>>,
}

impl Domain {
    /// Asks the rules of each account on `paths`: the one of its plan, and the one that is live at it.
    /// Where one has no answer, asking for what it limits is `Error::RuleFailed`: nothing may be had then.
    pub(crate) async fn evaluate_limits(
        &self,
        paths: impl IntoIterator<Item = &AccountPath>,
    ) -> Result<Chains> {
        let ids: HashSet<AccountId> = paths.into_iter().flat_map(AccountPath::ids).collect();
        if ids.is_empty() {
            return Ok(Chains::default());
        }
        let mut facts = self.facts(ids).await?;
        let kinds: HashMap<AccountId, AccountKind> = facts
            .accounts
            .iter()
            .map(|account| (account.row.id.clone(), account.row.kind))
            .collect();
        let mut chains = HashMap::with_capacity(facts.accounts.len());
        for account in std::mem::take(&mut facts.accounts) {
            let level = level(&account.row.path, &kinds);
            let id = account.row.id.clone();
            let evaluated = self.evaluate(account, level, &mut facts).await;
            if let Err(error @ Error::Internal(_)) = evaluated {
                return Err(error);
            }
            chains.insert(id, evaluated);
        }
        Ok(Chains(chains))
    }

    async fn facts(&self, ids: HashSet<AccountId>) -> Result<Facts> {
        let db = &self.0.db;
        let accounts = counted(db, &ids).await?;
        let plan_ids: HashSet<PlanId> = accounts
            .iter()
            .filter_map(|account| account.row.plan_id.clone())
            .collect();
        let plans: HashMap<PlanId, plan::Model> = plan::Entity::find()
            .filter(plan::Column::Id.is_in(plan_ids))
            .all(db)
            .await?
            .into_iter()
            .map(|plan| (plan.id.clone(), plan))
            .collect();
        let rule_ids: HashSet<RuleVersionId> = plans
            .values()
            .map(|plan| plan.limits_rule_version_id.clone())
            .collect();
        let plan_rules = rule_version::Entity::find()
            .filter(rule_version::Column::Id.is_in(rule_ids))
            .all(db)
            .await?
            .into_iter()
            .map(|rule| (rule.id.clone(), rule))
            .collect();
        let live_rules = active_rules(db, RuleKind::Limits, &ids).await?;
        let mut set: HashMap<AccountId, Vec<account_limit::Model>> = HashMap::new();
        for limit in account_limit::Entity::find()
            .filter(account_limit::Column::AccountId.is_in(ids))
            .all(db)
            .await?
        {
            set.entry(limit.account_id.clone()).or_default().push(limit);
        }
        Ok(Facts {
            accounts,
            plans,
            plan_rules,
            live_rules,
            set,
        })
    }

    async fn evaluate(&self, account: CountedAccount, level: u32, facts: &mut Facts) -> Result<Evaluated> {
        let id = account.row.id.clone();
        let mut sources = Vec::with_capacity(2);
        let mut policy = None;
        if let Some(plan_id) = &account.row.plan_id {
            let plan = facts
                .plans
                .get(plan_id)
                .ok_or_else(|| Error::internal(format!("plan {plan_id} is missing")))?;
            let rule = facts
                .plan_rules
                .get(&plan.limits_rule_version_id)
                .ok_or_else(|| Error::internal(format!("the rule of plan {plan_id} is missing")))?;
            let answer = self
                .ask_limits(rule, &plan.limits_configuration, &account, level)
                .await?;
            sources.push(said_by_rule(&id, rule, answer.limits));
            policy = Some(answer.policy);
        }
        if let Some(live) = facts.live_rules.get(&id) {
            sources.extend(self.live_limits(live, &account, level).await?);
        }
        if let Some(set) = facts.set.remove(&id) {
            sources.push(set_by_parent(&id, set));
        }
        Ok(Evaluated {
            account,
            sources,
            policy,
        })
    }
}

impl Chains {
    /// What holds for the account that stands at `path`: the least of all on the path, sorted by resource. Reasons of
    /// accounts out of `scope` are left out.
    fn at(&self, path: &AccountPath, level: u32, scope: &Scope) -> Result<Vec<ResourceLimit>> {
        let ids = path.ids();
        let chain = ids.iter().filter_map(|id| self.0.get(id));
        let chain: Vec<&Evaluated> = chain
            .map(Result::as_ref)
            .collect::<Result<_, _>>()
            .map_err(Error::clone)?;
        let sources: Vec<&Source> = chain.iter().flat_map(|account| &account.sources).collect();
        let mut always: Vec<&str> = Counted::ALL.map(Counted::name).into();
        always.push(DEPTH);
        let visible: HashSet<&AccountId> = chain
            .iter()
            .map(|account| &account.account.row)
            .filter(|row| scope.covers(&row.path))
            .map(|row| &row.id)
            .collect();
        let limits = narrow(&sources, &always)
            .into_iter()
            .map(|(resource, bound)| ResourceLimit {
                max: bound.max,
                used: chain
                    .last()
                    .map_or(0, |account| used(&account.account, level, &resource)),
                reason: bound
                    .reason
                    .filter(|_| visible.contains(bound.decided_by.account_id())),
                decided_by: bound.decided_by,
                resource,
            });
        Ok(limits.collect())
    }

    /// The limits of an account, sorted by resource.
    pub(crate) fn limits_of(&self, account: &AccountView, scope: &Scope) -> Result<Vec<ResourceLimit>> {
        self.at(account.path(), account.level(), scope)
    }

    /// The limit of an account on one resource; none if nothing on its path limits or counts it.
    pub(crate) fn limit_of(
        &self,
        account: &AccountView,
        resource: &str,
        scope: &Scope,
    ) -> Result<Option<ResourceLimit>> {
        let mut limits = self.limits_of(account, scope)?;
        limits.retain(|limit| limit.resource == resource);
        Ok(limits.pop())
    }

    /// What holds for the subaccounts of an account: as its plan says. Without a plan they may have all.
    pub(crate) fn policy_of(&self, id: &AccountId) -> Result<host::Policy> {
        let evaluated = self.0.get(id).map(Result::as_ref).transpose();
        let policy = evaluated
            .map_err(Error::clone)?
            .and_then(|account| account.policy.clone());
        Ok(policy.unwrap_or_else(|| host::Policy {
            keys: host::KeyPolicy::Own,
            members: host::MemberPolicy::Own,
            starter_credits: host::StarterCredits {
                count: 0,
                credit_value: 0,
            },
            credit_modes: vec![host::CreditMode::Manual, host::CreditMode::Reselling],
            shared_resources: Vec::new(),
            allow_below_cost: false,
        }))
    }

    /// True if the accounts on `path`, given as they are now, still have the plans that were evaluated.
    pub(crate) fn still_hold(&self, on_the_path: &[account::Model]) -> bool {
        on_the_path.iter().all(|row| {
            let evaluated = self.0.get(&row.id).and_then(|evaluated| evaluated.as_ref().ok());
            evaluated.is_some_and(|evaluated| evaluated.account.row.plan_id == row.plan_id)
        })
    }
}

fn level(path: &AccountPath, kinds: &HashMap<AccountId, AccountKind>) -> u32 {
    path.ids().iter().fold(0, |level, id| match kinds.get(id) {
        Some(AccountKind::Subaccount) => level + 1,
        _ => 0,
    })
}

fn used(account: &CountedAccount, level: u32, resource: &str) -> u64 {
    if resource == DEPTH {
        return u64::from(level);
    }
    let counted = Counted::ALL.iter().position(|counted| counted.name() == resource);
    counted.map_or(0, |index| account.used[index])
}

fn set_by_parent(account_id: &AccountId, limits: Vec<account_limit::Model>) -> Source {
    let bounds: BTreeMap<String, Bound> = limits
        .into_iter()
        .map(|limit| {
            let bound = Bound {
                max: Some(u64::try_from(limit.maximum).unwrap_or(0)),
                decided_by: LimitDecider::Account {
                    account_id: account_id.clone(),
                },
                reason: None,
            };
            (limit.resource, bound)
        })
        .collect();
    Source {
        bounds,
        otherwise: None,
    }
}
