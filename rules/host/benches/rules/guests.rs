//! The same rule in each language: a price per unit. Rust is built in; the others are taken from a folder if they
//! are there, as their toolchains are not everybody's.

use std::path::PathBuf;

use canopy_rules_host::{Host, LoadedRule, PeriodTotals, PricingAccount, PricingInput, UsageLine, builtin};

const CONFIGURATION: &str = r#"{"meters": {"*": {"unit_price": "0.09"}}}"#;

/// Of the rules that `canopy rules new` writes.
const TEMPLATE: &str = r#"{"meters": {"call_minutes": {"day": "0.12", "night": "0.08"}}, "margin_ppm": 0}"#;

const OTHERS: [(&str, &str); 3] = [
    (
        "C",
        "canopy rules new pricing c --lang c && (cd c && canopy rules build) && cp c/build/c.wasm FOLDER/C.wasm",
    ),
    (
        "JavaScript",
        "npx componentize-qjs -w rules/wit -n pricing -j rules/host/benches/guests/rule.js --stub-wasi --sync -o FOLDER/JavaScript.wasm",
    ),
    (
        "Python",
        "cd rules/host/benches/guests && componentize-py -d ../../../wit -w pricing componentize rule --stub-wasi -o FOLDER/Python.wasm",
    ),
];

pub(crate) struct Guest {
    pub(crate) name: &'static str,
    pub(crate) wasm: Vec<u8>,
    pub(crate) rule: LoadedRule,
    configuration: &'static str,
}

impl Guest {
    /// A batch of so many lines.
    pub(crate) fn batch(&self, lines: usize) -> PricingInput {
        batch(self.configuration, lines)
    }
}

pub(crate) fn batch(configuration: &str, lines: usize) -> PricingInput {
    let mut input = PricingInput::new("acc_01ARZ3NDEKTSV4RRFFQ69G5FAV/", "USD", configuration);
    let account = input.account(PricingAccount {
        path: "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV/acc_01ARZ3NDEKTSV4RRFFQ69G5FAW/".into(),
        buyer: "acc_01ARZ3NDEKTSV4RRFFQ69G5FAW".into(),
        buyer_plan: "pln_itellico".into(),
    });
    let line = |at: i64| UsageLine {
        account,
        meter: "call_minutes".into(),
        quantity: 1_500_000,
        cost: 0,
        occurred_at: 1_767_229_200 + at,
        attributes: None,
        period: PeriodTotals {
            start: 1_767_225_600,
            quantity: at * 1_500_000,
            lines: at,
        },
    };
    input.lines = (0..i64::try_from(lines).unwrap()).map(line).collect();
    input
}

/// A batch for the rule in Rust, natively and in any embedding.
pub(crate) fn rust_batch(lines: usize) -> PricingInput {
    batch(CONFIGURATION, lines)
}

/// Where the rules in other languages lie, and the other embedding.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("CANOPY_BENCH_RULES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/bench-rules"),
        PathBuf::from,
    )
}

/// The rules that are here, Rust first; and of those that are not, how to make them.
pub(crate) async fn all(host: &Host) -> (Vec<Guest>, Vec<String>) {
    let mut guests = vec![rust(host).await];
    let mut missing = Vec::new();
    let folder = folder();
    for (name, how) in OTHERS {
        match std::fs::read(folder.join(format!("{name}.wasm"))) {
            Ok(wasm) => guests.push(guest(host, name, wasm).await),
            Err(_) => {
                let how = how.replace("FOLDER", &folder.display().to_string());
                missing.push(format!("{name} is missing; make it by: {how}"));
            }
        }
    }
    (guests, missing)
}

pub(crate) async fn rust(host: &Host) -> Guest {
    guest(host, "Rust", builtin("tiered-pricing").unwrap().wasm.to_vec()).await
}

async fn guest(host: &Host, name: &'static str, wasm: Vec<u8>) -> Guest {
    eprintln!("compiling the rule in {name}");
    let rule = host.prepare(wasm.clone()).await.unwrap();
    for configuration in [CONFIGURATION, TEMPLATE] {
        if host.price(&rule, batch(configuration, 1)).await.is_ok() {
            return Guest {
                name,
                wasm,
                rule,
                configuration,
            };
        }
    }
    panic!("the rule in {name} accepts none of the configurations of the benchmark")
}
