//! The suite against stubs, which can do what no rule in the sandbox can.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::runner::{Place, Runner, Subject, Told};
use super::{Plan, SMALL, Samples, limits};
use crate::call::Question;
use crate::check;
use crate::contract::{
    CreditMode, KeyPolicy, LimitsAnswer, LimitsInput, MemberPolicy, Policy, PricedLine, PricingInput,
    ResourceLimit, StarterCredits, UsageLine,
};
use crate::error::RuleError;
use crate::manifest::Manifest;

/// A rule that answers by a function of the input, the place and the number of the call.
struct Stub<F>(F, AtomicU32);

fn stub<F>(answer: F) -> Stub<F> {
    Stub(answer, AtomicU32::new(0))
}

impl<F> Stub<F> {
    fn tell<Q: Question>(&self, value: Q::Answer) -> Told<Q::Answer> {
        Told {
            value,
            fuel: 7,
            elapsed: Duration::from_micros(3),
        }
    }
}

impl<F> Subject<PricingInput> for Stub<F>
where
    F: Fn(&UsageLine, Place, u32) -> Result<i64, RuleError> + Sync,
{
    async fn ask(&self, input: PricingInput, place: Place) -> Result<Told<Vec<PricedLine>>, RuleError> {
        let number = self.1.fetch_add(1, Ordering::Relaxed);
        let price = |line| {
            Ok(PricedLine {
                amount: self.0(line, place, number)?,
                items: Vec::new(),
                reason: String::new(),
            })
        };
        let answer: Vec<_> = input.lines.iter().map(price).collect::<Result<_, RuleError>>()?;
        check::pricing(&input.lines, &answer)?;
        Ok(self.tell::<PricingInput>(answer))
    }
}

impl<F> Subject<LimitsInput> for Stub<F>
where
    F: Fn(&LimitsInput, Place) -> Result<Option<i64>, RuleError> + Sync,
{
    async fn ask(&self, input: LimitsInput, place: Place) -> Result<Told<LimitsAnswer>, RuleError> {
        let limit = ResourceLimit {
            name: "members".into(),
            max: self.0(&input, place)?,
            reason: String::new(),
        };
        let answer = LimitsAnswer {
            limits: vec![limit],
            policy: Policy {
                keys: KeyPolicy::Own,
                members: MemberPolicy::Own,
                starter_credits: StarterCredits {
                    count: 0,
                    credit_value: 0,
                },
                credit_modes: vec![CreditMode::Manual],
                shared_resources: Vec::new(),
                allow_below_cost: false,
            },
        };
        check::limits(&answer)?;
        Ok(self.tell::<LimitsInput>(answer))
    }
}

/// The name of the check that it breaks, the message, and the calls shown.
type Broken = (String, String, Value);

fn broken(result: Result<(), RuleError>) -> Option<Broken> {
    match result {
        Ok(()) => None,
        Err(RuleError::BrokeContract {
            check,
            message,
            counterexample,
        }) => Some((check, message, serde_json::from_str(&counterexample).unwrap())),
        Err(other) => panic!("{other}"),
    }
}

async fn pricing(answer: impl Fn(&UsageLine, Place, u32) -> Result<i64, RuleError> + Sync) -> Option<Broken> {
    let rule = stub(answer);
    let mut runner = Runner::new(&rule, SMALL);
    let plan = Plan::new(&Manifest::default(), "{}", Samples::default(), &SMALL);
    broken(plan.pricing(&mut runner).await)
}

async fn limits(
    answer: impl Fn(&LimitsInput, Place) -> Result<Option<i64>, RuleError> + Sync,
) -> Option<Broken> {
    let rule = stub(answer);
    let mut runner = Runner::new(&rule, SMALL);
    for cases in limits::cases("{}") {
        if let Err(error) = runner.run(cases).await {
            return broken(Err(error));
        }
    }
    None
}

fn refused<T>() -> Result<T, RuleError> {
    Err(RuleError::Refused("no answer".into()))
}

/// A tenth of the quantity.
fn tenth(line: &UsageLine) -> Result<i64, RuleError> {
    Ok(line.quantity / 10)
}

#[tokio::test]
async fn good_rules_pass() {
    assert_eq!(pricing(|line, _, _| tenth(line)).await, None);
    assert_eq!(pricing(|line, _, _| Ok(line.cost)).await, None);
    assert_eq!(pricing(|_, _, _| refused()).await, None);
    // What it has no answer for is passed over, however it is batched.
    let up_to_a_thousand = |line: &UsageLine, _, _| match line.quantity {
        0..=1_000_000_000 => tenth(line),
        _ => refused(),
    };
    assert_eq!(pricing(up_to_a_thousand).await, None);
    assert_eq!(limits(|_, _| Ok(Some(5))).await, None);
    assert_eq!(limits(|_, _| refused()).await, None);
}

#[tokio::test]
async fn an_answer_that_changes_from_call_to_call_is_shown() {
    let counted = |line: &UsageLine, _: Place, number: u32| Ok(line.quantity.signum() * i64::from(number));
    let (check, message, calls) = pricing(counted).await.unwrap();
    assert_eq!(check, "determinism");
    assert!(message.contains("after a second call"), "{message}");
    assert_eq!(calls.as_array().unwrap().len(), 3);
    assert_eq!(calls[0]["input"], calls[1]["input"]);
    assert_ne!(calls[0]["output"], calls[1]["output"]);
}

#[tokio::test]
async fn an_answer_that_changes_with_a_restart_is_shown_at_its_smallest() {
    let forgetful = |line: &UsageLine, place, _: u32| match place {
        Place::Restarted if line.quantity > 41 => tenth(line).map(|amount| amount + 1),
        _ => tenth(line),
    };
    let (check, message, calls) = pricing(forgetful).await.unwrap();
    assert_eq!(check, "determinism");
    assert!(message.contains("after a restart"), "{message}");
    assert_eq!(
        (&calls[2]["restarted"], &calls[2]["input"]["lines"][0]["quantity"]),
        (&true.into(), &42.into())
    );
}

#[tokio::test]
async fn the_largest_input_that_overflows_is_made_small() {
    let careless = |line: &UsageLine, _, _: u32| Ok(line.quantity * 3);
    let (check, message, calls) = pricing(careless).await.unwrap();
    assert_eq!(check, "huge-input");
    assert!(message.contains("out of range"), "{message}");
    assert_eq!(calls[0]["input"]["lines"][0]["quantity"], (1_i64 << 53) / 3 + 1);
}

#[tokio::test]
async fn a_price_rounded_down_below_the_cost_is_found() {
    let cents = |line: &UsageLine, _, _: u32| Ok(line.cost / 10_000 * 10_000);
    let (check, message, _) = pricing(cents).await.unwrap();
    assert_eq!(check, "not-below-cost");
    assert!(
        message.contains("1 of `sample_units` is priced 0, and the seller pays 0.000001."),
        "{message}"
    );
}

#[tokio::test]
async fn limits_are_checked_likewise() {
    let (check, ..) = limits(|input, _| Ok(Some(-i64::from(input.account.level == 1))))
        .await
        .unwrap();
    assert_eq!(check, "answers");
    let (check, message, calls) = limits(|input, _| match input.account.level {
        0..=699 => Ok(Some(1)),
        _ => Err(RuleError::Trap("overflow".into())),
    })
    .await
    .unwrap();
    assert_eq!(
        (check.as_str(), &calls[0]["input"]["account"]["level"]),
        ("huge-input", &700.into()),
        "{message}"
    );
    let (check, message, _) = limits(|_, place| Ok(Some(i64::from(place == Place::Here))))
        .await
        .unwrap();
    assert_eq!(check, "determinism");
    assert!(message.contains("restart"), "{message}");
}

#[tokio::test]
async fn what_is_our_fault_or_the_configurations_is_no_broken_contract() {
    for error in [
        RuleError::Unavailable,
        RuleError::RefusedConfiguration("up_to".into()),
    ] {
        let rule = stub(|_: &UsageLine, _: Place, _: u32| Err(error.clone()));
        let plan = Plan::new(&Manifest::default(), "{}", Samples::default(), &SMALL);
        assert_eq!(
            plan.pricing(&mut Runner::new(&rule, SMALL)).await,
            Err(error.clone())
        );
    }
}
