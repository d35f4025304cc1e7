//! One call of a rule: a fresh store from the pool, bounds on all it may use, and
//! what went wrong in words. Blocks its thread; `lane` decides which.
//!
//! Nothing survives a call: its memory, its tables and its store are thrown away,
//! whether it answered, trapped or made the host panic. So there is no state
//! that a broken call could leave to the next one.

use std::str::Utf8Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::{ResourceLimiter, Store, Trap};

use crate::check;
use crate::class::Structure;
use crate::contract::{LimitsAnswer, LimitsInput, PricedLine, PricingInput, Refusal, RuleKind};
use crate::digest::Digest;
use crate::engine::TICK;
use crate::error::RuleError;
use crate::log::Log;
use crate::rule::Loaded;
use crate::wiring::Wired;

/// What one call may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) fuel: u64,
    pub(crate) time: Duration,
    pub(crate) memory: usize,
    /// Bytes that the host reads of the answer.
    pub(crate) answer: usize,
}

/// What one call gave, whether it answered or not.
pub(crate) struct Ran<T> {
    /// The checked answer.
    pub(crate) result: Result<T, RuleError>,
    pub(crate) logs: Vec<String>,
    /// Fuel used. The same for the same rule, input and budget.
    pub(crate) fuel: u64,
    /// The same, and that of attempts that were given up.
    pub(crate) spent: u64,
    pub(crate) elapsed: Duration,
    /// Linear memory at its end, in bytes.
    pub(crate) memory: usize,
}

impl<T> Ran<T> {
    /// The rule was not called.
    pub(crate) fn not(error: RuleError) -> Self {
        Self {
            result: Err(error),
            logs: Vec::new(),
            fuel: 0,
            spent: 0,
            elapsed: Duration::ZERO,
            memory: 0,
        }
    }

    fn checked(mut self, check: impl FnOnce(&T) -> Result<(), RuleError>) -> Self {
        self.result = self.result.and_then(|answer| check(&answer).map(|()| answer));
        self
    }
}

/// An input that a rule answers.
pub(crate) trait Question: Send + 'static {
    type Answer: Send + serde::Serialize + 'static;
    const KIND: RuleKind;

    /// How many things are asked.
    fn lines(&self) -> usize;

    fn digest(&self) -> Digest;

    /// Calls the rule and checks its answer.
    fn ask(&self, rule: &Loaded, budget: &Budget) -> Ran<Self::Answer>;
}

/// A question that whoever asks it keeps.
impl<Q: Question + Sync> Question for Arc<Q> {
    type Answer = Q::Answer;
    const KIND: RuleKind = Q::KIND;

    fn lines(&self) -> usize {
        Q::lines(self)
    }

    fn digest(&self) -> Digest {
        Q::digest(self)
    }

    fn ask(&self, rule: &Loaded, budget: &Budget) -> Ran<Self::Answer> {
        Q::ask(self, rule, budget)
    }
}

impl Question for PricingInput {
    type Answer = Vec<PricedLine>;
    const KIND: RuleKind = RuleKind::Pricing;

    fn lines(&self) -> usize {
        self.lines.len()
    }

    fn digest(&self) -> Digest {
        PricingInput::digest(self)
    }

    fn ask(&self, rule: &Loaded, budget: &Budget) -> Ran<Self::Answer> {
        call(rule, budget, (self,)).checked(|answer: &Vec<PricedLine>| check::pricing(&self.lines, answer))
    }
}

impl Question for LimitsInput {
    type Answer = LimitsAnswer;
    const KIND: RuleKind = RuleKind::Limits;

    fn lines(&self) -> usize {
        1
    }

    fn digest(&self) -> Digest {
        LimitsInput::digest(self)
    }

    fn ask(&self, rule: &Loaded, budget: &Budget) -> Ran<Self::Answer> {
        call(rule, budget, (self,)).checked(check::limits)
    }
}

/// Runs a rule's start function and checks the type of its function.
pub(crate) fn rehearse(rule: &Loaded, budget: &Budget) -> Result<(), RuleError> {
    let (wired, _visit) = rule.enter();
    let mut store = store(rule, wired, budget);
    let wrong =
        |error: wasmtime::Error| RuleError::WrongWorld(format!("its function has another type: {error:#}"));
    let instance = match wired.pre.instantiate(&mut store) {
        Ok(instance) => instance,
        Err(error) => return Err(failure(error, &store, budget)),
    };
    match rule.facts.kind {
        RuleKind::Pricing => instance
            .get_typed_func::<(&PricingInput,), (Result<Vec<PricedLine>, Refusal>,)>(
                &mut store,
                &wired.function,
            )
            .map(drop)
            .map_err(wrong),
        RuleKind::Limits => instance
            .get_typed_func::<(&LimitsInput,), (Result<LimitsAnswer, Refusal>,)>(&mut store, &wired.function)
            .map(drop)
            .map_err(wrong),
    }
}

pub(crate) fn call<P, T>(rule: &Loaded, budget: &Budget, params: P) -> Ran<T>
where
    P: ComponentNamedList + Lower,
    T: ComponentType + Lift + 'static,
{
    let begin = Instant::now();
    let (wired, _visit) = rule.enter();
    let mut store = store(rule, wired, budget);
    let answer = wired.pre.instantiate(&mut store).and_then(|instance| {
        let function = instance.get_typed_func::<P, (Result<T, Refusal>,)>(&mut store, &wired.function)?;
        function.call(&mut store, params)
    });
    let result = match answer {
        Ok((Ok(value),)) => Ok(value),
        Ok((Err(refusal),)) => Err(refusal.into()),
        Err(error) => Err(failure(error, &store, budget)),
    };
    let fuel = budget.fuel - store.get_fuel().unwrap_or(0).min(budget.fuel);
    Ran {
        result,
        logs: std::mem::take(&mut store.data_mut().log).into_messages(),
        fuel,
        spent: fuel,
        elapsed: begin.elapsed(),
        memory: store.data().grown,
    }
}

pub(crate) fn store(rule: &Loaded, wired: &Wired, budget: &Budget) -> Store<CallState> {
    let state = CallState {
        memory: budget.memory,
        structure: rule.facts.class.structure(),
        refused_growth: false,
        grown: 0,
        log: Log::default(),
    };
    let mut store = Store::new(wired.pre.engine(), state);
    store.limiter(|state| state);
    store.set_fuel(budget.fuel).expect("the engine measures fuel");
    store.set_hostcall_fuel(budget.answer);
    let ticks = budget.time.as_millis() / TICK.as_millis();
    // One more, as the first may be nearly over.
    store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX - 1) + 1);
    store
}

/// What the host keeps during a call: what is left to grow, and what was said.
pub(crate) struct CallState {
    memory: usize,
    structure: &'static Structure,
    refused_growth: bool,
    /// Bytes of all linear memories, what they began with included.
    grown: usize,
    pub(crate) log: Log,
}

/// Ends the call of a rule that asks for more than it may have: to be told that
/// there is no more, and to go on, is of use to nobody but a hostile rule.
#[derive(Debug, thiserror::Error)]
#[error("the rule asked for more than it may have")]
struct GrowthRefused;

impl CallState {
    fn grow(&mut self, allowed: bool) -> wasmtime::Result<bool> {
        if allowed {
            return Ok(true);
        }
        self.refused_growth = true;
        Err(wasmtime::Error::new(GrowthRefused))
    }
}

impl ResourceLimiter for CallState {
    fn memory_growing(&mut self, now: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        self.grown += desired.saturating_sub(now);
        self.grow(desired <= self.memory)
    }

    fn table_growing(&mut self, _now: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(desired <= self.structure.table_elements)
    }

    fn instances(&self) -> usize {
        self.structure.core_instances as usize
    }

    fn memories(&self) -> usize {
        self.structure.memories as usize
    }

    fn tables(&self) -> usize {
        self.structure.tables as usize
    }
}

fn failure(error: wasmtime::Error, store: &Store<CallState>, budget: &Budget) -> RuleError {
    if store.data().refused_growth {
        return RuleError::OutOfMemory { limit: budget.memory };
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
            Trap::OutOfFuel => RuleError::OutOfFuel { limit: budget.fuel },
            Trap::Interrupt => RuleError::Timeout {
                milliseconds: u64::try_from(budget.time.as_millis()).unwrap_or(u64::MAX),
            },
            Trap::StackOverflow => RuleError::StackOverflow,
            Trap::AllocationTooLarge => RuleError::OutOfMemory { limit: budget.memory },
            trap => RuleError::Trap(trap.to_string().trim_start_matches("wasm trap: ").to_string()),
        };
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return RuleError::unavailable(format!("the pool has no place, though one was kept: {error:#}"));
    }
    if error.root_cause().is::<Utf8Error>() {
        return RuleError::InvalidOutput("a text is not UTF-8".into());
    }
    // wasmtime does not export the type of this error; a test holds the text.
    if format!("{error:#}").contains("fuel allocated for hostcalls") {
        return RuleError::OutputTooLarge;
    }
    // What is left is met when the host reads the answer or writes the input.
    tracing::debug!(error = format!("{error:#}"), "a rule broke the canonical ABI");
    RuleError::InvalidOutput("it does not follow the canonical ABI".into())
}
