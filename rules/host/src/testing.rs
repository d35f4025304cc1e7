//! For tests: turns WebAssembly text into a component of one of the two worlds.
//! Only with the feature `testing`.

pub mod bench;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::contract::RuleKind;

const PRICING_WIT: &str = include_str!("../../wit/pricing.wit");
const LOG_WIT: &str = include_str!("../../wit/log.wit");
const LIMITS_WIT: &str = include_str!("../../wit/limits.wit");

/// A component made of text. Text that begins with `(component` is taken as it
/// is; a `(module` gets the world's types and is wrapped, as a compiler for a
/// typed language would do it.
///
/// # Panics
///
/// If the text is not WebAssembly or its exports do not fit the world.
pub fn component_from_wat(kind: RuleKind, wat: &str) -> Vec<u8> {
    let mut wasm = wat::parse_str(wat).expect("the text is WebAssembly");
    if !wasmparser::Parser::is_core_wasm(&wasm) {
        return wasm;
    }
    let mut resolve = Resolve::default();
    let mut files = wit_parser::SourceMap::new();
    files.push_str("pricing.wit", PRICING_WIT);
    files.push_str("limits.wit", LIMITS_WIT);
    files.push_str("log.wit", LOG_WIT);
    let files = files
        .parse()
        .map_err(|(_, error)| error)
        .expect("rules/wit parses");
    let package = resolve.push_group(files).expect("rules/wit resolves");
    let world = resolve
        .select_world(&[package], Some(kind.as_str()))
        .expect("the world is in rules/wit");
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8)
        .expect("types can be embedded");
    ComponentEncoder::default()
        .module(&wasm)
        .expect("the module has the world's exports")
        .encode()
        .expect("the module makes a component")
}
