//! The rules that come with Canopy: sources in rules/builtin, built by `cargo
//! xtask rules`.

use std::sync::LazyLock;

use crate::contract::RuleKind;
use crate::digest::Digest;

/// A rule that comes with Canopy.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// For example `tiered-pricing`.
    pub name: &'static str,
    /// Its world.
    pub kind: RuleKind,
    /// The component.
    pub wasm: &'static [u8],
    digest: Digest,
}

impl Builtin {
    fn new(name: &'static str, kind: RuleKind, wasm: &'static [u8]) -> Self {
        Self {
            name,
            kind,
            wasm,
            digest: Digest::of(wasm),
        }
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

static BUILTINS: LazyLock<[Builtin; 2]> = LazyLock::new(|| {
    let limits = include_bytes!("../../builtin/limits-by-plan.wasm");
    let pricing = include_bytes!("../../builtin/tiered-pricing.wasm");
    [
        Builtin::new("limits-by-plan", RuleKind::Limits, limits),
        Builtin::new("tiered-pricing", RuleKind::Pricing, pricing),
    ]
});

/// The rules that come with Canopy.
pub fn builtins() -> &'static [Builtin] {
    BUILTINS.as_slice()
}

/// The built-in rule of this name.
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    builtins().iter().find(|builtin| builtin.name == name)
}
