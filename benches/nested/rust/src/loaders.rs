//! Batches: a loader for each thing that is read for many accounts at once, as async-graphql's DataLoader has it.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;

use crate::rows::{Account, Count, Member, Plan, Sum};
use crate::store::Store;

pub type Failure = Arc<crate::store::Error>;
type Found<K, V> = Result<HashMap<K, V>, Failure>;

macro_rules! keys {
    ($($name:ident)*) => {$(
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(pub String);

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}

keys! { AccountById PlanById MemberCount ChildCount KeyCount LevelsOf LimitsOf TransferOf }

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MembersOf(pub String, pub i64);

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChildrenOf(pub String, pub i64);

/// The account, and the first and the last instant of the period, in seconds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UsageOf(pub String, pub i64, pub i64);

fn texts<K: AsRef<str>>(keys: &[K]) -> Vec<String> {
    keys.iter().map(|key| key.as_ref().to_owned()).collect()
}

/// Groups rows by the id that each has, in their order.
fn groups<K: std::hash::Hash + Eq, R, V>(
    rows: Vec<R>,
    split: impl Fn(R) -> (String, V),
    key: impl Fn(String) -> K,
) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for row in rows {
        let (id, value) = split(row);
        groups.entry(key(id)).or_default().push(value);
    }
    groups
}

impl Loader<AccountById> for Store {
    type Value = Arc<Account>;
    type Error = Failure;

    async fn load(&self, keys: &[AccountById]) -> Found<AccountById, Arc<Account>> {
        let rows = self.accounts(texts(keys)).await?;
        let by_id = |row: Account| (AccountById(row.id.clone()), Arc::new(row));
        Ok(rows.into_iter().map(by_id).collect())
    }
}

impl Loader<PlanById> for Store {
    type Value = Plan;
    type Error = Failure;

    async fn load(&self, keys: &[PlanById]) -> Found<PlanById, Plan> {
        let rows = self.plans(texts(keys)).await?;
        Ok(rows
            .into_iter()
            .map(|row| (PlanById(row.id.clone()), row))
            .collect())
    }
}

macro_rules! counts {
    ($($key:ident $read:ident)*) => {$(
        impl Loader<$key> for Store {
            type Value = i64;
            type Error = Failure;

            async fn load(&self, keys: &[$key]) -> Found<$key, i64> {
                let rows: Vec<Count> = self.$read(texts(keys)).await?;
                Ok(rows.into_iter().map(|(id, count)| ($key(id), count)).collect())
            }
        }
    )*};
}

counts! { MemberCount member_counts ChildCount child_counts KeyCount key_counts }

impl Loader<LevelsOf> for Store {
    type Value = Arc<Vec<(String, String)>>;
    type Error = Failure;

    async fn load(&self, keys: &[LevelsOf]) -> Found<LevelsOf, Self::Value> {
        let rows = self.levels(texts(keys)).await?;
        let groups = groups(rows, |(id, key, level)| (id, (key, level)), LevelsOf);
        Ok(groups
            .into_iter()
            .map(|(key, rows)| (key, Arc::new(rows)))
            .collect())
    }
}

impl Loader<LimitsOf> for Store {
    type Value = Arc<Vec<(String, i64)>>;
    type Error = Failure;

    async fn load(&self, keys: &[LimitsOf]) -> Found<LimitsOf, Self::Value> {
        let rows = self.limits(texts(keys)).await?;
        let groups = groups(rows, |(id, resource, max)| (id, (resource, max)), LimitsOf);
        Ok(groups
            .into_iter()
            .map(|(key, rows)| (key, Arc::new(rows)))
            .collect())
    }
}

impl Loader<TransferOf> for Store {
    type Value = String;
    type Error = Failure;

    async fn load(&self, keys: &[TransferOf]) -> Found<TransferOf, String> {
        let rows = self.transfers(texts(keys)).await?;
        Ok(rows
            .into_iter()
            .map(|(id, status)| (TransferOf(id), status))
            .collect())
    }
}

/// Keys with the same arguments, and those arguments: almost always there is one group.
fn alike<'k, K, A: Eq + std::hash::Hash>(
    keys: &'k [K],
    split: impl Fn(&'k K) -> (A, String),
) -> HashMap<A, Vec<String>> {
    let mut alike: HashMap<A, Vec<String>> = HashMap::new();
    for key in keys {
        let (arguments, id) = split(key);
        alike.entry(arguments).or_default().push(id);
    }
    alike
}

impl Loader<MembersOf> for Store {
    type Value = Vec<Member>;
    type Error = Failure;

    async fn load(&self, keys: &[MembersOf]) -> Found<MembersOf, Vec<Member>> {
        let mut found = HashMap::new();
        for (first, ids) in alike(keys, |key| (key.1, key.0.clone())) {
            let rows = self.members(ids, first).await?;
            let of = |row: Member| (row.account_id.clone(), row);
            found.extend(groups(rows, of, |id| MembersOf(id, first)));
        }
        Ok(found)
    }
}

impl Loader<ChildrenOf> for Store {
    type Value = Vec<Arc<Account>>;
    type Error = Failure;

    async fn load(&self, keys: &[ChildrenOf]) -> Found<ChildrenOf, Self::Value> {
        let mut found = HashMap::new();
        for (first, ids) in alike(keys, |key| (key.1, key.0.clone())) {
            let rows = self.children(ids, first).await?;
            let of = |row: Account| (row.parent_id.clone().unwrap_or_default(), Arc::new(row));
            found.extend(groups(rows, of, |id| ChildrenOf(id, first)));
        }
        Ok(found)
    }
}

impl Loader<UsageOf> for Store {
    type Value = Vec<Sum>;
    type Error = Failure;

    async fn load(&self, keys: &[UsageOf]) -> Found<UsageOf, Vec<Sum>> {
        let mut found = HashMap::new();
        for ((start, end), ids) in alike(keys, |key| ((key.1, key.2), key.0.clone())) {
            let rows = self.usage(ids, start, end).await?;
            let of = |row: Sum| (row.account_id.clone(), row);
            found.extend(groups(rows, of, |id| UsageOf(id, start, end)));
        }
        Ok(found)
    }
}
