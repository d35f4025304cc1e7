//! From a component's bytes to a rule that can be called: checked, compiled or taken
//! from the cache, and loaded. Does nothing twice for the same bytes.

use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument;

use crate::cache::Kept;
use crate::class::RuleClass;
use crate::compile;
use crate::contract::RuleKind;
use crate::digest::Digest;
use crate::error::RuleError;
use crate::host::{Host, Inner, locked};
use crate::manifest::{self, Manifest};
use crate::rule::{Facts, LoadedRule};
use crate::validate;

/// What can be told of a component that is not compiled.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// Which world it is of.
    pub kind: RuleKind,
    /// What it will cost to compile and to call.
    pub class: RuleClass,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl Host {
    /// Checks, compiles and loads a component; does nothing twice for the same
    /// bytes. All that is refused here is refused before the rule runs, except
    /// for what its start function does.
    pub async fn prepare(&self, wasm: Vec<u8>) -> Result<LoadedRule, RuleError> {
        self.prepared(None, wasm).await
    }

    /// As [`Host::prepare`]. If it must be compiled, it waits behind what this owner has compiled already, and
    /// is [`RuleError::Throttled`] if that is much.
    pub async fn prepare_for(&self, owner: &str, wasm: Vec<u8>) -> Result<LoadedRule, RuleError> {
        self.prepared(Some(owner), wasm).await
    }

    async fn prepared(&self, owner: Option<&str>, wasm: Vec<u8>) -> Result<LoadedRule, RuleError> {
        let limit = self.0.upload;
        if wasm.len() > limit {
            return Err(RuleError::TooLarge { limit });
        }
        let digest = Digest::of(&wasm);
        if let Some(rule) = self.loaded(&digest) {
            return Ok(rule);
        }
        let turn = Turn::take(&self.0, digest);
        let lock = Arc::clone(&turn.lock).lock_owned().await;
        let result = match self.loaded(&digest) {
            Some(rule) => Ok(rule),
            None => {
                // In a task of its own: the next to ask finds what was begun for one who went away. Clients that wait
                // less long than compiling takes would else begin it again and again.
                let (host, owner) = (self.clone(), owner.map(str::to_owned));
                let loading = async move {
                    let result = host.load(owner.as_deref(), digest, wasm).await;
                    drop(lock);
                    drop(turn);
                    result
                };
                let loaded = tokio::spawn(loading.in_current_span()).await;
                loaded.map_err(RuleError::unavailable)?
            }
        };
        if let Err(error) = &result {
            metrics::counter!("canopy_rule_refused_total", "kind" => error.kind()).increment(1);
        }
        result
    }

    /// What can be told of a component whose structure is acceptable. Compiles and runs none of it.
    pub async fn inspect(&self, wasm: Vec<u8>) -> Result<Inspected, RuleError> {
        let limit = self.0.upload;
        if wasm.len() > limit {
            return Err(RuleError::TooLarge { limit });
        }
        let inspect = move |inner: &Inner| {
            let Facts {
                kind,
                class,
                manifest,
                ..
            } = inner.facts(&wasm)?;
            Ok(Inspected {
                kind,
                class,
                manifest,
            })
        };
        self.off_the_workers(inspect).await
    }

    /// The largest component that is taken in, in bytes.
    pub fn largest_upload(&self) -> usize {
        self.0.upload
    }

    /// The rule with this digest, if it is in memory. If not, `prepare` its bytes.
    pub fn loaded(&self, digest: &Digest) -> Option<LoadedRule> {
        let mut loaded = locked(&self.0.loaded);
        if loaded.get(digest)?.inner().is_poisoned() {
            loaded.remove(digest);
        }
        loaded.get(digest).cloned()
    }

    async fn load(
        &self,
        owner: Option<&str>,
        digest: Digest,
        wasm: Vec<u8>,
    ) -> Result<LoadedRule, RuleError> {
        let found = self
            .off_the_workers(move |inner| match inner.kept(digest) {
                Some(rule) => Ok(Found::Kept(rule)),
                None => inner.facts(&wasm).map(|facts| Found::New(facts, wasm)),
            })
            .await?;
        let rule = match found {
            Found::Kept(rule) => rule,
            Found::New(facts, wasm) => self.compile(owner, digest, facts, wasm).await?,
        };
        locked(&self.0.loaded).insert(digest, rule.clone());
        Ok(rule)
    }

    async fn compile(
        &self,
        owner: Option<&str>,
        digest: Digest,
        facts: Facts,
        wasm: Vec<u8>,
    ) -> Result<LoadedRule, RuleError> {
        let pool = self.0.pool(facts.class);
        let label = pool.label(digest);
        let place = pool.compilations.enter(owner).await?;
        let begin = Instant::now();
        let code = compile::compile(&self.0.compiler, pool, &label, &wasm).await?;
        let class = facts.class.as_str();
        metrics::histogram!("canopy_rule_compile_seconds", "class" => class).record(begin.elapsed());
        drop(place);
        let (rule, code) = self
            .off_the_workers(move |inner| {
                let pool = inner.pool(facts.class);
                let rule = LoadedRule::load(pool, digest, facts, &code)?;
                Ok((rule, code))
            })
            .await?;
        pool.lanes.rehearse(&rule).await?;
        self.off_the_workers(move |inner| {
            if let Some(cache) = &inner.cache {
                cache.write(&label, &rule.inner().facts, &code);
            }
            Ok(rule)
        })
        .await
    }

    pub(crate) async fn off_the_workers<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, RuleError> + Send + 'static,
    ) -> Result<T, RuleError> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .map_err(RuleError::unavailable)?
    }
}

/// How far a component came before.
enum Found {
    /// It was found good and compiled.
    Kept(LoadedRule),
    /// It is good, and must be compiled.
    New(Facts, Vec<u8>),
}

impl Inner {
    /// The rule as the cache has it. What does not load from there is compiled anew.
    fn kept(&self, digest: Digest) -> Option<LoadedRule> {
        let cache = self.cache.as_ref()?;
        [&self.small, &self.interpreter].into_iter().find_map(|pool| {
            let kept = cache.read(&pool.label(digest), pool.settings.compile.artifact)?;
            let fits = kept.facts.class == pool.class && kept.facts.size <= pool.settings.upload;
            let load = |kept: Kept| LoadedRule::load(pool, digest, kept.facts, &kept.code).ok();
            fits.then(|| load(kept)).flatten()
        })
    }

    /// Reads a component and refuses what is not acceptable.
    fn facts(&self, wasm: &[u8]) -> Result<Facts, RuleError> {
        let (kind, class) = validate::validate(wasm, &self.small.settings, &self.interpreter.settings)?;
        Ok(Facts {
            kind,
            class,
            size: wasm.len(),
            manifest: manifest::manifest(wasm)?,
        })
    }
}

/// A place in the queue of those who prepare the same rule.
struct Turn {
    inner: Arc<Inner>,
    digest: Digest,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Turn {
    fn take(inner: &Arc<Inner>, digest: Digest) -> Self {
        let lock = Arc::clone(locked(&inner.preparing).entry(digest).or_default());
        let inner = Arc::clone(inner);
        Self { inner, digest, lock }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut preparing = locked(&self.inner.preparing);
        // The map and this one hold the last two: nobody else waits.
        if Arc::strong_count(&self.lock) <= 2 {
            preparing.remove(&self.digest);
        }
    }
}
