//! For the benchmark: parts of a call alone, on the thread that asks.

use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::TypedFunc;

use crate::call::{self, Budget, CallState};
use crate::contract::{PricedLine, PricingInput, Refusal};
use crate::host::Host;
use crate::rule::LoadedRule;

type Price = TypedFunc<(&'static PricingInput,), (Result<Vec<PricedLine>, Refusal>,)>;

const BUDGET: Budget = Budget {
    fuel: u64::MAX / 2,
    time: Duration::from_secs(600),
    memory: 128 << 20,
    answer: 16 << 20,
};

/// One call in a fresh store: without lanes, digests and checks of the answer.
///
/// # Panics
///
/// If the rule has no answer.
pub fn isolated(rule: &LoadedRule, input: &PricingInput) -> Vec<PricedLine> {
    call::call(rule.inner(), &BUDGET, (input,))
        .result
        .expect("the rule answers")
}

/// The same rule loaded once more from its machine code, as from the cache.
///
/// # Panics
///
/// If it does not load.
pub fn again(host: &Host, rule: &LoadedRule) -> LoadedRule {
    rule.reloaded(host.0.pool(rule.class()))
        .expect("it was loaded before")
}

/// An instance that is used for many calls, which Canopy never does: what isolation costs beyond it.
pub struct Reused {
    store: Store<CallState>,
    price: Price,
}

impl Reused {
    /// # Panics
    ///
    /// If the rule does not instantiate.
    pub fn new(rule: &LoadedRule) -> Self {
        let rule = rule.inner();
        let (wired, _visit) = rule.enter();
        let mut store = call::store(rule, wired, &BUDGET);
        let instance = wired
            .pre
            .instantiate(&mut store)
            .expect("it was instantiated before");
        let price = instance
            .get_typed_func(&mut store, wired.function)
            .expect("its type was checked");
        Self { store, price }
    }

    /// # Panics
    ///
    /// If the rule has no answer.
    pub fn call(&mut self, input: &'static PricingInput) -> Vec<PricedLine> {
        let (answer,) = self
            .price
            .call(&mut self.store, (input,))
            .expect("the rule returns");
        answer.expect("the rule answers")
    }
}
