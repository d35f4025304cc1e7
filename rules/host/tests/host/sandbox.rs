//! What the tests share: a host, and inputs.

use std::sync::LazyLock;

use canopy_rules_host::{
    AccountFacts, AccountKind, CompilerCommand, Host, HostSettings, LimitsInput, LoadedRule, PeriodTotals,
    PricingAccount, PricingInput, ResourceCount, UsageLine, builtin,
};

pub(crate) fn settings() -> HostSettings {
    HostSettings::new(CompilerCommand {
        program: env!("CARGO_BIN_EXE_canopy-rule-compiler").into(),
        args: vec![],
    })
}

/// One for all tests, each of which has a runtime of its own.
pub(crate) fn host() -> &'static Host {
    static HOST: LazyLock<Host> = LazyLock::new(|| Host::new(settings()).unwrap());
    &HOST
}

pub(crate) async fn built_in(host: &Host, name: &str) -> LoadedRule {
    host.prepare(builtin(name).unwrap().wasm.to_vec()).await.unwrap()
}

pub(crate) const SELLER: &str = "acc_P/acc_M/";

/// One line per (meter, quantity, cost, quantity before), in micro-units.
pub(crate) fn usage(configuration: &str, lines: &[(&str, i64, i64, i64)]) -> PricingInput {
    let mut input = PricingInput::new(SELLER, "USD", configuration);
    for (meter, quantity, cost, before) in lines {
        let account = input.account(PricingAccount {
            path: format!("{SELLER}acc_S/acc_T/"),
            buyer: "acc_S".into(),
            buyer_plan: "pln_itellico".into(),
        });
        input.lines.push(UsageLine {
            account,
            meter: meter.to_string(),
            quantity: *quantity,
            cost: *cost,
            occurred_at: 1_767_229_200,
            attributes: None,
            period: PeriodTotals {
                start: 1_767_225_600,
                quantity: *before,
                lines: 0,
            },
        });
    }
    input
}

pub(crate) fn subaccount(configuration: &str) -> LimitsInput {
    LimitsInput {
        plan: "pln_x".into(),
        account: AccountFacts {
            path: format!("{SELLER}acc_S/"),
            kind: AccountKind::Subaccount,
            level: 1,
            credit_mode: None,
        },
        counts: vec![ResourceCount {
            name: "members".into(),
            used: 2,
        }],
        configuration: configuration.into(),
    }
}
