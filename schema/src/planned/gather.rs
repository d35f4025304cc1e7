//! Reads what a query plan needs. All calls to the domain are here.
//!
//! It goes down level by level. What is read for the accounts of a level is read for all of them at once, and all reads
//! of a level run beside each other; the accounts that one of them gives are gone on with at once. So the number of
//! statements depends on the plan, and never on how many accounts there are.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use canopy_domain::billing::BillingView;
use canopy_domain::entity::{AccountId, plan, user};
use canopy_domain::ledger::Credits;
use canopy_domain::limits::ResourceLimit;
use canopy_domain::members::{AccessibleAccount, MemberView};
use canopy_domain::usage::UsageView;
use canopy_domain::{AccountView, Actor, Domain, Error, Page, Result};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, OptionFuture, join_all, try_join_all};
use tracing::{Instrument, debug_span};

use super::bind::{Bound, PageAt, UsageAt};
use super::plan::{AccountPage, QueryPlan, RootReads, TenantPlan, Tenants};
use crate::authorization::{Gate, gates};
use crate::query::{NO_ACCOUNT, account_id};
use crate::types::tenant::TenantType;

/// What was read for the root of a query; lists are in the order of the plan's.
pub(super) struct Gathered {
    pub(super) accounts: Vec<Result<Root>>,
    /// None if there is no account to act on.
    pub(super) acting_as: Vec<Result<Option<Root>>>,
    pub(super) user: Result<Option<user::Model>>,
    pub(super) accessible: Vec<Accessible>,
}

/// An account, and what was read for it.
pub(super) type Root = (AccountView, Below);

/// A page of the accounts that the caller may switch to, and what was read for them, for each selection of them.
pub(super) struct Accessible {
    pub(super) page: Page<AccessibleAccount>,
    pub(super) below: Vec<Below>,
}

/// What was read for accounts of both types, as [`Tenants`] has the plans.
#[derive(Default)]
pub(super) struct Below {
    pub(super) account: Level,
    pub(super) subaccount: Option<Level>,
}

/// What was read for accounts that are asked the same; as [`TenantReads`](super::plan::TenantReads) says.
#[derive(Default)]
pub(super) struct Level {
    pub(super) plans: Found<AccountId, Arc<plan::Model>>,
    pub(super) limits: Gated<Result<Vec<ResourceLimit>>>,
    pub(super) billing: Gated<BillingView>,
    pub(super) credits: Gated<Credits>,
    pub(super) usage: Vec<Gated<UsageView>>,
    pub(super) members: Vec<Gated<Page<MemberView>>>,
    pub(super) subaccounts: Vec<Children>,
    pub(super) parents: Found<AccountId, AccountView>,
    /// What was read for the parents, for each selection of them.
    pub(super) above: Vec<Below>,
}

/// Pages of children, and what was read for all of them, for each selection of them.
#[derive(Default)]
pub(super) struct Children {
    pub(super) pages: Gated<Page<AccountView>>,
    pub(super) below: Vec<Below>,
}

/// What one read gave.
pub(super) struct Found<K, V>(Result<HashMap<K, V>>);

impl<K, V> Default for Found<K, V> {
    fn default() -> Self {
        Self(Ok(HashMap::new()))
    }
}

impl<K: Eq + Hash, V> Found<K, V> {
    pub(super) fn get(&self, key: &K) -> Result<Option<&V>> {
        self.0.as_ref().map(|found| found.get(key)).map_err(Error::clone)
    }
}

/// What one read gave for accounts, of those where its gate is open.
pub(super) struct Gated<V> {
    refused: HashMap<AccountId, Error>,
    found: Found<AccountId, V>,
}

impl<V> Default for Gated<V> {
    fn default() -> Self {
        Self {
            refused: HashMap::new(),
            found: Found::default(),
        }
    }
}

impl<V> Gated<V> {
    pub(super) fn get(&self, id: &AccountId) -> Result<Option<&V>> {
        match self.refused.get(id) {
            Some(error) => Err(error.clone()),
            None => self.found.get(id),
        }
    }

    /// All that was found.
    fn values(&self) -> impl Iterator<Item = &V> {
        self.found.0.iter().flat_map(HashMap::values)
    }
}

/// Reads for one request.
pub(super) struct Gatherer<'r> {
    pub(super) domain: &'r Domain,
    pub(super) actor: &'r Actor,
    pub(super) bound: &'r Bound<'r>,
}

impl Gatherer<'_> {
    /// All that the plan reads; an error if that of a field which is never null failed.
    pub(super) async fn gather(&self, plan: &QueryPlan) -> Result<Gathered> {
        let reads = &plan.reads;
        let user = async {
            match reads.user {
                true => {
                    let read = self.domain.current_user(self.actor);
                    read.instrument(span("CurrentUser", 1)).await
                }
                false => Ok(None),
            }
        };
        let accessible = try_join_all(reads.accessible.iter().map(|own| self.accessible(own)));
        let ((accounts, acting_as), user, accessible) =
            futures_util::join!(self.root_accounts(reads), user, accessible);
        Ok(Gathered {
            accounts,
            acting_as,
            user,
            accessible: accessible?,
        })
    }

    /// The accounts that are named and the one that is acted on, which are read together.
    async fn root_accounts(&self, reads: &RootReads) -> (Vec<Result<Root>>, Vec<Result<Option<Root>>>) {
        let ids = reads.accounts.iter();
        let ids: Vec<Option<AccountId>> = ids
            .map(|own| account_id(self.bound.id(own.id), self.actor))
            .collect();
        let acted_on = self.actor.acting_as().filter(|_| !reads.acting_as.is_empty());
        let known = distinct(ids.iter().flatten().chain(acted_on));
        let found = &self
            .read("Accounts", &known, self.domain.accounts(self.actor, &known))
            .await;
        let named = reads.accounts.iter().zip(&ids).map(|(own, id)| async move {
            let view = found.get(id.as_ref().ok_or(NO_ACCOUNT)?)?;
            self.root_account(&own.tenants, view).await.ok_or(NO_ACCOUNT)
        });
        let acted_on = reads.acting_as.iter().map(|tenants| async move {
            let view = acted_on.map(|id| found.get(id)).transpose()?.flatten();
            Ok(self.root_account(tenants, view).await)
        });
        futures_util::join!(join_all(named), join_all(acted_on))
    }

    async fn root_account(&self, plans: &Tenants, view: Option<&AccountView>) -> Option<Root> {
        let view = view?.clone();
        let below = self.below(plans, vec![view.clone()]).await;
        Some((view, below))
    }

    async fn accessible(&self, plan: &AccountPage) -> Result<Accessible> {
        let page = self.bound.page(plan.page);
        let read = self.domain.accessible_accounts(self.actor, page);
        let page = read.instrument(span("AccessibleAccounts", 1)).await?;
        let views = page.items.iter().map(|(_, row)| (row.account.id(), &row.account));
        let views: HashMap<&AccountId, &AccountView> = views.collect();
        let views: Vec<AccountView> = views.into_values().cloned().collect();
        let below = plan.tenants.iter().map(|plans| self.below(plans, views.clone()));
        let below = join_all(below).await;
        Ok(Accessible { page, below })
    }

    /// What is selected from `accounts`, which are distinct.
    fn below<'a>(&'a self, plans: &'a Tenants, accounts: Vec<AccountView>) -> BoxFuture<'a, Below> {
        async move {
            let Some(plan) = &plans.subaccount else {
                return Below {
                    account: self.level(&plans.account, &accounts).await,
                    subaccount: None,
                };
            };
            let is_subaccount = |view: &AccountView| TenantType::of(view) == TenantType::Subaccount;
            let (subaccounts, accounts): (Vec<_>, Vec<_>) = accounts.into_iter().partition(is_subaccount);
            let (account, subaccount) = futures_util::join!(
                self.level(&plans.account, &accounts),
                self.level(plan, &subaccounts)
            );
            Below {
                account,
                subaccount: Some(subaccount),
            }
        }
        .boxed()
    }

    async fn level(&self, plan: &TenantPlan, accounts: &[AccountView]) -> Level {
        // Where nobody is, nothing is asked.
        if accounts.is_empty() {
            return Level::default();
        }
        let (reads, domain, actor) = (&plan.reads, self.domain, self.actor);
        let plans = wanted(reads.plans, self.plans(accounts));
        let limits = self.gated("Limits", gates::LIMITS, accounts, |open| async move {
            domain.limits(actor, &open).await
        });
        let billing = self.gated("Billing", gates::BILLING_TRANSFER, accounts, |open| async move {
            domain.billing(actor, &open).await
        });
        let credits = self.gated("CreditsOf", gates::CREDITS, accounts, |open| async move {
            domain.credits(actor, &open).await
        });
        let (plans, limits, billing, credits, usage, members, subaccounts, (parents, above)) = futures_util::join!(
            plans,
            wanted(reads.limits, limits),
            wanted(reads.billing, billing),
            wanted(reads.credits, credits),
            join_all(reads.usage.iter().map(|asked| self.usage(*asked, accounts))),
            join_all(reads.members.iter().map(|page| self.members(*page, accounts))),
            join_all(
                reads
                    .subaccounts
                    .iter()
                    .map(|own| self.subaccounts(own, accounts))
            ),
            self.parents(&reads.parents, accounts),
        );
        Level {
            plans,
            limits,
            billing,
            credits,
            usage,
            members,
            subaccounts,
            parents,
            above,
        }
    }

    async fn plans(&self, accounts: &[AccountView]) -> Found<AccountId, Arc<plan::Model>> {
        let with_plan = accounts.iter().filter(|account| account.row().plan_id.is_some());
        let with_plan: Vec<AccountView> = with_plan.cloned().collect();
        self.read("PlanOf", &with_plan, self.domain.plans_of(self.actor, &with_plan))
            .await
    }

    async fn parents(
        &self,
        selections: &[Tenants],
        accounts: &[AccountView],
    ) -> (Found<AccountId, AccountView>, Vec<Below>) {
        if selections.is_empty() {
            return Default::default();
        }
        let ids = distinct(
            accounts
                .iter()
                .filter_map(|account| account.row().parent_id.as_ref()),
        );
        let found = self
            .read("Accounts", &ids, self.domain.accounts(self.actor, &ids))
            .await;
        let parents: Vec<AccountView> = found.0.iter().flat_map(HashMap::values).cloned().collect();
        let above = selections.iter().map(|plans| self.below(plans, parents.clone()));
        let above = join_all(above).await;
        (found, above)
    }

    async fn usage(&self, asked: UsageAt, accounts: &[AccountView]) -> Gated<UsageView> {
        let query = self.bound.usage(asked);
        let read = |open: Vec<AccountView>| async move { self.domain.usage(self.actor, &open, query).await };
        self.gated("UsageOf", gates::USAGE, accounts, read).await
    }

    async fn members(&self, page: PageAt, accounts: &[AccountView]) -> Gated<Page<MemberView>> {
        let page = self.bound.page(page);
        let read = |open: Vec<AccountView>| async move { self.domain.members(self.actor, &open, page).await };
        self.gated("Members", gates::MEMBERS, accounts, read).await
    }

    async fn subaccounts(&self, plan: &AccountPage, accounts: &[AccountView]) -> Children {
        let page = self.bound.page(plan.page);
        let read =
            |open: Vec<AccountView>| async move { self.domain.subaccounts(self.actor, &open, page).await };
        let pages = self
            .gated("Subaccounts", gates::SUBACCOUNTS, accounts, read)
            .await;
        // An account has one parent: it is on one page.
        let children: Vec<AccountView> = pages
            .values()
            .flat_map(|page| page.items.iter().map(|(_, view)| view.clone()))
            .collect();
        let below = plan
            .tenants
            .iter()
            .map(|plans| self.below(plans, children.clone()));
        let below = join_all(below).await;
        Children { pages, below }
    }

    /// Reads for the accounts where `gate` is open, if there are any.
    async fn gated<V, R>(
        &self,
        name: &'static str,
        gate: Gate,
        accounts: &[AccountView],
        read: impl FnOnce(Vec<AccountView>) -> R,
    ) -> Gated<V>
    where
        R: Future<Output = Result<HashMap<AccountId, V>>>,
    {
        let (mut open, mut refused) = (Vec::with_capacity(accounts.len()), HashMap::new());
        for account in accounts {
            match gate.check(account) {
                Ok(()) => open.push(account.clone()),
                Err(error) => _ = refused.insert(account.id().clone(), error),
            }
        }
        let count = open.len();
        let found = match count {
            0 => Found::default(),
            _ => Found(read(open).instrument(span(name, count)).await),
        };
        Gated { refused, found }
    }

    /// Reads what has these ids, if there are any.
    async fn read<P, K, V>(
        &self,
        name: &'static str,
        parents: &[P],
        read: impl Future<Output = Result<HashMap<K, V>>>,
    ) -> Found<K, V> {
        match parents.len() {
            0 => Found::default(),
            count => Found(read.instrument(span(name, count)).await),
        }
    }
}

/// The span of one read, named as the loaders name theirs.
fn span(name: &str, parents: usize) -> tracing::Span {
    debug_span!("read", otel.name = format!("read {name}"), parents)
}

/// What `read` gives, or nothing if it is not wanted.
async fn wanted<T: Default>(is_wanted: bool, read: impl Future<Output = T>) -> T {
    OptionFuture::from(is_wanted.then_some(read))
        .await
        .unwrap_or_default()
}

fn distinct<'i, T: Clone + Eq + Hash + 'i>(ids: impl Iterator<Item = &'i T>) -> Vec<T> {
    let ids: HashSet<&T> = ids.collect();
    ids.into_iter().cloned().collect()
}
