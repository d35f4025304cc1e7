//! The host: keeps rules loaded and runs them. `prepare` takes them in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hashlink::LruCache;
use tracing::{Instrument, debug_span, field::Empty};

use crate::cache::Cache;
use crate::call::{Question, Ran};
use crate::class::RuleClass;
use crate::configuration;
use crate::contract::{LimitsAnswer, LimitsInput, MAX_LINES, PricedLine, PricingInput};
use crate::digest::Digest;
use crate::error::{HostError, RuleError};
use crate::outcome::{Examined, Outcome};
use crate::owner::Owners;
use crate::pool::Pool;
use crate::queue::Queue;
use crate::rule::LoadedRule;
use crate::settings::{CompilerCommand, HostSettings};
use crate::suite::Restarted;

/// Runs rules. Cheap to clone; all clones share the pools and one cache. Make
/// one per process: each reserves address space and has threads. It works from any
/// tokio runtime that has time and io enabled.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) small: Pool,
    pub(crate) interpreter: Pool,
    /// The largest component of any class, in bytes.
    pub(crate) upload: usize,
    pub(crate) compiler: CompilerCommand,
    /// Who waits for a process that holds a configuration against its schema.
    pub(crate) configurations: Queue,
    pub(crate) cache: Option<Cache>,
    pub(crate) loaded: Mutex<LruCache<Digest, LoadedRule>>,
    /// One lock per rule that is being prepared, so that it is compiled once.
    pub(crate) preparing: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
}

impl Inner {
    pub(crate) fn pool(&self, class: RuleClass) -> &Pool {
        match class {
            RuleClass::Small => &self.small,
            RuleClass::Interpreter => &self.interpreter,
        }
    }
}

impl Host {
    /// Sets up the engines.
    pub fn new(settings: HostSettings) -> Result<Self, HostError> {
        let owners = Arc::new(Owners::new(settings.fuel_per_minute, settings.queue_wait));
        let cache = settings.cache.clone().map(Cache::open).transpose();
        Ok(Self(Arc::new(Inner {
            small: Pool::new(RuleClass::Small, &settings, Arc::clone(&owners))?,
            interpreter: Pool::new(RuleClass::Interpreter, &settings, owners)?,
            upload: settings.upload(),
            configurations: Queue::new("configuration", configuration::AT_ONCE, configuration::WAIT),
            cache: cache.map_err(|error| HostError(format!("the folder for compiled rules: {error}")))?,
            loaded: Mutex::new(LruCache::new(settings.loaded_rules.max(1))),
            preparing: Mutex::default(),
            compiler: settings.compiler,
        })))
    }

    /// Prices a batch with a pricing rule: one priced line per line, checked.
    pub async fn price(
        &self,
        rule: &LoadedRule,
        input: PricingInput,
    ) -> Result<Outcome<Vec<PricedLine>>, RuleError> {
        let digest = input.digest();
        self.examine_pricing(rule, input).await.outcome(digest)
    }

    /// Asks a limits rule: the answer is checked.
    pub async fn limits(
        &self,
        rule: &LoadedRule,
        input: LimitsInput,
    ) -> Result<Outcome<LimitsAnswer>, RuleError> {
        let digest = input.digest();
        self.examine_limits(rule, input).await.outcome(digest)
    }

    /// As [`Host::price`], with logs and cost of a call that gave no answer too.
    pub async fn examine_pricing(
        &self,
        rule: &LoadedRule,
        input: impl Into<Arc<PricingInput>>,
    ) -> Examined<Vec<PricedLine>> {
        let input = input.into();
        Examined::new(match check_batch(&input) {
            Ok(()) => self.run(rule, input).await,
            Err(error) => Ran::not(error),
        })
    }

    /// As [`Host::limits`], with logs and cost of a call that gave no answer too.
    pub async fn examine_limits(&self, rule: &LoadedRule, input: LimitsInput) -> Examined<LimitsAnswer> {
        Examined::new(self.run(rule, input).await)
    }

    /// The rule as it would be after a restart.
    pub(crate) async fn restarted(&self, rule: &LoadedRule) -> Result<Restarted, RuleError> {
        let rule = rule.clone();
        self.off_the_workers(move |inner| Restarted::new(&rule, inner.pool(rule.class())))
            .await
    }

    /// Calls a rule; the caller sees to it that the question keeps the contract.
    pub(crate) async fn ask<Q: Question>(
        &self,
        rule: &LoadedRule,
        question: Q,
    ) -> Result<Outcome<Q::Answer>, RuleError> {
        let digest = question.digest();
        Examined::new(self.run(rule, question).await).outcome(digest)
    }

    /// Calls a rule, and counts the call.
    async fn run<Q: Question>(&self, rule: &LoadedRule, question: Q) -> Ran<Q::Answer> {
        if rule.kind() != Q::KIND {
            let (is, wanted) = (rule.kind().as_str(), Q::KIND.as_str());
            let error = RuleError::unavailable(format!("a {is} rule was called for {wanted}"));
            return Ran::not(error);
        }
        let world = Q::KIND.as_str();
        metrics::counter!("canopy_rule_calls_total", "world" => world).increment(1);
        let span = debug_span!(
            "rule",
            otel.name = format!("call of a {world} rule"),
            rule.digest = %rule.digest(),
            rule.fuel = Empty,
            error.type = Empty
        );
        let begin = Instant::now();
        let ran = match rule.enter().await {
            Ok(()) => {
                let call = self.0.pool(rule.class()).lanes.ask(rule, question);
                call.instrument(span.clone()).await
            }
            Err(error) => Ran::not(error),
        };
        rule.settle(&ran, begin.elapsed().saturating_sub(ran.elapsed));
        span.record("rule.fuel", ran.fuel);
        match &ran.result {
            Ok(_) => {
                metrics::histogram!("canopy_rule_fuel", "world" => world).record(ran.fuel as f64);
                metrics::histogram!("canopy_rule_seconds", "world" => world).record(ran.elapsed);
            }
            Err(error) => {
                let kind = error.kind();
                span.record("error.type", kind);
                metrics::counter!("canopy_rule_failures_total", "world" => world, "kind" => kind)
                    .increment(1);
            }
        }
        ran
    }
}

/// The bounds of the contract on a batch, which its maker has to keep.
fn check_batch(input: &PricingInput) -> Result<(), RuleError> {
    let fits = (1..=MAX_LINES).contains(&input.lines.len());
    let known = |line: &crate::UsageLine| (line.account as usize) < input.accounts.len();
    match fits && input.lines.iter().all(known) {
        true => Ok(()),
        false => Err(RuleError::unavailable(
            "the caller gave a batch that breaks the contract",
        )),
    }
}

/// A panic cannot have left the map half changed.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
