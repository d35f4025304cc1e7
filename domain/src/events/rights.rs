//! Whether the right that a stream was opened with still stands.

use canopy_entity::{Level, PermissionKey};
use tokio::sync::watch;

use crate::{AccountView, Actor, Domain, Result};

/// Tells whoever serves an actor for longer than one request that rights have changed in this process: time to ask for
/// the actor again, by [`Domain::renewed`].
pub struct RightsWatch(watch::Receiver<()>);

impl RightsWatch {
    /// Waits for a change that was not seen; for ever where there cannot be any.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// True once for each change, or several at once.
    pub fn take(&mut self) -> bool {
        let changed = self.0.has_changed().unwrap_or(false);
        self.0.mark_unchanged();
        changed
    }
}

impl Domain {
    /// Tells of changes from now on.
    pub fn watch_rights(&self) -> RightsWatch {
        RightsWatch(self.0.hub.listen_to_rights())
    }

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
