//! Actors that were made lately, so that not every request asks the database who it is from.
//!
//! An actor is forgotten as soon as this process is told of a change of rights that concerns it: at once for its own
//! changes, with the next round of the relay for those of others. What it is not told of, such as a row that was
//! changed by hand, it learns when the actor has been remembered for long enough. Knows no credential, only its digest,
//! and remembers no refusal.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use super::{Actor, ranges};
use crate::events::{Hub, RightsVersions};
use crate::memory::Tally;

/// How many actors are remembered, about a kilobyte each.
const MOST: usize = 20_000;

/// A digest of all that decides who an actor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Presented([u8; 32]);

impl Presented {
    /// Of these parts, in their order.
    pub(super) fn of(parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

/// An actor, and whence its credential may come.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) actor: Actor,
    /// None for from everywhere.
    pub(super) ranges: Arc<[IpNet]>,
    /// Whether all that it was granted reaches an account. What a closed account holds back, its restoration gives
    /// back, and nothing in the actor tells whom that concerns.
    pub(super) is_whole: bool,
}

impl Made {
    /// Whether the credential may be used from there.
    pub(super) fn allows(&self, address: Option<IpAddr>) -> bool {
        ranges::allow(&self.ranges, address)
    }
}

/// The actors, by what was presented.
pub(crate) struct RememberedActors(Option<Memory>);

struct Memory {
    actors: Cache<Presented, Arc<Remembered>>,
    lifetime: Duration,
    versions: RightsVersions,
    tally: Tally,
}

struct Remembered {
    made: Made,
    at: Instant,
    /// The version of the rights at which the actor is known to be as it was made.
    version: AtomicU64,
}

impl RememberedActors {
    /// Remembers each actor for so long at most; none at all for zero.
    pub(crate) fn new(lifetime: Duration, hub: &Hub) -> Self {
        Self((!lifetime.is_zero()).then(|| Memory {
            actors: Cache::new(MOST),
            lifetime,
            versions: hub.rights_versions(),
            tally: Tally::new("actor"),
        }))
    }

    /// The version of the rights, to be taken before an actor is read: what changes meanwhile makes it be read again.
    pub(super) fn version(&self) -> u64 {
        self.0.as_ref().map_or(0, |memory| memory.versions.latest())
    }

    /// The actor, if it was made lately and nothing that concerns it has changed since.
    pub(super) fn get(&self, presented: &Presented) -> Option<Made> {
        let memory = self.0.as_ref()?;
        let found = memory.get(presented);
        memory.tally.count(found.is_some());
        found
    }

    /// Remembers an actor that was read after the rights had this version.
    pub(super) fn keep(&self, presented: Presented, version: u64, made: &Made) {
        let Some(memory) = &self.0 else { return };
        if !made.is_whole || made.actor.grants().is_empty() {
            return;
        }
        let remembered = Remembered {
            made: made.clone(),
            at: Instant::now(),
            version: AtomicU64::new(version),
        };
        memory.actors.insert(presented, Arc::new(remembered));
    }
}

impl Memory {
    fn get(&self, presented: &Presented) -> Option<Made> {
        let found = self.actors.get(presented)?;
        let version = found.version.load(Ordering::Acquire);
        let latest = self.versions.unless_concerned(version, &found.made.actor);
        let is_young = found.at.elapsed() < self.lifetime;
        if let Some(latest) = latest.filter(|_| is_young && !found.made.actor.has_expired()) {
            found.version.fetch_max(latest, Ordering::AcqRel);
            return Some(found.made.clone());
        }
        self.actors.remove(presented);
        None
    }
}

#[cfg(test)]
mod tests {
    use canopy_entity::{AccountId, AccountPath, Role, UserId};

    use super::*;
    use crate::auth::{Grant, GrantKind, Principal};
    use crate::events::RightsChange;

    const LONG: Duration = Duration::from_secs(3600);

    fn made(person: &UserId, path: &AccountPath) -> Made {
        let grant = Grant {
            account_id: path.ids().pop().unwrap(),
            path: path.clone(),
            kind: GrantKind::Role(Role::Owner),
        };
        Made {
            actor: Actor::new(Principal::User(person.clone()), vec![grant]),
            ranges: Arc::new([]),
            is_whole: true,
        }
    }

    fn place() -> (UserId, AccountPath, Presented) {
        (
            UserId::new(),
            AccountPath::root(&AccountId::new()),
            Presented::of(&["key"]),
        )
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Presented::of(&["ab", "c"]), Presented::of(&["a", "bc"]));
        assert_ne!(Presented::of(&["ab"]), Presented::of(&["ab", ""]));
    }

    #[test]
    fn an_actor_is_forgotten_by_a_change_that_concerns_it_and_by_no_other() {
        let hub = Hub::new();
        let actors = RememberedActors::new(LONG, &hub);
        let (person, path, presented) = place();
        actors.keep(presented, actors.version(), &made(&person, &path));
        hub.rights_changed(RightsChange::Of(UserId::new().to_string()));
        hub.rights_changed(RightsChange::At(AccountPath::root(&AccountId::new())));
        hub.rights_changed(RightsChange::At(path.child(&AccountId::new())));
        assert!(actors.get(&presented).is_some());
        hub.rights_changed(RightsChange::Of(person.to_string()));
        assert!(actors.get(&presented).is_none());

        actors.keep(presented, actors.version(), &made(&person, &path));
        hub.rights_changed(RightsChange::At(path));
        assert!(actors.get(&presented).is_none());
    }

    #[test]
    fn what_changes_while_an_actor_is_read_makes_it_be_read_again() {
        let hub = Hub::new();
        let actors = RememberedActors::new(LONG, &hub);
        let (person, path, presented) = place();
        let version = actors.version();
        hub.rights_changed(RightsChange::Of(person.to_string()));
        actors.keep(presented, version, &made(&person, &path));
        assert!(actors.get(&presented).is_none());
    }

    #[test]
    fn an_actor_is_remembered_for_its_time_and_if_there_is_none_never() {
        let (person, path, presented) = place();
        for lifetime in [Duration::ZERO, Duration::from_nanos(1)] {
            let actors = RememberedActors::new(lifetime, &Hub::new());
            actors.keep(presented, actors.version(), &made(&person, &path));
            assert!(actors.get(&presented).is_none());
        }
    }

    #[test]
    fn an_actor_that_a_closed_account_holds_something_back_from_is_not_remembered() {
        let (person, path, presented) = place();
        let actors = RememberedActors::new(LONG, &Hub::new());
        let part = Made {
            is_whole: false,
            ..made(&person, &path)
        };
        actors.keep(presented, actors.version(), &part);
        assert!(actors.get(&presented).is_none());
    }
}
