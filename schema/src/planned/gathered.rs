//! What a query plan has read: a structure that mirrors what the plan selects. What was read for accounts is known by
//! their ids.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use canopy_domain::billing::BillingView;
use canopy_domain::entity::{AccountId, plan};
use canopy_domain::ledger::Credits;
use canopy_domain::limits::ResourceLimit;
use canopy_domain::members::{AccessibleAccount, MemberView, Person};
use canopy_domain::usage::UsageView;
use canopy_domain::{AccountView, Error, Page, Result};

/// What was read for the root of a query; lists are in the order of the plan's.
pub(super) struct Gathered {
    /// The single accounts; none where there is none and that is no error.
    pub(super) roots: Vec<Result<Option<AccountView>>>,
    /// What was read for them, for each selection.
    pub(super) below: Vec<Below>,
    pub(super) user: Result<Option<Person>>,
    pub(super) accessible: Vec<Accessible>,
}

/// A page of the accounts that the caller may switch to, and what was read for them, for each selection of them.
pub(super) struct Accessible {
    pub(super) page: Page<AccessibleAccount>,
    pub(super) below: Vec<Below>,
}

/// What was read for accounts of both types, as [`Tenants`](super::plan::Tenants) has the plans.
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
    pub(super) ancestors: Ancestors,
}

/// The ancestors of each account, and what was read for all of them, for each selection of them.
#[derive(Default)]
pub(super) struct Ancestors {
    pub(super) of: HashMap<AccountId, Vec<AccountView>>,
    pub(super) above: Vec<Below>,
}

/// Pages of children, and what was read for all of them, for each selection of them.
#[derive(Default)]
pub(super) struct Children {
    pub(super) pages: Gated<Page<AccountView>>,
    pub(super) below: Vec<Below>,
}

/// What one read gave.
pub(super) struct Found<K, V>(pub(super) Result<HashMap<K, V>>);

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
    pub(super) refused: HashMap<AccountId, Error>,
    pub(super) found: Found<AccountId, V>,
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
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.found.0.iter().flat_map(HashMap::values)
    }
}
