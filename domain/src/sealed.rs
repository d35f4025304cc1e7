//! What is read by the ids of accounts before it is known whether the actor may see them: it need not wait for the
//! accounts, and nobody gets at it without a view of its account.

use std::collections::HashMap;

use canopy_entity::{AccountId, Level, PermissionKey};

use crate::AccountView;

/// What was read for accounts, each part sealed until a view of its account opens it.
pub struct Sealed<T> {
    parts: HashMap<AccountId, T>,
    needed: PermissionKey,
}

impl<T> Sealed<T> {
    /// These parts, each for whoever has READ for `needed` at its account.
    pub(crate) fn new(needed: PermissionKey, parts: HashMap<AccountId, T>) -> Self {
        Self { parts, needed }
    }

    /// The parts of these accounts, as far as the actor may read them.
    pub fn open(mut self, accounts: &[AccountView]) -> HashMap<AccountId, T> {
        let open = accounts
            .iter()
            .filter(|account| account.access().allows(self.needed, Level::Read));
        open.filter_map(|account| Some((account.id().clone(), self.parts.remove(account.id())?)))
            .collect()
    }
}
