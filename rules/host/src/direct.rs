//! For fuzzing: an upload's validation, and a rule compiled and called in this very
//! process and on this thread. No server does that. Only with the feature `testing`.

use std::sync::Arc;

use crate::call::{Budget, Question};
use crate::class::RuleClass;
use crate::contract::{LimitsAnswer, LimitsInput, PricedLine, PricingInput, RuleKind};
use crate::digest::Digest;
use crate::engine;
use crate::error::RuleError;
use crate::manifest::{self, Manifest};
use crate::owner::Owners;
use crate::pool::Pool;
use crate::rule::{Facts, LoadedRule};
use crate::settings::{ClassSettings, CompilerCommand, HostSettings};
use crate::validate;

/// What an upload is held against before it is compiled.
///
/// # Errors
///
/// As [`Host::prepare`](crate::Host::prepare), before anything is compiled.
pub fn validate(wasm: &[u8]) -> Result<(RuleKind, RuleClass, Manifest), RuleError> {
    facts(wasm).map(|facts| (facts.kind, facts.class, facts.manifest))
}

fn facts(wasm: &[u8]) -> Result<Facts, RuleError> {
    let (small, interpreter) = (ClassSettings::small(), ClassSettings::interpreter());
    if wasm.len() > interpreter.upload {
        return Err(RuleError::TooLarge {
            limit: interpreter.upload,
        });
    }
    let (kind, class) = validate::validate(wasm, &small, &interpreter)?;
    Ok(Facts {
        kind,
        class,
        size: wasm.len(),
        manifest: manifest::manifest(wasm)?,
    })
}

/// A rule in this process. Its calls have the bounds of the small class, but for the clock.
pub struct DirectRule {
    rule: LoadedRule,
    pool: Pool,
}

impl DirectRule {
    /// Compiles and loads a component.
    ///
    /// # Panics
    ///
    /// If it is no rule of the small class.
    pub fn new(wasm: &[u8]) -> Self {
        let mut settings = HostSettings::new(CompilerCommand {
            program: "none".into(),
            args: Vec::new(),
        });
        settings.engines = 1;
        settings.small.places = 1;
        let facts = facts(wasm).expect("it is a rule");
        let compiler = engine::compiling(RuleClass::Small, settings.small.memory);
        let compiler = compiler.expect("the engine can be set up");
        let code = compiler.precompile_component(wasm).expect("it compiles");
        let owners = Arc::new(Owners::new(None, settings.queue_wait));
        let pool = Pool::new(RuleClass::Small, &settings, owners).expect("the engine can be set up");
        let rule = LoadedRule::load(&pool, Digest::of(wasm), facts, &code).expect("it loads");
        Self { rule, pool }
    }

    /// Prices a batch.
    ///
    /// # Errors
    ///
    /// As [`Host::price`](crate::Host::price).
    pub fn price(&self, input: &PricingInput) -> Result<Vec<PricedLine>, RuleError> {
        self.ask(input)
    }

    /// Asks for limits.
    ///
    /// # Errors
    ///
    /// As [`Host::limits`](crate::Host::limits).
    pub fn limits(&self, input: &LimitsInput) -> Result<LimitsAnswer, RuleError> {
        self.ask(input)
    }

    fn ask<Q: Question>(&self, question: &Q) -> Result<Q::Answer, RuleError> {
        let (class, more) = (&self.pool.settings, question.lines().saturating_sub(1));
        let budget = Budget {
            fuel: class.fuel,
            time: class.deadline,
            memory: class.memory,
            answer: class.answer + class.answer_per_line * more,
        };
        question.ask(self.rule.inner(), &budget).result
    }
}
