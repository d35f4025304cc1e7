//! The host: takes components in, keeps them loaded, and runs them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hashlink::LruCache;
use tokio::sync::Semaphore;
use wasmtime::Engine;

use crate::artifact::Label;
use crate::cache::Cache;
use crate::call::Question;
use crate::compile;
use crate::contract::{LimitsAnswer, LimitsInput, MAX_LINES, PricedLine, PricingInput, RuleKind};
use crate::digest::Digest;
use crate::engine::{self, Clock};
use crate::error::{HostError, RuleError};
use crate::lane::Lanes;
use crate::manifest::Manifest;
use crate::rule::{Facts, LoadedRule};
use crate::settings::{ClassSettings, CompilerCommand, HostSettings};
use crate::suite::Restarted;
use crate::{manifest, validate};

/// Runs rules. Cheap to clone; all clones share one pool and one cache. Make one
/// per process: each reserves address space and has a thread. It works from any
/// tokio runtime that has time and io enabled.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    class: ClassSettings,
    wait: Duration,
    engine: Engine,
    fingerprint: [u8; 32],
    lanes: Arc<Lanes>,
    compiler: CompilerCommand,
    compilations: Semaphore,
    cache: Option<Cache>,
    loaded: Mutex<LruCache<Digest, LoadedRule>>,
    /// One lock per rule that is being prepared, so that it is compiled once.
    preparing: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
}

/// An answer, and what it took.
#[derive(Debug, Clone)]
pub struct Outcome<T> {
    /// The checked answer.
    pub value: T,
    /// Fuel used. The same for the same rule and input.
    pub fuel: u64,
    /// SHA-256 of the input's JSON.
    pub input_digest: Digest,
    /// SHA-256 of the answer's JSON.
    pub output_digest: Digest,
    /// Wall-clock time of the call, without waiting.
    pub elapsed: Duration,
}

/// What can be told of a component that is not compiled.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// Which world it is of.
    pub kind: RuleKind,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl Host {
    /// Sets up the engine.
    pub fn new(settings: HostSettings) -> Result<Self, HostError> {
        let class = settings.small;
        let engine = engine::running(&class).map_err(|error| HostError(format!("{error:#}")))?;
        let clock = Clock::start(&engine).map_err(|error| HostError(error.to_string()))?;
        let cache = settings.cache.map(Cache::open).transpose();
        Ok(Self(Arc::new(Inner {
            fingerprint: engine::fingerprint(&engine),
            engine,
            lanes: Arc::new(Lanes::new(
                class.clone(),
                clock,
                settings.side_calls,
                settings.queue_wait,
            )),
            compiler: settings.compiler,
            compilations: Semaphore::new(class.compile.at_once.max(1)),
            class,
            wait: settings.queue_wait,
            cache: cache.map_err(|error| HostError(format!("the folder for compiled rules: {error}")))?,
            loaded: Mutex::new(LruCache::new(settings.loaded_rules.max(1))),
            preparing: Mutex::default(),
        })))
    }

    /// Checks, compiles and loads a component; does nothing twice for the same
    /// bytes. All that is refused here is refused before the rule runs, except
    /// for what its start function does.
    pub async fn prepare(&self, wasm: Vec<u8>) -> Result<LoadedRule, RuleError> {
        let limit = self.0.class.upload;
        if wasm.len() > limit {
            return Err(RuleError::TooLarge { limit });
        }
        let digest = Digest::of(&wasm);
        if let Some(rule) = self.loaded(&digest) {
            return Ok(rule);
        }
        let turn = Turn::take(&self.0, digest);
        let lock = turn.lock.lock().await;
        let result = match self.loaded(&digest) {
            Some(rule) => Ok(rule),
            None => self.load(digest, wasm).await,
        };
        drop(lock);
        if let Err(error) = &result {
            metrics::counter!("canopy_rule_refused_total", "kind" => error.kind()).increment(1);
        }
        result
    }

    /// What can be told of a component whose structure is acceptable. Compiles and runs none of it.
    pub async fn inspect(&self, wasm: Vec<u8>) -> Result<Inspected, RuleError> {
        let limit = self.0.class.upload;
        if wasm.len() > limit {
            return Err(RuleError::TooLarge { limit });
        }
        let inspect = move |inner: &Inner| {
            Ok(Inspected {
                kind: validate::validate(&wasm, inner.class.memory)?,
                manifest: manifest::manifest(&wasm)?,
            })
        };
        self.off_the_workers(inspect).await
    }

    /// The rule with this digest, if it is in memory. If not, `prepare` its bytes.
    pub fn loaded(&self, digest: &Digest) -> Option<LoadedRule> {
        let mut loaded = locked(&self.0.loaded);
        if loaded.get(digest)?.inner().is_poisoned() {
            loaded.remove(digest);
        }
        loaded.get(digest).cloned()
    }

    /// Prices a batch with a pricing rule: one priced line per line, checked.
    pub async fn price(
        &self,
        rule: &LoadedRule,
        input: PricingInput,
    ) -> Result<Outcome<Vec<PricedLine>>, RuleError> {
        let fits = (1..=MAX_LINES).contains(&input.lines.len());
        let known = |line: &crate::UsageLine| (line.account as usize) < input.accounts.len();
        if !fits || !input.lines.iter().all(known) {
            return Err(RuleError::unavailable(
                "the caller gave a batch that breaks the contract",
            ));
        }
        self.ask(rule, input).await
    }

    /// Asks a limits rule: the answer is checked.
    pub async fn limits(
        &self,
        rule: &LoadedRule,
        input: LimitsInput,
    ) -> Result<Outcome<LimitsAnswer>, RuleError> {
        self.ask(rule, input).await
    }

    /// The rule as it would be after a restart.
    pub(crate) async fn restarted(&self, rule: &LoadedRule) -> Result<Restarted, RuleError> {
        let rule = rule.clone();
        self.off_the_workers(move |inner| Restarted::new(&rule, &inner.class, inner.wait))
            .await
    }

    /// Calls a rule; the caller sees to it that the question keeps the contract.
    pub(crate) async fn ask<Q: Question>(
        &self,
        rule: &LoadedRule,
        question: Q,
    ) -> Result<Outcome<Q::Answer>, RuleError> {
        if rule.kind() != Q::KIND {
            let (is, wanted) = (rule.kind().as_str(), Q::KIND.as_str());
            return Err(RuleError::unavailable(format!(
                "a {is} rule was called for {wanted}"
            )));
        }
        let world = Q::KIND.as_str();
        let input_digest = question.digest();
        metrics::counter!("canopy_rule_calls_total", "world" => world).increment(1);
        match self.0.lanes.ask(rule, question).await {
            Ok(reply) => {
                metrics::histogram!("canopy_rule_fuel", "world" => world).record(reply.fuel as f64);
                metrics::histogram!("canopy_rule_seconds", "world" => world).record(reply.elapsed);
                let output_digest = Digest::of_json(&reply.value);
                let (value, fuel, elapsed) = (reply.value, reply.fuel, reply.elapsed);
                Ok(Outcome {
                    value,
                    fuel,
                    input_digest,
                    output_digest,
                    elapsed,
                })
            }
            Err(error) => {
                let kind = error.kind();
                metrics::counter!("canopy_rule_failures_total", "world" => world, "kind" => kind)
                    .increment(1);
                Err(error)
            }
        }
    }

    async fn load(&self, digest: Digest, wasm: Vec<u8>) -> Result<LoadedRule, RuleError> {
        let label = Label {
            source: digest,
            engine: self.0.fingerprint,
        };
        let (kept, wasm) = self
            .off_the_workers(move |inner| {
                let kind = validate::validate(&wasm, inner.class.memory)?;
                let facts = Facts {
                    kind,
                    size: wasm.len(),
                    manifest: manifest::manifest(&wasm)?,
                };
                let cache = inner.cache.as_ref();
                let code = cache.and_then(|cache| cache.read(&label, inner.class.compile.artifact));
                let rule = code
                    .map(|code| inner.instantiable(&label, &facts, &code))
                    .transpose()?;
                Ok((rule, (facts, wasm)))
            })
            .await?;
        let rule = match (kept, wasm) {
            (Some(rule), _) => rule,
            (None, (facts, wasm)) => self.compile(label, facts, wasm).await?,
        };
        locked(&self.0.loaded).insert(digest, rule.clone());
        Ok(rule)
    }

    async fn compile(&self, label: Label, facts: Facts, wasm: Vec<u8>) -> Result<LoadedRule, RuleError> {
        let inner = &self.0;
        let permit = tokio::time::timeout(inner.class.compile.deadline, inner.compilations.acquire())
            .await
            .map_err(|_| RuleError::unavailable("too many rules are being compiled"))?
            .map_err(RuleError::unavailable)?;
        let begin = Instant::now();
        let code = compile::compile(&inner.compiler, &inner.class, &label, &wasm).await?;
        metrics::histogram!("canopy_rule_compile_seconds").record(begin.elapsed());
        drop(permit);
        let (rule, code) = self
            .off_the_workers(move |inner| Ok((inner.instantiable(&label, &facts, &code)?, code)))
            .await?;
        inner.lanes.rehearse(&rule).await?;
        self.off_the_workers(move |inner| {
            if let Some(cache) = &inner.cache {
                cache.write(&label, &code);
            }
            Ok(())
        })
        .await?;
        Ok(rule)
    }

    async fn off_the_workers<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, RuleError> + Send + 'static,
    ) -> Result<T, RuleError> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .map_err(RuleError::unavailable)?
    }
}

/// A place in the queue of those who prepare the same rule.
struct Turn<'a> {
    inner: &'a Inner,
    digest: Digest,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl<'a> Turn<'a> {
    fn take(inner: &'a Inner, digest: Digest) -> Self {
        let lock = Arc::clone(locked(&inner.preparing).entry(digest).or_default());
        Self { inner, digest, lock }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut preparing = locked(&self.inner.preparing);
        // The map and this one hold the last two: nobody else waits.
        if Arc::strong_count(&self.lock) <= 2 {
            preparing.remove(&self.digest);
        }
    }
}

impl Inner {
    fn instantiable(&self, label: &Label, facts: &Facts, code: &[u8]) -> Result<LoadedRule, RuleError> {
        LoadedRule::load(&self.engine, label.source, facts.clone(), code)
    }
}

/// A panic cannot have left the map half changed.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
