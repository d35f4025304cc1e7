//! The contract suite: what a rule must show before it may price anything. It
//! asks the rule samples, judges the answers, and shows the smallest input found
//! that breaks a check. What is asked and how it is judged is pure; only `runner`
//! asks. Knows neither accounts nor who uploads what.

mod limits;
mod pricing;
mod report;
mod restart;
mod runner;
mod samples;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::OnceCell;

use self::pricing::{Law, PricingCase};
pub use self::report::{CheckReport, CheckResult};
pub(crate) use self::restart::Restarted;
use self::runner::{Effort, Place, Runner, Subject, Told};
use crate::call::Question;
use crate::class::RuleClass;
use crate::contract::{PricingInput, RuleKind};
use crate::error::RuleError;
use crate::host::Host;
use crate::manifest::Manifest;
use crate::rule::LoadedRule;

/// What the suite is to know of the account that a rule is for.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// Meters that the account uses, beside those that the configuration and the manifest name.
    pub meters: Vec<String>,
    /// Whether its plan allows a price below the cost.
    pub allow_below_cost: bool,
    /// What the account itself pays for one unit of a meter, in micro-units, where that is known. A price below it
    /// is refused even if the rule does not look at the cost.
    pub unit_costs: BTreeMap<String, i64>,
}

/// For rules compiled to machine code: hardly any needs a fifth of a second.
const SMALL: Effort = Effort {
    meters: 6,
    rungs: 160,
    calls: 150,
    time: Duration::from_secs(2),
};

/// For rules that bring an interpreter: a call takes milliseconds, and one of a thousand lines much more.
const INTERPRETER: Effort = Effort {
    meters: 2,
    rungs: 48,
    calls: 60,
    time: Duration::from_secs(10),
};

fn effort(class: RuleClass) -> Effort {
    match class {
        RuleClass::Small => SMALL,
        RuleClass::Interpreter => INTERPRETER,
    }
}

impl Host {
    /// Holds a rule against the contract, with the configuration (JSON) it is to have. The checks, by name:
    ///
    /// | name | what must hold |
    /// |---|---|
    /// | `answers` | ordinary usage has an answer or a refusal |
    /// | `empty-input` | nothing used, nothing known: an answer or a refusal |
    /// | `determinism` | the same input has the same answer and takes the same fuel, again and after a restart |
    /// | `batch-independence` | a line has the same price in a batch and alone |
    /// | `bounds` | answers for whole, broken and negative quantities keep the bounds of the contract |
    /// | `monotonicity` | more usage never costs less; unless the manifest says `"monotonic": false` |
    /// | `not-below-cost` | a price made from the cost is not below it; unless the plan allows that |
    /// | `huge-input` | the largest numbers, 1000 lines, long texts: an answer within bounds, or a refusal |
    ///
    /// A refusal (`unsupported`, `failed`) is always allowed; the report says how many calls had an answer. Of a
    /// limits rule `answers`, `empty-input`, `determinism`, `bounds` and `huge-input` are checked.
    ///
    /// # Errors
    ///
    /// [`RuleError::BrokeContract`] with the smallest counterexample found;
    /// [`RuleError::RefusedConfiguration`] if the rule does not take its configuration.
    pub async fn check(
        &self,
        rule: &LoadedRule,
        configuration: &str,
        samples: Samples,
    ) -> Result<CheckReport, RuleError> {
        let running = Running {
            host: self,
            rule,
            restarted: OnceCell::new(),
        };
        let effort = effort(rule.class());
        let mut runner = Runner::new(&running, effort);
        let plan = Plan::new(rule.manifest(), configuration, samples, &effort);
        match rule.kind() {
            RuleKind::Pricing => plan.pricing(&mut runner).await?,
            RuleKind::Limits => {
                for cases in limits::cases(configuration) {
                    runner.run(cases).await?;
                }
            }
        }
        Ok(runner.report())
    }
}

/// What is asked of a pricing rule.
struct Plan<'a> {
    configuration: &'a str,
    is_monotonic: bool,
    meters: Vec<String>,
    rungs: Vec<i64>,
    samples: Samples,
}

impl<'a> Plan<'a> {
    fn new(manifest: &Manifest, configuration: &'a str, samples: Samples, effort: &Effort) -> Self {
        let value: Value = serde_json::from_str(configuration).unwrap_or_default();
        Self {
            configuration,
            is_monotonic: manifest.monotonic,
            meters: samples::meters(manifest, &value, &samples.meters, effort.meters),
            rungs: samples::rungs(&samples::marks(&value), effort.rungs),
            samples,
        }
    }

    async fn pricing<S: Subject<PricingInput>>(&self, runner: &mut Runner<'_, S>) -> Result<(), RuleError> {
        let ordinary = self.meters.iter().map(|meter| {
            let line = samples::line(meter, samples::UNIT, 0, 0);
            samples::lines(self.configuration, vec![line])
        });
        let answers = cases("answers", Law::Kept, ordinary);
        let answered = runner.run(answers).await?;
        // What has no answer is asked no further, unless nothing has.
        let mut meters = self.meters.clone();
        if answered.contains(&true) {
            let mut answered = answered.iter();
            meters.retain(|_| answered.next() == Some(&true));
        }
        for cases in self.laws(&meters) {
            runner.run(cases).await?;
        }
        if !self.is_monotonic {
            runner.name("monotonicity");
        }
        if self.samples.allow_below_cost {
            runner.name("not-below-cost");
        }
        Ok(())
    }

    /// The cases of each check but the first.
    fn laws(&self, meters: &[String]) -> Vec<Vec<PricingCase>> {
        let configuration = self.configuration;
        let of_each = |input: fn(&str, &str) -> PricingInput| {
            let input = move |meter: &String| input(configuration, meter);
            meters.iter().map(input)
        };
        let mixture = samples::mixture(configuration, meters);
        let mut reversed = mixture.clone();
        reversed.lines.reverse();
        let first = mixture.single(0).expect("it has lines");
        let mut huge: Vec<_> = of_each(samples::enormous).take(2).collect();
        huge.push(samples::many(configuration, meters));
        huge.extend(of_each(samples::wordy).take(1));
        let mut laws = vec![
            cases("empty-input", Law::Kept, of_each(samples::nothing)),
            cases("determinism", Law::Repeated, [mixture.clone(), first]),
            cases("batch-independence", Law::Split, [mixture, reversed]),
            cases("bounds", Law::Kept, of_each(samples::spread)),
        ];
        if self.is_monotonic {
            let ladders = meters
                .iter()
                .flat_map(|meter| samples::ladders(configuration, meter, &self.rungs));
            laws.push(cases("monotonicity", Law::Ascending, ladders));
        }
        if !self.samples.allow_below_cost {
            let costs = meters
                .iter()
                .flat_map(|meter| samples::costs(configuration, meter));
            let mut not_below = cases("not-below-cost", Law::Covering, costs);
            let known = meters.iter().filter_map(|meter| {
                let unit_cost = self.samples.unit_costs.get(meter)?;
                Some(samples::real_costs(configuration, meter, *unit_cost))
            });
            not_below.extend(cases("not-below-cost", Law::Covered, known));
            laws.push(not_below);
        }
        laws.push(cases("huge-input", Law::Kept, huge));
        laws
    }
}

fn cases(check: &'static str, law: Law, inputs: impl IntoIterator<Item = PricingInput>) -> Vec<PricingCase> {
    let case = |input| PricingCase { check, law, input };
    inputs.into_iter().map(case).collect()
}

/// A rule in the sandbox.
struct Running<'a> {
    host: &'a Host,
    rule: &'a LoadedRule,
    /// Made when it is first asked.
    restarted: OnceCell<Restarted>,
}

impl<Q: Question> Subject<Q> for Running<'_> {
    async fn ask(&self, question: Q, place: Place) -> Result<Told<Q::Answer>, RuleError> {
        if place == Place::Here {
            let outcome = self.host.ask(self.rule, question).await?;
            return Ok(Told {
                value: outcome.value,
                fuel: outcome.fuel,
                elapsed: outcome.elapsed,
            });
        }
        let restart = || async { self.host.restarted(self.rule).await };
        let ran = self.restarted.get_or_try_init(restart).await?.ask(question).await;
        Ok(Told {
            value: ran.result?,
            fuel: ran.fuel,
            elapsed: ran.elapsed,
        })
    }
}
