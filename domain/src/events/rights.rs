//! Whether the right that a stream was opened with still stands.
//!
//! A change of rights is news like any other: it is written in its own transaction, gets its place in the published
//! order, and is told before what comes behind it. So a stream on any process ends before the first event that was
//! recorded after its right was gone.

use std::collections::VecDeque;

use canopy_entity::{AccountPath, Level, PermissionKey};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{AccountView, Actor, Domain, Result};

/// How many changes are remembered for those who have not looked yet. Whoever is further behind is concerned by all.
const REMEMBERED: usize = 64;

/// Whose rights have changed, or where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RightsChange {
    /// Those of one person or API key, as [`Actor::label`] names them.
    Of(String),
    /// What anyone may do at this account or below.
    At(AccountPath),
}

impl RightsChange {
    /// Whether they may be the rights of `actor`, at the account at `path` if there is one.
    fn concerns(&self, actor: &Actor, path: Option<&AccountPath>) -> bool {
        match self {
            Self::Of(label) => *label == actor.label(),
            Self::At(place) => {
                let grants = actor.grants().iter().map(|grant| &grant.path);
                let acting = actor.acting_on_path().map(|(_, path)| path);
                grants.chain(acting).chain(path).any(|path| place.contains(path))
            }
        }
    }
}

/// The latest changes, counted.
#[derive(Debug, Default)]
pub(super) struct Changes {
    version: u64,
    latest: VecDeque<RightsChange>,
}

impl Changes {
    pub(super) fn add(&mut self, change: RightsChange) {
        self.version += 1;
        if self.latest.len() == REMEMBERED {
            self.latest.pop_front();
        }
        self.latest.push_back(change);
    }

    /// Counts a change of which nothing is known.
    pub(super) fn forget(&mut self) {
        self.version += 1;
        self.latest.clear();
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Whether one of those since `version` concerns the actor.
    fn concern(&self, since: u64, actor: &Actor, path: Option<&AccountPath>) -> bool {
        let new = usize::try_from(self.version - since).unwrap_or(usize::MAX);
        let mut latest = self.latest.iter().rev().take(new);
        new > self.latest.len() || latest.any(|change| change.concerns(actor, path))
    }
}

/// Tells whoever serves an actor for longer than one request that its rights may have changed: time to ask for the
/// actor again, by [`Domain::renewed`].
pub struct RightsWatch {
    changes: watch::Receiver<Changes>,
    /// The version that was looked at.
    seen: u64,
    /// Whether there may be another.
    noticed: bool,
}

impl RightsWatch {
    /// Waits for a change that was not seen, of whosever rights; for ever where there cannot be any.
    pub async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending().await
        }
        self.noticed = true;
    }

    /// True if there were changes that concern this actor since it was asked last.
    pub fn take(&mut self, actor: &Actor) -> bool {
        self.take_at(actor, None)
    }

    /// The same for the actor's rights at the account at `path`.
    pub(super) fn take_at(&mut self, actor: &Actor, path: Option<&AccountPath>) -> bool {
        if !self.noticed && !self.changes.has_changed().unwrap_or(false) {
            return false;
        }
        self.noticed = false;
        let changes = self.changes.borrow_and_update();
        let concerned = changes.concern(self.seen, actor, path);
        self.seen = changes.version();
        concerned
    }
}

/// The versions of the rights, for what is kept as long as they stay.
#[derive(Debug, Clone)]
pub(crate) struct RightsVersions(watch::Receiver<Changes>);

impl RightsVersions {
    pub(super) fn new(changes: watch::Receiver<Changes>) -> Self {
        Self(changes)
    }

    /// How often rights have changed.
    pub(crate) fn latest(&self) -> u64 {
        self.0.borrow().version()
    }

    /// The latest version, unless one of the changes since `version` concerns the actor.
    pub(crate) fn unless_concerned(&self, version: u64, actor: &Actor) -> Option<u64> {
        let changes = self.0.borrow();
        (!changes.concern(version, actor, None)).then(|| changes.version())
    }
}

impl Domain {
    /// Tells of changes from now on.
    pub fn watch_rights(&self) -> RightsWatch {
        let changes = self.0.hub.listen_to_rights();
        let seen = changes.borrow().version();
        RightsWatch {
            changes,
            seen,
            noticed: false,
        }
    }

    /// Counts the changes of rights that this process knows of: what was answered at another version may show what
    /// may not be seen now.
    pub fn rights_version(&self) -> u64 {
        self.0.hub.rights_version()
    }

    /// The actor and the account as they are now. An error unless the credential behind `actor` still holds, still reaches
    /// `account` and still gives `key` FULL there. All of it is read again: a key may be revoked, a membership ended, a level
    /// lowered, an account closed or moved.
    pub(crate) async fn still_allowed(
        &self,
        actor: &Actor,
        account: &AccountView,
        key: PermissionKey,
    ) -> Result<(Actor, AccountView)> {
        let actor = self.renewed(actor).await?;
        let account = self.account(&actor, account.id()).await?;
        account.access().require(key, Level::Full)?;
        Ok((actor, account))
    }
}
