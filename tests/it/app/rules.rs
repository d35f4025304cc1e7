//! The sandbox for rules, one for the whole binary, and rules to put in it.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use canopy_domain::entity::rule_version::RuleKind;
use canopy_domain::rules_host::{CompilerCommand, Host, HostSettings};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap};

/// The sandbox. Rules are compiled by the `canopy` program, as in production.
pub(crate) fn host() -> Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    let make = || Host::new(settings()).expect("the sandbox can be set up");
    HOST.get_or_init(make).clone()
}

/// A sandbox whose compiler has a second, rather than what an unoptimized one needs at worst.
pub(crate) fn hurried_host() -> Host {
    let mut settings = settings();
    settings.small.places = 2;
    settings.small.compile.cpu = Duration::from_secs(1);
    Host::new(settings).expect("the sandbox can be set up")
}

/// A sandbox in which an owner has so much fuel in a minute, and waits no longer than so for more.
pub(crate) fn frugal_host(fuel_per_minute: u64, wait: Duration) -> Host {
    let mut settings = settings();
    settings.small.places = 2;
    settings.fuel_per_minute = Some(fuel_per_minute);
    settings.queue_wait = wait;
    Host::new(settings).expect("the sandbox can be set up")
}

fn settings() -> HostSettings {
    HostSettings::new(CompilerCommand {
        program: PathBuf::from(env!("CARGO_BIN_EXE_canopy")),
        args: vec!["compile-rule".to_owned()],
    })
}

/// A component made of WebAssembly text, as a compiler for a typed language makes it: a `(module` gets the types of
/// the world; a `(component` is taken as it is.
pub(crate) fn component(kind: RuleKind, text: &str) -> Vec<u8> {
    let mut wasm = wat::parse_str(text).expect("the text is WebAssembly");
    if !wasm.starts_with(CORE_MODULE) {
        return wasm;
    }
    let mut resolve = Resolve::default();
    let mut files = SourceMap::new();
    files.push_str("pricing.wit", include_str!("../../../rules/wit/pricing.wit"));
    files.push_str("limits.wit", include_str!("../../../rules/wit/limits.wit"));
    files.push_str("log.wit", include_str!("../../../rules/wit/log.wit"));
    let files = files
        .parse()
        .map_err(|(_, error)| error)
        .expect("rules/wit parses");
    let package = resolve.push_group(files).expect("rules/wit resolves");
    let world = match kind {
        RuleKind::Pricing => "pricing",
        RuleKind::Limits => "limits",
    };
    let world = resolve
        .select_world(&[package], Some(world))
        .expect("the world is in rules/wit");
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8)
        .expect("types can be embedded");
    let mut encoder = ComponentEncoder::default()
        .module(&wasm)
        .expect("the module has the world's exports");
    encoder.encode().expect("the module makes a component")
}

/// How each core module begins; a component has another number behind the magic.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A pricing rule that charges twice the quantity, in 60 lines of WebAssembly text. For a line of exactly five
/// thousand units, which no check asks about, it does `when_large` first.
pub(crate) fn doubling(when_large: &str) -> Vec<u8> {
    let text = include_str!("../rules/doubling.wat").replace("(;when large;)", when_large);
    component(RuleKind::Pricing, &text)
}

/// The same, but a line of exactly five thousand units is logged: `message`, of less than a hundred bytes.
pub(crate) fn logging(message: &str) -> Vec<u8> {
    let length = message.len();
    let log = format!("(call $log (i32.const 8) (i32.const {length}))");
    let import = r#"(module (import "canopy:rules/log@1.0.0" "write" (func $log (param i32 i32)))"#;
    let text = include_str!("../rules/doubling.wat").replace("(;when large;)", &log);
    let text = text.replacen("(module", import, 1);
    let data = format!("(data (i32.const 8) \"{message}\"))");
    let text = text
        .trim_end()
        .strip_suffix(')')
        .expect("a module ends")
        .to_owned()
        + &data;
    component(RuleKind::Pricing, &text)
}

/// A limits rule that limits nothing. For an account on a plan, and not while it is checked, it does `in_earnest` first.
pub(crate) fn unlimited(in_earnest: &str) -> Vec<u8> {
    let text = include_str!("../rules/unlimited.wat").replace("(;in earnest;)", in_earnest);
    component(RuleKind::Limits, &text)
}
