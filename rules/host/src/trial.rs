//! Sample input, to see at upload that a rule works at all. Knows no rule: its
//! meter is one that few configurations name.

use crate::contract::{
    AccountFacts, AccountKind, CreditMode, LimitsInput, PeriodTotals, PricingAccount, PricingInput,
    ResourceCount, UsageLine,
};

const MAIN: &str = "acc_00000000000000000000000001";
const SUB: &str = "acc_00000000000000000000000002";
const PLAN: &str = "pln_sample";
const JANUARY: i64 = 1_767_225_600;

/// One line, then several in which something is unusual.
pub(crate) fn pricing(configuration: &str) -> Vec<PricingInput> {
    let sample = |lines: &[(i64, i64, i64)]| {
        let mut input = PricingInput::new(format!("{MAIN}/"), "USD", configuration);
        let account = input.account(PricingAccount {
            path: format!("{MAIN}/{SUB}/"),
            buyer: SUB.into(),
            buyer_plan: PLAN.into(),
        });
        let line = |(quantity, cost, before): &(i64, i64, i64)| UsageLine {
            account,
            meter: "sample_units".into(),
            quantity: *quantity,
            cost: *cost,
            occurred_at: JANUARY + 3600,
            attributes: None,
            period: PeriodTotals {
                start: JANUARY,
                quantity: *before,
                lines: i64::from(*before > 0),
            },
        };
        input.lines = lines.iter().map(line).collect();
        input
    };
    vec![
        sample(&[(1_000_000, 0, 0)]),
        sample(&[
            (1, 0, 0),
            (0, 0, 1),
            (1_000_000_000, 50_000_000, 1),
            (-1, 0, 1_000_000_001),
        ]),
    ]
}

/// A main account and a subaccount, with and without counts.
pub(crate) fn limits(configuration: &str) -> Vec<LimitsInput> {
    let count = |name: &str| ResourceCount {
        name: name.into(),
        used: 1,
    };
    vec![
        LimitsInput {
            plan: PLAN.into(),
            account: AccountFacts {
                path: format!("{MAIN}/"),
                kind: AccountKind::Main,
                level: 0,
                credit_mode: None,
            },
            counts: vec![],
            configuration: configuration.into(),
        },
        LimitsInput {
            plan: PLAN.into(),
            account: AccountFacts {
                path: format!("{MAIN}/{SUB}/"),
                kind: AccountKind::Subaccount,
                level: 1,
                credit_mode: Some(CreditMode::Manual),
            },
            counts: vec![count("members"), count("subaccounts")],
            configuration: configuration.into(),
        },
    ]
}
