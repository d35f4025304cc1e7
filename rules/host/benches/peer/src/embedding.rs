//! A module and calls of it. It knows the two functions of the guest, and nothing of what it prices.

use std::error::Error;
use std::sync::Arc;

use wasmer::sys::{CompilerConfig, Cranelift, EngineBuilder};
use wasmer::wasmparser::Operator;
use wasmer::{Engine, Instance, Memory, Module, Store, TypedFunction, imports};
use wasmer_middlewares::Metering;

use crate::wire::{Answer, PricedLine, PricingInput};

/// Operators that an instance may execute: enough never to matter, as the fuel of Canopy's own cases.
const LIMIT: u64 = i64::MAX as u64;

/// A guest that was compiled.
pub(crate) struct Embedding {
    engine: Engine,
    module: Module,
}

/// An instance with a store of its own.
pub(crate) struct Sandbox {
    store: Store,
    memory: Memory,
    allocate: TypedFunction<u32, u32>,
    price: TypedFunction<(u32, u32), u64>,
    calls: usize,
}

impl Embedding {
    pub(crate) fn new(wasm: &[u8]) -> Result<Self, Box<dyn Error>> {
        let mut compiler = Cranelift::new();
        compiler.push_middleware(Arc::new(Metering::new(LIMIT, |_: &Operator<'_>| 1)));
        let engine = Engine::from(EngineBuilder::new(compiler));
        let module = Module::new(&engine, wasm)?;
        Ok(Self { engine, module })
    }

    pub(crate) fn sandbox(&self) -> Result<Sandbox, Box<dyn Error>> {
        let mut store = Store::new(self.engine.clone());
        let instance = Instance::new(&mut store, &self.module, &imports! {})?;
        let memory = instance.exports.get_memory("memory")?.clone();
        let allocate = instance.exports.get_typed_function(&store, "allocate")?;
        let price = instance.exports.get_typed_function(&store, "price")?;
        Ok(Sandbox {
            store,
            memory,
            allocate,
            price,
            calls: 0,
        })
    }
}

impl Sandbox {
    pub(crate) fn price(&mut self, input: &PricingInput) -> Result<Vec<PricedLine>, Box<dyn Error>> {
        self.calls += 1;
        let input = serde_json::to_vec(input)?;
        let length = u32::try_from(input.len())?;
        let start = self.allocate.call(&mut self.store, length)?;
        self.memory.view(&self.store).write(start.into(), &input)?;
        let answer = self.price.call(&mut self.store, start, length)?;
        let (start, length) = (answer >> 32, answer & u64::from(u32::MAX));
        let answer = self
            .memory
            .view(&self.store)
            .copy_range_to_vec(start..start + length)?;
        let answer: Answer = serde_json::from_slice(&answer)?;
        Ok(answer?)
    }

    /// How many calls it has had.
    pub(crate) fn calls(&self) -> usize {
        self.calls
    }
}
