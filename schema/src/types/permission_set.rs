//! `PermissionSet`.

use async_graphql::Object;
use canopy_domain::{AccountView, entity};

use super::permission::Permission;
use super::permission_key::PermissionKey;

/// All permissions of the caller in one account.
pub(crate) struct PermissionSet(AccountView);

impl PermissionSet {
    /// The caller's permissions in `account`.
    pub(crate) fn new(account: AccountView) -> Self {
        Self(account)
    }
}

/// What the caller may do in an account. The level of a key is the least of what the role (or the API key)
/// gives and of what each account allows, from the one where access was granted down to this one, for the key
/// and for its umbrella.
#[Object]
impl PermissionSet {
    /// All 28 keys, in the order of the enum PermissionKey.
    async fn permissions(&self) -> Vec<Permission> {
        entity::PermissionKey::all()
            .map(|key| Permission::new(self.0.clone(), key))
            .collect()
    }

    /// One key.
    async fn permission(&self, #[graphql(desc = "The key.")] key: PermissionKey) -> Permission {
        Permission::new(self.0.clone(), key.into())
    }
}
