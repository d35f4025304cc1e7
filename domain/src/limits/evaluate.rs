//! Asking the limits rules of all accounts on some paths, and answering from what they said.
//!
//! The number of statements is the same for one path and for many. Rules are asked here and nowhere else, and never
//! within a transaction: whoever writes afterwards locks the account, counts again and holds the count against the
//! limit that was evaluated.

mod explain;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use canopy_entity::account::AccountKind;
use canopy_entity::{AccountId, AccountPath, PlanId, Scope, account};
use canopy_rules_host as host;

use super::ask::Said;
use super::count::{CountedAccount, counted};
use super::narrow::{Bound, Narrowed, Source};
use super::terms::{LiveLimits, Terms};
use super::{Counted, DEPTH, LimitDecider, Recency, ResourceLimit};
use crate::{AccountView, Domain, Error, Result};

pub use explain::LimitSteps;

/// What the rules said about each account of some paths, or that one of them failed. A failure is that of its account
/// and all below it, and of nobody else.
#[derive(Default)]
pub(crate) struct Chains(HashMap<AccountId, Result<Evaluated>>);

/// One account, and what its rules and its parent say about it.
struct Evaluated {
    account: CountedAccount,
    /// What it was told of its plan; none without one.
    plan: Option<(Arc<Terms>, Arc<Said>)>,
    sources: Vec<Arc<Source>>,
}

/// What is read before the rules are asked.
struct Facts {
    terms: HashMap<PlanId, Arc<Terms>>,
    live: HashMap<AccountId, Arc<LiveLimits>>,
}

impl Domain {
    /// Asks the rules of each account on `paths`: the one of its plan, and the one that is live at it.
    /// Where one has no answer, asking for what it limits is `Error::RuleFailed`: nothing may be had then.
    pub(crate) async fn evaluate_limits(
        &self,
        paths: impl IntoIterator<Item = &AccountPath>,
        recency: Recency,
    ) -> Result<Chains> {
        let ids: HashSet<AccountId> = paths.into_iter().flat_map(AccountPath::ids).collect();
        if ids.is_empty() {
            return Ok(Chains::default());
        }
        let (accounts, live) =
            futures_util::try_join!(counted(self, &ids), self.live_limits_rules(&ids, recency))?;
        self.evaluate_counted(accounts, live, recency).await
    }

    /// The limits that an account would have one level below `parent`, with this plan.
    pub(crate) async fn limits_below(
        &self,
        parent: &AccountView,
        account: &AccountView,
        plan_id: Option<&PlanId>,
        scope: &Scope,
    ) -> Result<Vec<ResourceLimit>> {
        let path = parent.path().child(account.id());
        let ids: HashSet<AccountId> = path.each_id().collect();
        let mut accounts = counted(self, &ids).await?;
        for counted in accounts.iter_mut().filter(|counted| counted.id == *account.id()) {
            counted.path = path.clone();
            counted.plan_id = plan_id.cloned();
        }
        let recency = Recency::Fresh;
        let live = self.live_limits_rules(&ids, recency).await?;
        let chains = self.evaluate_counted(accounts, live, recency).await?;
        chains.at(&path, parent.level() + 1, scope, &mut HashMap::new())
    }

    async fn evaluate_counted(
        &self,
        accounts: Vec<CountedAccount>,
        live: HashMap<AccountId, Arc<LiveLimits>>,
        recency: Recency,
    ) -> Result<Chains> {
        let plans = accounts.iter().filter_map(|account| account.plan_id.clone());
        let terms = self.terms(plans.collect(), recency).await?;
        let facts = Facts { terms, live };
        let kinds: HashMap<AccountId, AccountKind> = accounts
            .iter()
            .map(|account| (account.id.clone(), account.kind))
            .collect();
        let mut chains = HashMap::with_capacity(accounts.len());
        for account in accounts {
            let level = level(&account.path, &kinds);
            let id = account.id.clone();
            let evaluated = self.evaluate(account, level, &facts).await;
            if let Err(error @ Error::Internal(_)) = evaluated {
                return Err(error);
            }
            chains.insert(id, evaluated);
        }
        Ok(Chains(chains))
    }

    async fn evaluate(&self, account: CountedAccount, level: u32, facts: &Facts) -> Result<Evaluated> {
        let mut sources = Vec::with_capacity(2);
        let mut plan = None;
        if let Some(plan_id) = &account.plan_id {
            let terms = facts
                .terms
                .get(plan_id)
                .ok_or_else(|| Error::internal(format!("plan {plan_id} is missing")))?;
            let said = self.ask_limits(&terms.rule, &account, level).await?;
            sources.push(Arc::clone(&said.source));
            plan = Some((Arc::clone(terms), said));
        }
        if let Some(live) = facts.live.get(&account.id) {
            sources.extend(self.live_limits(live, &account, level).await?);
        }
        if !account.set.is_empty() {
            sources.push(Arc::new(set_by_parent(&account)));
        }
        Ok(Evaluated {
            account,
            plan,
            sources,
        })
    }
}

impl Chains {
    /// The limits of each account, sorted by resource. What holds above is found out once for all siblings.
    pub(crate) fn limits_of_all<'v>(
        &self,
        accounts: impl Iterator<Item = &'v AccountView>,
        scope: &Scope,
    ) -> HashMap<AccountId, Result<Vec<ResourceLimit>>> {
        let mut above = HashMap::new();
        accounts
            .map(|account| {
                let limits = self.at(account.path(), account.level(), scope, &mut above);
                (account.id().clone(), limits)
            })
            .collect()
    }

    /// The limits of an account, sorted by resource.
    pub(crate) fn limits_of(&self, account: &AccountView, scope: &Scope) -> Result<Vec<ResourceLimit>> {
        self.at(account.path(), account.level(), scope, &mut HashMap::new())
    }

    /// What holds for the account at `path`, which is of this level: the least of all on its path. Reasons of accounts out of `scope` are left out.
    fn at<'a>(
        &'a self,
        path: &AccountPath,
        level: u32,
        scope: &Scope,
        above: &mut HashMap<AccountId, Narrowed<'a>>,
    ) -> Result<Vec<ResourceLimit>> {
        static ALWAYS: LazyLock<[Arc<str>; 4]> = LazyLock::new(|| {
            let [keys, members, subaccounts] = Counted::ALL.map(Counted::name);
            [keys, members, subaccounts, DEPTH].map(Arc::from)
        });
        let ids = path.ids();
        let (own, over) = ids.split_last().expect("a path ends at its account");
        let mut narrowed = self.above(over, above)?;
        let evaluated = self.add(own, &mut narrowed)?;
        let is_visible = |id: &AccountId| {
            let decider = self.0.get(id).and_then(|found| found.as_ref().ok());
            decider.is_some_and(|one| scope.covers(&one.account.path))
        };
        let limits = narrowed.bounds(&*ALWAYS).into_iter().map(|(resource, least)| {
            let reason = least.reason.filter(|_| is_visible(least.decided_by.account_id()));
            ResourceLimit {
                resource: Arc::clone(resource),
                max: least.max,
                used: evaluated.map_or(0, |one| used(&one.account, level, resource)),
                decided_by: Arc::clone(least.decided_by),
                reason: reason.cloned(),
            }
        });
        Ok(limits.collect())
    }

    /// What holds below all of these accounts, which are a path from the top down.
    fn above<'a>(
        &'a self,
        ids: &[AccountId],
        known: &mut HashMap<AccountId, Narrowed<'a>>,
    ) -> Result<Narrowed<'a>> {
        let Some((last, over)) = ids.split_last() else {
            return Ok(Narrowed::default());
        };
        if let Some(narrowed) = known.get(last) {
            return Ok(narrowed.clone());
        }
        let mut narrowed = self.above(over, known)?;
        self.add(last, &mut narrowed)?;
        known.insert(last.clone(), narrowed.clone());
        Ok(narrowed)
    }

    /// Adds what the sources of one account say; answers the account, unless it is not there.
    fn add<'a>(&'a self, id: &AccountId, narrowed: &mut Narrowed<'a>) -> Result<Option<&'a Evaluated>> {
        let Some(found) = self.0.get(id) else {
            return Ok(None);
        };
        let one = found.as_ref().map_err(Error::clone)?;
        for source in &one.sources {
            narrowed.add(source);
        }
        Ok(Some(one))
    }

    /// The limit of an account on one resource; none if nothing on its path limits or counts it.
    pub(crate) fn limit_of(
        &self,
        account: &AccountView,
        resource: &str,
        scope: &Scope,
    ) -> Result<Option<ResourceLimit>> {
        let mut limits = self.limits_of(account, scope)?;
        limits.retain(|limit| *limit.resource == *resource);
        Ok(limits.pop())
    }

    /// What holds for the subaccounts of an account: as its plan says. Without a plan they may have all.
    pub(crate) fn policy_of(&self, id: &AccountId) -> Result<host::Policy> {
        let evaluated = self.0.get(id).map(Result::as_ref).transpose();
        let policy = evaluated
            .map_err(Error::clone)?
            .and_then(|account| account.plan.as_ref())
            .map(|(_, said)| said.policy.clone());
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
            evaluated.is_some_and(|evaluated| evaluated.account.plan_id == row.plan_id)
        })
    }
}

fn level(path: &AccountPath, kinds: &HashMap<AccountId, AccountKind>) -> u32 {
    path.each_id().fold(0, |level, id| match kinds.get(&id) {
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

fn set_by_parent(account: &CountedAccount) -> Source {
    let decided_by = Arc::new(LimitDecider::Account {
        account_id: account.id.clone(),
    });
    let bound = |(resource, maximum): &(Arc<str>, u64)| {
        let bound = Bound {
            max: Some(*maximum),
            decided_by: Arc::clone(&decided_by),
            reason: None,
        };
        (Arc::clone(resource), bound)
    };
    Source::new(account.set.iter().map(bound), None)
}
