//! Reads what a query plan needs. All calls to the domain are here.
//!
//! It goes down level by level. What is read for the accounts of a level is read for all of them at once, and all reads
//! of a level run beside each other; the accounts that one of them gives are gone on with at once. So the number of
//! statements depends on the plan, and never on how many accounts there are.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use canopy_domain::accounts::{Child, open_subaccounts};
use canopy_domain::entity::{AccountId, plan};
use canopy_domain::members::MemberView;
use canopy_domain::usage::UsageView;
use canopy_domain::{AccountView, Actor, Domain, Page, Result, Sealed};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all, try_join_all};
use tracing::{Instrument, debug_span};

use super::bind::{Bound, PageAt, UsageAt};
use super::gathered::{Accessible, Ancestors, Below, Children, Found, Gated, Gathered, Level};
use super::plan::{AccountPage, Named, QueryPlan, RootReads, TenantPlan, Tenants};
use crate::authorization::{Gate, gates};
use crate::query::{NO_ACCOUNT, account_id};
use crate::types::tenant::TenantType;

/// Reads for one request.
pub(super) struct Gatherer<'r> {
    domain: &'r Domain,
    actor: &'r Actor,
    bound: &'r Bound<'r>,
    /// Whether a read failed for a field that is never null: it makes more null than itself, which is for async-graphql to
    /// tell.
    spoiled: AtomicBool,
}

impl<'r> Gatherer<'r> {
    pub(super) fn new(domain: &'r Domain, actor: &'r Actor, bound: &'r Bound<'r>) -> Self {
        Self {
            domain,
            actor,
            bound,
            spoiled: AtomicBool::new(false),
        }
    }

    /// All that the plan reads; none if the answer is one for async-graphql.
    pub(super) async fn gather(&self, plan: &QueryPlan) -> Option<Gathered> {
        let reads = &plan.reads;
        let user = async {
            match reads.user {
                true => {
                    let read = self.domain.current_user(self.actor).boxed();
                    read.instrument(span("CurrentUser", 1)).await
                }
                false => Ok(None),
            }
        };
        let accessible = try_join_all(reads.accessible.iter().map(|own| self.accessible(own)));
        let ((roots, below), user, accessible) = futures_util::join!(self.roots(reads), user, accessible);
        let accessible = accessible.ok()?;
        (!self.spoiled.load(Ordering::Relaxed)).then_some(Gathered {
            roots,
            below,
            user,
            accessible,
        })
    }

    /// The single accounts, and what is selected from them.
    async fn roots(&self, reads: &RootReads) -> (Vec<Result<Option<AccountView>>>, Vec<Below>) {
        let ids = reads.accounts.iter().map(|own| match own.named {
            Named::Account(id) | Named::Node(id) => account_id(self.bound.id(id), self.actor),
            Named::ActedOn => self.actor.acting_as().cloned(),
        });
        let ids: Vec<Option<AccountId>> = ids.collect();
        let known = distinct(ids.iter().flatten());
        let ahead = reads.selections.iter().enumerate().map(|(at, plans)| {
            let asked = reads.accounts.iter().zip(&ids);
            let asked = asked.filter(|(own, _)| own.selection == at);
            self.ahead(plans, distinct(asked.filter_map(|(_, id)| id.as_ref())))
        });
        let (found, ahead) = futures_util::join!(
            self.read("Accounts", &known, self.domain.accounts(self.actor, &known)),
            join_all(ahead)
        );
        let roots = reads.accounts.iter().zip(&ids).map(|(own, id)| {
            let view = id.as_ref().map(|id| found.get(id)).transpose()?.flatten();
            match own.named {
                Named::Account(_) => view.cloned().ok_or(NO_ACCOUNT).map(Some),
                Named::Node(_) | Named::ActedOn => Ok(view.cloned()),
            }
        });
        let roots: Vec<Result<Option<AccountView>>> = roots.collect();
        let selections = reads.selections.iter().zip(ahead).enumerate();
        let below = selections.map(|(at, (plans, ahead))| {
            let asked = reads.accounts.iter().zip(&roots);
            let asked = asked.filter(|(own, _)| own.selection == at);
            let views = asked.filter_map(|(_, root)| root.as_ref().ok()?.as_ref());
            self.below(plans, different(views), ahead)
        });
        let below = join_all(below).await;
        (roots, below)
    }

    /// Asks, at the same time as for the accounts, for what hangs on their ids alone. Not where it depends on the type
    /// of an account what is selected.
    async fn ahead(&self, plans: &Tenants, ids: Vec<AccountId>) -> Ahead {
        if plans.subaccount.is_some() || ids.is_empty() {
            return Ahead::default();
        }
        let (reads, ids) = (&plans.account.reads, &ids);
        let members = reads.members.iter().map(|page| {
            let read = self.domain.members_sealed(ids, self.bound.page(*page));
            read.instrument(span("Members", ids.len()))
        });
        let subaccounts = reads.subaccounts.iter().map(|own| {
            let read = self.domain.subaccounts_sealed(ids, self.bound.page(own.page));
            read.instrument(span("Subaccounts", ids.len()))
        });
        let (members, subaccounts) = futures_util::join!(join_all(members), join_all(subaccounts));
        Ahead { members, subaccounts }
    }

    async fn accessible(&self, plan: &AccountPage) -> Result<Accessible> {
        let page = self.bound.page(plan.page);
        let read = self.domain.accessible_accounts(self.actor, page);
        let page = read.instrument(span("AccessibleAccounts", 1)).await?;
        let views = different(page.items.iter().map(|(_, row)| &row.account));
        let below = self.each_below(&plan.tenants, views).await;
        Ok(Accessible { page, below })
    }

    /// What is selected from `accounts`, which are distinct.
    fn below<'a>(
        &'a self,
        plans: &'a Tenants,
        accounts: Vec<AccountView>,
        ahead: Ahead,
    ) -> BoxFuture<'a, Below> {
        async move {
            let Some(plan) = &plans.subaccount else {
                return Below {
                    account: self.level(&plans.account, &accounts, ahead).await,
                    subaccount: None,
                };
            };
            let is_subaccount = |view: &AccountView| TenantType::of(view) == TenantType::Subaccount;
            let (subaccounts, accounts): (Vec<_>, Vec<_>) = accounts.into_iter().partition(is_subaccount);
            let (account, subaccount) = futures_util::join!(
                self.level(&plans.account, &accounts, Ahead::default()),
                self.level(plan, &subaccounts, Ahead::default())
            );
            Below {
                account,
                subaccount: Some(subaccount),
            }
        }
        .boxed()
    }

    async fn level(&self, plan: &TenantPlan, accounts: &[AccountView], ahead: Ahead) -> Level {
        // Where nobody is, nothing is asked.
        if accounts.is_empty() {
            return Level::default();
        }
        let (reads, domain, actor) = (&plan.reads, self.domain, self.actor);
        let limits = || {
            self.gated("Limits", gates::LIMITS, accounts, |open| async move {
                domain.limits(actor, &open).await
            })
        };
        let billing = || {
            self.gated("Billing", gates::BILLING_TRANSFER, accounts, |open| async move {
                domain.billing(actor, &open).await
            })
        };
        let credits = || {
            self.gated("CreditsOf", gates::CREDITS, accounts, |open| async move {
                domain.credits(actor, &open).await
            })
        };
        let (pages, children) = (&reads.members, &reads.subaccounts);
        let members = beside(pages, ahead.members).map(|(page, ahead)| self.members(*page, accounts, ahead));
        let subaccounts =
            beside(children, ahead.subaccounts).map(|(own, ahead)| self.subaccounts(own, accounts, ahead));
        let (plans, limits, billing, credits, usage, members, subaccounts, (parents, above), ancestors) = futures_util::join!(
            wanted(reads.plans, || self.plans(accounts)),
            wanted(reads.limits, limits),
            wanted(reads.billing, billing),
            wanted(reads.credits, credits),
            join_all(reads.usage.iter().map(|asked| self.usage(*asked, accounts))),
            join_all(members),
            join_all(subaccounts),
            wanted(!reads.parents.is_empty(), || self
                .parents(&reads.parents, accounts)),
            wanted(!reads.ancestors.is_empty(), || self
                .ancestors(&reads.ancestors, accounts)),
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
            ancestors,
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
        let ids = distinct(
            accounts
                .iter()
                .filter_map(|account| account.row().parent_id.as_ref()),
        );
        let found = self
            .read("Accounts", &ids, self.domain.accounts(self.actor, &ids))
            .await;
        let parents: Vec<AccountView> = found.0.iter().flat_map(HashMap::values).cloned().collect();
        let above = self.each_below(selections, parents).await;
        (found, above)
    }

    async fn ancestors(&self, selections: &[Tenants], accounts: &[AccountView]) -> Ancestors {
        let read = self.domain.ancestors(self.actor, accounts);
        match read.instrument(span("Ancestors", accounts.len())).await {
            Ok(of) => {
                let views = different(of.values().flatten());
                let above = self.each_below(selections, views).await;
                Ancestors { of, above }
            }
            Err(_) => {
                self.spoiled.store(true, Ordering::Relaxed);
                Ancestors::default()
            }
        }
    }

    async fn usage(&self, asked: UsageAt, accounts: &[AccountView]) -> Gated<UsageView> {
        let query = self.bound.usage(asked);
        let read = |open: Vec<AccountView>| async move { self.domain.usage(self.actor, &open, query).await };
        self.gated("UsageOf", gates::USAGE, accounts, read).await
    }

    async fn members(
        &self,
        page: PageAt,
        accounts: &[AccountView],
        ahead: Option<Result<Sealed<Page<MemberView>>>>,
    ) -> Gated<Page<MemberView>> {
        let read = |open: Vec<AccountView>| async move {
            match ahead {
                Some(pages) => Ok(pages?.open(&open)),
                None => {
                    self.domain
                        .members(self.actor, &open, self.bound.page(page))
                        .await
                }
            }
        };
        self.gated("Members", gates::MEMBERS, accounts, read).await
    }

    async fn subaccounts(
        &self,
        plan: &AccountPage,
        accounts: &[AccountView],
        ahead: Option<Result<Sealed<Page<Child>>>>,
    ) -> Children {
        let page = self.bound.page(plan.page);
        let read = |open: Vec<AccountView>| async move {
            match ahead {
                Some(pages) => Ok(open_subaccounts(self.actor, &open, pages?)),
                None => self.domain.subaccounts(self.actor, &open, page).await,
            }
        };
        let pages = self
            .gated("Subaccounts", gates::SUBACCOUNTS, accounts, read)
            .await;
        // An account has one parent: it is on one page.
        let children: Vec<AccountView> = pages
            .values()
            .flat_map(|page| page.items.iter().map(|(_, view)| view.clone()))
            .collect();
        let below = self.each_below(&plan.tenants, children).await;
        Children { pages, below }
    }

    /// What each of these selections shows of the same accounts, which are distinct.
    async fn each_below(&self, selections: &[Tenants], accounts: Vec<AccountView>) -> Vec<Below> {
        let below = selections
            .iter()
            .map(|plans| self.below(plans, accounts.clone(), Ahead::default()));
        join_all(below).await
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

    /// Reads for these parents, if there are any.
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

/// What was asked for before the accounts were known; lists are in the order of the plan's, or empty.
#[derive(Default)]
struct Ahead {
    members: Vec<Result<Sealed<Page<MemberView>>>>,
    subaccounts: Vec<Result<Sealed<Page<Child>>>>,
}

/// Each read with what was asked ahead for it, if anything was.
fn beside<R, A>(reads: &[R], ahead: Vec<A>) -> impl Iterator<Item = (&R, Option<A>)> {
    let ahead = ahead.into_iter().map(Some);
    reads.iter().zip(ahead.chain(std::iter::repeat_with(|| None)))
}

/// The span of one read, named as the loaders name theirs.
fn span(name: &str, parents: usize) -> tracing::Span {
    debug_span!("read", otel.name = format!("read {name}"), parents)
}

/// What `read` gives, or nothing if it is not wanted: then it takes no room either.
async fn wanted<T: Default, R: Future<Output = T>>(is_wanted: bool, read: impl FnOnce() -> R) -> T {
    match is_wanted {
        true => Box::pin(read()).await,
        false => T::default(),
    }
}

fn distinct<'i, T: Clone + Eq + Hash + 'i>(ids: impl Iterator<Item = &'i T>) -> Vec<T> {
    let ids: HashSet<&T> = ids.collect();
    ids.into_iter().cloned().collect()
}

/// Each of these accounts once.
fn different<'v>(views: impl Iterator<Item = &'v AccountView>) -> Vec<AccountView> {
    let views: HashMap<&AccountId, &AccountView> = views.map(|view| (view.id(), view)).collect();
    views.into_values().cloned().collect()
}
