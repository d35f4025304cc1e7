//! A rule that is ready to be called: compiled code, wired up and type-checked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::call::Ran;
use crate::class::RuleClass;
use crate::contract::RuleKind;
use crate::digest::Digest;
use crate::error::RuleError;
use crate::manifest::Manifest;
use crate::owner::{Charge, Owners};
use crate::pool::Pool;
use crate::station::Visit;
use crate::wiring::{Wired, Wiring};

/// So many good calls in a row, and a rule that was slow may run in place again.
const PROBATION: u32 = 100;

/// A rule ready to be called. Cheap to clone.
#[derive(Clone)]
pub struct LoadedRule {
    loaded: Arc<Loaded>,
    charge: Option<Arc<Charge>>,
}

/// What is known of a component from its bytes.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Facts {
    pub(crate) kind: RuleKind,
    pub(crate) class: RuleClass,
    pub(crate) size: usize,
    pub(crate) manifest: Manifest,
}

pub(crate) struct Loaded {
    pub(crate) digest: Digest,
    pub(crate) facts: Facts,
    owners: Arc<Owners>,
    wiring: Arc<Wiring>,
    /// Good calls that are missing before it may run in place.
    probation: AtomicU32,
    long: AtomicBool,
    /// Something of ours broke in a call: nothing of this rule is used again.
    poisoned: AtomicBool,
}

impl LoadedRule {
    /// Loads compiled code.
    pub(crate) fn load(pool: &Pool, digest: Digest, facts: Facts, code: &[u8]) -> Result<Self, RuleError> {
        let wiring = Wiring::new(pool, facts.kind, code)?;
        let loaded = Loaded {
            digest,
            facts,
            owners: Arc::clone(&pool.owners),
            wiring,
            probation: AtomicU32::new(0),
            long: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
        };
        Ok(Self {
            loaded: Arc::new(loaded),
            charge: None,
        })
    }

    /// The same rule as a version of somebody's: its calls are charged to the budget of `owner`, and counted
    /// in the metrics of `version`. All handles of one owner share a budget.
    pub fn for_owner(&self, owner: &str, version: &str) -> Self {
        self.charged(Some(owner), version)
    }

    /// The same rule as a version that is nobody's: its calls are counted and charged to nobody.
    pub fn for_nobody(&self, version: &str) -> Self {
        self.charged(None, version)
    }

    fn charged(&self, owner: Option<&str>, version: &str) -> Self {
        Self {
            loaded: Arc::clone(&self.loaded),
            charge: Some(Arc::new(self.loaded.owners.charge(owner, version))),
        }
    }

    /// Waits until the owner may call it.
    pub(crate) async fn enter(&self) -> Result<(), RuleError> {
        match &self.charge {
            Some(charge) => charge.enter().await,
            None => Ok(()),
        }
    }

    /// Charges a call to its owner, and counts it.
    pub(crate) fn settle<T>(&self, ran: &Ran<T>, waited: Duration) {
        if let Some(charge) = &self.charge {
            charge.settle(ran, waited);
        }
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> Digest {
        self.loaded.digest
    }

    /// Which of the two worlds it is of.
    pub fn kind(&self) -> RuleKind {
        self.loaded.facts.kind
    }

    /// What it costs to compile and to call.
    pub fn class(&self) -> RuleClass {
        self.loaded.facts.class
    }

    /// Size of the component, in bytes.
    pub fn size(&self) -> usize {
        self.loaded.facts.size
    }

    /// What the component says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.loaded.facts.manifest
    }

    /// The same rule, loaded anew by another pool of the same settings.
    pub(crate) fn reloaded(&self, pool: &Pool) -> Result<Self, RuleError> {
        let loaded = self.inner();
        Self::load(pool, loaded.digest, loaded.facts.clone(), &loaded.wiring.code()?)
    }

    pub(crate) fn inner(&self) -> &Loaded {
        &self.loaded
    }
}

impl Loaded {
    /// An engine for a call of this thread.
    pub(crate) fn enter(&self) -> (&Wired, Visit<'_>) {
        self.wiring.enter()
    }

    /// Whether its calls have lately been short.
    pub(crate) fn is_quick(&self) -> bool {
        self.probation.load(Ordering::Relaxed) == 0
    }

    /// It ran too long in place.
    pub(crate) fn was_slow(&self) {
        self.probation.store(PROBATION, Ordering::Relaxed);
    }

    /// Whether its last calls were too long for a worker to wait for.
    pub(crate) fn is_long(&self) -> bool {
        self.long.load(Ordering::Relaxed)
    }

    /// It kept its pace.
    pub(crate) fn was_quick(&self, is_long: bool) {
        self.long.store(is_long, Ordering::Relaxed);
        let less = |left: u32| left.checked_sub(1);
        let _ = self
            .probation
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for LoadedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedRule")
            .field("digest", &self.digest())
            .field("kind", &self.kind())
            .finish()
    }
}
