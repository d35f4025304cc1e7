//! Any bytes as the answer of a rule: the host reads and checks them without a panic, within the bound of an answer.
//!
//! The first byte says which world. The others become the guest's memory from [`AREA`] on, and the answer begins
//! there; pointers are addresses of that memory.
#![no_main]

use std::sync::LazyLock;

use canopy_rules_host::direct::DirectRule;
use canopy_rules_host::testing::component_from_wat;
use canopy_rules_host::{
    AccountFacts, AccountKind, LimitsInput, PeriodTotals, PricingAccount, PricingInput, RuleError, RuleKind,
    UsageLine,
};
use libfuzzer_sys::fuzz_target;

/// Where the bytes lie in the guest's memory. It is as in guest.wat.
const AREA: usize = 16;

/// The room that guest.wat has for them.
const ROOM: usize = 32 << 10;

/// What a call may answer for two lines: see `ClassSettings::small`.
const ANSWER: usize = (256 << 10) + (1 << 10);

static PRICING: LazyLock<DirectRule> = LazyLock::new(|| rule(RuleKind::Pricing));
static LIMITS: LazyLock<DirectRule> = LazyLock::new(|| rule(RuleKind::Limits));

fn rule(kind: RuleKind) -> DirectRule {
    DirectRule::new(&component_from_wat(kind, include_str!("guest.wat")))
}

fuzz_target!(|data: &[u8]| {
    let Some((world, bytes)) = data.split_first() else {
        return;
    };
    let bytes = &bytes[..bytes.len().min(ROOM - AREA)];
    // As text, since text is what the guest is given: two letters for each byte.
    let letter = |nibble: u8| char::from(b'a' + nibble);
    let configuration: String = bytes
        .iter()
        .flat_map(|byte| [letter(byte >> 4), letter(byte & 15)])
        .collect();
    if world % 2 == 0 {
        judge(PRICING.price(&pricing(configuration)));
    } else {
        judge(LIMITS.limits(&limits(configuration)));
    }
});

fn judge<T: std::fmt::Debug>(answer: Result<T, RuleError>) {
    match answer {
        // Each byte takes a few letters when it is printed.
        Ok(answer) => assert!(format!("{answer:?}").len() < 20 * ANSWER),
        Err(error) => {
            assert!(error.is_rules_fault(), "{error}");
            assert!(
                !matches!(error, RuleError::Timeout { .. } | RuleError::StackOverflow),
                "{error}"
            );
            assert!(error.to_string().len() < 1000, "{error}");
        }
    }
}

fn pricing(configuration: String) -> PricingInput {
    let mut input = PricingInput::new("acc_A/", "USD", configuration);
    let account = input.account(PricingAccount {
        path: "acc_A/acc_B/".into(),
        buyer: "acc_B".into(),
        buyer_plan: "pln_C".into(),
    });
    let line = |quantity| UsageLine {
        account,
        meter: "m".into(),
        quantity,
        cost: 0,
        occurred_at: 0,
        attributes: None,
        period: PeriodTotals::default(),
    };
    input.lines = vec![line(1), line(-1)];
    input
}

fn limits(configuration: String) -> LimitsInput {
    LimitsInput {
        plan: "pln_C".into(),
        account: AccountFacts {
            path: "acc_A/".into(),
            kind: AccountKind::Main,
            level: 0,
            credit_mode: None,
        },
        counts: vec![],
        configuration,
    }
}
