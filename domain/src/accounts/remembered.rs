//! Accounts that were read a moment ago, for whoever asks for the same ones again and again: they are used as long as the
//! terms of their tree are what they were. What the terms do not count, such as names, may be older.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use canopy_entity::{AccountId, account};

use super::read::view;
use super::{AccountView, Standing};
use crate::memory::Memory;
use crate::{Actor, Domain, Result};

/// The most that is remembered, in bytes.
const REMEMBERED: u64 = 32 << 20;
/// About what an account takes, with its standing.
const SIZE: usize = 1 << 10;

/// Accounts, each as it was at a version of the terms of its tree.
pub(crate) struct RememberedAccounts(Memory<AccountId, Remembered>);

type Remembered = (Arc<account::Model>, Arc<Standing>);

impl RememberedAccounts {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self(Memory::new("account", REMEMBERED, lifetime))
    }
}

impl Domain {
    /// As [`accounts`](Self::accounts): what the actor may do there is as of now, and so are status and place.
    pub(crate) async fn remembered_accounts(
        &self,
        actor: &Actor,
        ids: &HashSet<&AccountId>,
    ) -> Result<HashMap<AccountId, AccountView>> {
        let Some((_, path)) = actor.acting_on_path() else {
            return self.accounts(actor, &owned(ids.iter().copied())).await;
        };
        let root = path.root_id();
        let version = self.terms_version(&root).await?;
        let memory = &self.0.accounts.0;
        let mut views = HashMap::with_capacity(ids.len());
        let mut missing = Vec::new();
        for id in ids {
            // The terms of one tree say nothing of another.
            let known = memory
                .get(id, version)
                .filter(|(row, _)| row.path.root_id() == root);
            match known {
                Some((row, standing)) if actor.scope().covers(&row.path) => {
                    views.extend(view(actor, row, standing).map(|view| (view.id().clone(), view)));
                }
                Some(_) => {}
                None => missing.push(*id),
            }
        }
        if !missing.is_empty() {
            for (id, view) in self.accounts(actor, &owned(missing)).await? {
                if view.path().root_id() == root {
                    let row = Arc::clone(view.shared_row());
                    let standing = Arc::clone(view.access().standing());
                    memory.keep(id.clone(), version, (row, standing), SIZE);
                }
                views.insert(id, view);
            }
        }
        Ok(views)
    }
}

fn owned<'i>(ids: impl IntoIterator<Item = &'i AccountId>) -> Vec<AccountId> {
    ids.into_iter().cloned().collect()
}
