//! Whether the right that a stream was opened with still stands.

use canopy_entity::{Level, PermissionKey};

use crate::{AccountView, Actor, Domain, Result};

impl Domain {
    /// An error unless the credential behind `actor` still holds, still reaches `account` and still gives `key` FULL
    /// there. All of it is read again: a key may be revoked, a membership ended, a level lowered, an account closed.
    pub(crate) async fn still_allowed(
        &self,
        actor: &Actor,
        account: &AccountView,
        key: PermissionKey,
    ) -> Result<()> {
        let actor = self.renewed(actor).await?;
        let account = self.account(&actor, account.id()).await?;
        account.access().require(key, Level::Full)
    }
}
