//! The checks of a limits rule, and what it is asked. Pure.

use super::runner::{Case, Place, Said};
use super::samples::{MAIN, PLAN, SUB};
use crate::contract::{
    AccountFacts, AccountKind, CreditMode, LimitsAnswer, LimitsInput, MAX_INTEGER, ResourceCount,
};

const RESOURCES: [&str; 4] = ["agents", "members", "phone_numbers", "subaccounts"];

/// Whether an input has an answer that keeps the contract, and the same each time.
#[derive(Debug, Clone)]
pub(super) struct LimitsCase {
    pub(super) check: &'static str,
    pub(super) repeated: bool,
    pub(super) input: LimitsInput,
}

impl LimitsCase {
    fn with(&self, change: impl FnOnce(&mut LimitsInput)) -> Self {
        let mut changed = self.clone();
        change(&mut changed.input);
        changed
    }
}

/// All cases, check by check.
pub(super) fn cases(configuration: &str) -> Vec<Vec<LimitsCase>> {
    let cases = |check, repeated, inputs: Vec<LimitsInput>| {
        let case = |input| LimitsCase {
            check,
            repeated,
            input,
        };
        inputs.into_iter().map(case).collect()
    };
    let usual = usual(configuration);
    let nothing = input(configuration, AccountKind::Subaccount, 0, None, &[]);
    vec![
        cases("answers", false, usual.to_vec()),
        cases("empty-input", false, vec![nothing]),
        cases("determinism", true, usual[1..].to_vec()),
        cases("bounds", false, spread(configuration)),
        cases("huge-input", false, enormous(configuration)),
    ]
}

fn input(
    configuration: &str,
    kind: AccountKind,
    level: u32,
    credit_mode: Option<CreditMode>,
    counts: &[(&str, i64)],
) -> LimitsInput {
    let path = match kind {
        AccountKind::Subaccount => format!("{MAIN}/{SUB}/"),
        _ => format!("{MAIN}/"),
    };
    let count = |(name, used): &(&str, i64)| ResourceCount {
        name: (*name).into(),
        used: *used,
    };
    LimitsInput {
        plan: PLAN.into(),
        account: AccountFacts {
            path,
            kind,
            level,
            credit_mode,
        },
        counts: counts.iter().map(count).collect(),
        configuration: configuration.into(),
    }
}

fn usual(configuration: &str) -> [LimitsInput; 3] {
    let some = RESOURCES.map(|name| (name, 1));
    let sub = |mode, counts| input(configuration, AccountKind::Subaccount, 1, Some(mode), counts);
    [
        input(configuration, AccountKind::Main, 0, None, &[]),
        sub(CreditMode::Manual, &some),
        sub(CreditMode::Reselling, &some[..1]),
    ]
}

fn spread(configuration: &str) -> Vec<LimitsInput> {
    let mut inputs = vec![input(configuration, AccountKind::Platform, 0, None, &[])];
    for (level, used) in [(1, 0), (2, 1), (5, 25), (9, 10_000)] {
        let counts = RESOURCES.map(|name| (name, used));
        inputs.push(input(
            configuration,
            AccountKind::Subaccount,
            level,
            None,
            &counts,
        ));
    }
    inputs
}

fn enormous(configuration: &str) -> Vec<LimitsInput> {
    let names: Vec<String> = (0..64)
        .map(|index| format!("{}{index:02}", "r".repeat(62)))
        .collect();
    let counts: Vec<_> = names.iter().map(|name| (name.as_str(), MAX_INTEGER)).collect();
    let mut deep = input(configuration, AccountKind::Subaccount, u32::MAX, None, &counts);
    deep.account.path = format!("{MAIN}/").repeat(32);
    deep.plan = format!("pln_{}", "x".repeat(200));
    let most = RESOURCES.map(|name| (name, MAX_INTEGER));
    vec![
        input(configuration, AccountKind::Subaccount, 1000, None, &most),
        deep,
    ]
}

impl Case for LimitsCase {
    type Question = LimitsInput;

    fn check(&self) -> &'static str {
        self.check
    }

    fn questions(&self) -> Vec<(Place, LimitsInput)> {
        let here = (Place::Here, self.input.clone());
        if self.repeated {
            return vec![here.clone(), here, (Place::Restarted, self.input.clone())];
        }
        vec![here]
    }

    fn judge(&self, said: &[Said<LimitsAnswer>]) -> Result<(), String> {
        let words = ["a second call", "a restart"];
        let other = said[1..]
            .iter()
            .zip(words)
            .find(|(said_then, _)| **said_then != said[0]);
        match other {
            None => Ok(()),
            Some((_, what)) => Err(format!("The same input has another answer after {what}.")),
        }
    }

    fn subject(&self) -> String {
        let kind = match self.input.account.kind {
            AccountKind::Platform => "a platform",
            AccountKind::Main => "a main account",
            AccountKind::Subaccount => "a subaccount",
        };
        let (level, counts) = (self.input.account.level, self.input.counts.len());
        format!("{kind} at level {level} with {counts} counts")
    }

    fn parts(&self) -> Vec<Self> {
        Vec::new()
    }

    fn smaller(&self, _: &[Said<LimitsAnswer>]) -> Vec<Self> {
        let counts = self.input.counts.len();
        let halves = [(0, counts / 2), (counts / 2, counts)];
        let mut smaller: Vec<Self> = halves
            .into_iter()
            .filter(|(start, end)| end - start < counts)
            .map(|(start, end)| self.with(|input| input.counts = input.counts[start..end].to_vec()))
            .collect();
        smaller.push(self.with(|input| input.account.credit_mode = None));
        smaller.push(self.with(|input| input.plan = PLAN.into()));
        smaller.push(self.with(|input| input.account.path = format!("{MAIN}/{SUB}/")));
        smaller.push(self.with(|input| input.counts.iter_mut().for_each(|count| count.used = 0)));
        smaller.retain(|case| case.input != self.input);
        smaller
    }

    /// The level, and the count if there is one.
    fn knobs(&self) -> usize {
        if self.input.counts.len() == 1 { 2 } else { 1 }
    }

    fn turned(&self, knob: usize) -> i64 {
        match knob {
            0 => self.input.account.level.into(),
            _ => self.input.counts[0].used,
        }
    }

    fn turn(&self, knob: usize, value: i64) -> Self {
        self.with(|input| match knob {
            0 => input.account.level = u32::try_from(value).unwrap_or(0),
            _ => input.counts[0].used = value,
        })
    }
}
