//! Prices along a chain of sellers, with rules that are plain functions.

use std::sync::Arc;

use canopy_entity::PlanId;
use canopy_entity::account::{AccountStatus, BillingMode, CreditMode};
use canopy_entity::rule_version::{RuleClass, RuleKind, RuleStatus};

use super::*;
use crate::pricing::AccountFacts;
use crate::rules::LiveRule;

/// A chain of accounts; a rule at a seller multiplies its cost or, at no cost, charges the quantity.
struct Chain {
    facts: Facts,
    path: AccountPath,
}

impl Chain {
    fn live(&mut self, place: usize) -> &mut LiveRule {
        let seller = self.path.ids()[place].clone();
        Arc::make_mut(self.facts.rules.get_mut(&seller).unwrap())
    }

    /// The version that priced the edge at `place`.
    fn priced_by(&self, outcome: &Outcome, place: usize) -> RuleVersionId {
        match outcome {
            Outcome::Rated(edges) => edges[place].receipt.as_ref().unwrap().rule_version_id.clone(),
            other => panic!("not rated: {other:?}"),
        }
    }
}

fn chain(length: usize, sellers_with_rules: &[usize]) -> Chain {
    let mut facts = Facts::default();
    let mut path: Option<AccountPath> = None;
    for place in 0..length {
        let id = AccountId::new();
        let here = match &path {
            None => AccountPath::root(&id),
            Some(above) => above.child(&id),
        };
        let account = AccountFacts {
            positions: Default::default(),
            alerts: Vec::new(),
            path: here.clone(),
            status: AccountStatus::Active,
            currency: "USD".to_owned(),
            plan_id: PlanId::parse("pln_bolna").ok(),
            billing_mode: BillingMode::Own,
            credit_mode: CreditMode::Manual,
            allow_below_cost: false,
            meters: Arc::default(),
        };
        facts.accounts.insert(id.clone(), Arc::new(account));
        if sellers_with_rules.contains(&place) {
            facts
                .rules
                .insert(id.clone(), Arc::new(LiveRule::alone(rule(&id))));
        }
        path = Some(here);
    }
    Chain {
        facts,
        path: path.unwrap(),
    }
}

fn rule(owner: &AccountId) -> rule_version::Model {
    rule_version::Model {
        id: RuleVersionId::new(),
        owner_account_id: Some(owner.clone()),
        kind: RuleKind::Pricing,
        name: "prices".to_owned(),
        version: 1,
        digest: "d".repeat(64),
        size_bytes: 1,
        class: RuleClass::Small,
        status: RuleStatus::Active,
        configuration: serde_json::json!({}),
        failure_policy: FailurePolicy::Deny,
        created_by: "system".to_owned(),
        created_at: canopy_entity::time::now(),
    }
}

fn line(path: &AccountPath, quantity: i64) -> Line<'_> {
    Line {
        path,
        meter: "minutes",
        quantity,
        occurred_at: "2024-05-17T10:00:00Z".parse().unwrap(),
        counted_at: "2024-05-17T10:00:00Z".parse().unwrap(),
        attributes: None,
    }
}

fn answer(amount: i64) -> Result<Answer, Failure> {
    Ok(Answer {
        priced: PricedLine {
            amount,
            items: Vec::new(),
            reason: String::new(),
        },
        input_digest: Kept::of(&[1; 32]),
        output_digest: Kept::of(&[2; 32]),
        fuel: 1,
    })
}

/// Folds with a rule that doubles its cost, or charges the quantity where there is no cost.
fn doubled(facts: &Facts, lines: &[Line<'_>]) -> (Vec<Outcome>, usize) {
    folded(facts, lines, |line| {
        answer(if line.cost == 0 {
            line.quantity
        } else {
            2 * line.cost
        })
    })
}

fn folded(
    facts: &Facts,
    lines: &[Line<'_>],
    price: impl Fn(&UsageLine) -> Result<Answer, Failure>,
) -> (Vec<Outcome>, usize) {
    let (outcomes, _, calls) = folded_by(facts, lines, |_, line| price(line));
    (outcomes, calls)
}

/// Folds with rules that may tell themselves apart.
fn folded_by(
    facts: &Facts,
    lines: &[Line<'_>],
    price: impl Fn(&rule_version::Model, &UsageLine) -> Result<Answer, Failure>,
) -> (Vec<Outcome>, Vec<Failed>, usize) {
    let mut fold = Fold::new(facts, lines, &mut Totals::default());
    let mut calls_made = 0;
    for edge in 0..fold.depth() {
        loop {
            let calls = fold.calls(edge);
            if calls.is_empty() {
                break;
            }
            for call in calls {
                calls_made += 1;
                let lines = call.input.lines.iter();
                let answers = lines.map(|line| price(call.rule, line)).collect();
                fold.apply(&call, answers);
            }
        }
    }
    let (outcomes, failed) = fold.finish();
    (outcomes, failed, calls_made)
}

fn no() -> Result<Answer, Failure> {
    Err(Failure::of_price("no", "no".to_owned()))
}

fn prices(outcome: &Outcome) -> Vec<(i64, i64, bool)> {
    match outcome {
        Outcome::Rated(edges) => edges
            .iter()
            .map(|edge| (edge.cost, edge.price, edge.receipt.is_some()))
            .collect(),
        other => panic!("not rated: {other:?}"),
    }
}

#[test]
fn each_price_is_the_cost_of_the_next_seller() {
    let chain = chain(4, &[0, 1, 2]);
    let (outcomes, _) = doubled(&chain.facts, &[line(&chain.path, 10)]);
    assert_eq!(
        prices(&outcomes[0]),
        [(0, 10, true), (10, 20, true), (20, 40, true)]
    );
}

#[test]
fn a_seller_without_a_rule_passes_its_cost_on() {
    let chain = chain(4, &[1]);
    let (outcomes, _) = doubled(&chain.facts, &[line(&chain.path, 10)]);
    assert_eq!(
        prices(&outcomes[0]),
        [(0, 0, false), (0, 10, true), (10, 10, false)]
    );
}

#[test]
fn a_chain_without_rules_is_pending_and_never_free() {
    // A rule of the account that used something sells to nobody on this path.
    let chain = chain(3, &[2]);
    let (outcomes, calls) = doubled(&chain.facts, &[line(&chain.path, 10)]);
    assert_eq!((outcomes, calls), (vec![Outcome::Pending], 0));
}

#[test]
fn the_topmost_account_has_nobody_to_pay() {
    let chain = chain(1, &[]);
    let (outcomes, _) = doubled(&chain.facts, &[line(&chain.path, 10)]);
    assert_eq!(outcomes, [Outcome::Rated(Vec::new())]);
}

#[test]
fn two_currencies_in_a_chain_have_no_price() {
    let mut chain = chain(3, &[0]);
    let last = chain.path.ids().pop().unwrap();
    Arc::make_mut(chain.facts.accounts.get_mut(&last).unwrap()).currency = "EUR".to_owned();
    assert_eq!(
        doubled(&chain.facts, &[line(&chain.path, 10)]).0,
        [Outcome::Pending]
    );
}

#[test]
fn all_lines_of_a_seller_are_one_call() {
    let chain = chain(3, &[0, 1]);
    let lines: Vec<Line<'_>> = (1..=50).map(|quantity| line(&chain.path, quantity)).collect();
    let (outcomes, calls) = doubled(&chain.facts, &lines);
    assert_eq!(calls, 2);
    assert_eq!(prices(&outcomes[49]), [(0, 50, true), (50, 100, true)]);
}

#[test]
fn a_price_below_cost_is_a_failure_unless_the_plan_allows_it() {
    let mut chain = chain(3, &[0, 1]);
    let seller = chain.path.ids()[1].clone();
    let lower = |line: &UsageLine| answer(if line.cost == 0 { 10 } else { line.cost - 1 });
    let (outcomes, _) = folded(&chain.facts, &[line(&chain.path, 1)], lower);
    assert!(matches!(&outcomes[0], Outcome::Denied { message, .. } if message.contains("below the cost")));

    Arc::make_mut(chain.facts.accounts.get_mut(&seller).unwrap()).allow_below_cost = true;
    let (outcomes, _) = folded(&chain.facts, &[line(&chain.path, 1)], lower);
    assert_eq!(prices(&outcomes[0]), [(0, 10, true), (10, 9, true)]);
}

#[test]
fn a_failure_ends_its_own_line_as_its_policy_says() {
    let mut chain = chain(3, &[0, 1]);
    let seller = chain.path.ids()[0].clone();
    let fails_at_13 = |line: &UsageLine| match line.quantity {
        13 => no(),
        quantity => answer(quantity),
    };
    let path = chain.path.clone();
    let lines = [12, 13, 14].map(|quantity| line(&path, quantity));
    let (outcomes, _) = folded(&chain.facts, &lines, fails_at_13);
    let seller_path = chain.facts.accounts[&seller].path.clone();
    assert_eq!(
        outcomes[1],
        Outcome::Denied {
            seller: seller_path,
            message: "no".to_owned()
        }
    );
    assert_eq!(prices(&outcomes[2]), [(0, 14, true), (14, 14, true)]);

    chain.live(0).version.failure_policy = FailurePolicy::KeepPending;
    assert_eq!(folded(&chain.facts, &lines, fails_at_13).0[1], Outcome::Pending);
}

#[test]
fn the_rule_of_the_nearest_seller_above_prices_in_place_of_one_that_failed() {
    // The second seller has none, so the third asks the first.
    let mut chain = chain(4, &[0, 2]);
    chain.live(2).version.failure_policy = FailurePolicy::ParentRule;
    let broken = chain.live(2).version.id.clone();
    let above = chain.live(0).version.id.clone();
    let price = |rule: &rule_version::Model, line: &UsageLine| match rule.id == broken {
        true => no(),
        false => answer(line.cost + line.quantity),
    };
    let lines = [line(&chain.path, 10), line(&chain.path, 20)];
    let (outcomes, failed, _) = folded_by(&chain.facts, &lines, price);
    assert_eq!(
        prices(&outcomes[0]),
        [(0, 10, true), (10, 10, false), (10, 20, true)],
        "from the cost at this edge"
    );
    assert_eq!(chain.priced_by(&outcomes[0], 2), above);
    assert_eq!(failed.len(), 2);
    assert!(
        failed
            .iter()
            .all(|failed| failed.version_id == broken && failed.counted)
    );
    assert_ne!(failed[0].subject, failed[1].subject);
}

#[test]
fn the_version_before_prices_in_place_of_one_that_failed_and_only_where_it_failed() {
    let mut chain = chain(2, &[0]);
    let owner = chain.path.ids()[0].clone();
    let earlier = rule(&owner);
    chain.live(0).version.failure_policy = FailurePolicy::LastGood;
    chain.live(0).last_good = Some(earlier.clone());
    let live = chain.live(0).version.id.clone();
    let price = |rule: &rule_version::Model, line: &UsageLine| match (rule.id == live, line.quantity) {
        (true, 13) => no(),
        (true, quantity) => answer(quantity),
        (false, quantity) => answer(100 * quantity),
    };
    let lines = [line(&chain.path, 12), line(&chain.path, 13)];
    let (outcomes, _, calls) = folded_by(&chain.facts, &lines, price);
    assert_eq!(prices(&outcomes[0]), [(0, 12, true)]);
    assert_eq!(prices(&outcomes[1]), [(0, 1300, true)]);
    assert_eq!(chain.priced_by(&outcomes[0], 0), live);
    assert_eq!(chain.priced_by(&outcomes[1], 0), earlier.id);
    assert_eq!(calls, 2);
}

#[test]
fn where_the_stand_in_fails_too_or_there_is_none_the_usage_waits() {
    for policy in [FailurePolicy::ParentRule, FailurePolicy::LastGood] {
        let mut chain = chain(3, &[0, 1]);
        let earlier = rule(&chain.path.ids()[1]);
        chain.live(1).version.failure_policy = policy;
        chain.live(1).last_good = Some(earlier);
        let top = chain.live(0).version.id.clone();
        // At its own edge the top seller's rule has a price; at the next one nobody has.
        let price = |rule: &rule_version::Model, line: &UsageLine| match rule.id == top && line.cost == 0 {
            true => answer(line.quantity),
            false => no(),
        };
        let (outcomes, failed, _) = folded_by(&chain.facts, &[line(&chain.path, 5)], price);
        assert_eq!(outcomes, [Outcome::Pending], "{policy:?}");
        assert_eq!(
            failed.iter().filter(|failed| failed.counted).count(),
            1,
            "{policy:?}"
        );
        assert_eq!(failed.len(), 2, "{policy:?}");
    }
    let mut alone = chain(2, &[0]);
    for policy in [FailurePolicy::ParentRule, FailurePolicy::LastGood] {
        alone.live(0).version.failure_policy = policy;
        let (outcomes, ..) = folded_by(&alone.facts, &[line(&alone.path, 5)], |_, _| no());
        assert_eq!(outcomes, [Outcome::Pending], "{policy:?}");
    }
}

#[test]
fn a_rule_in_quarantine_is_not_called_and_its_policy_decides() {
    let mut chain = chain(2, &[0]);
    let earlier = rule(&chain.path.ids()[0]);
    chain.live(0).version.status = RuleStatus::Quarantined;
    chain.live(0).last_good = Some(earlier.clone());
    let path = chain.path.clone();
    let lines = [line(&path, 5)];
    let ask = |facts: &Facts| {
        folded_by(facts, &lines, |rule, line| {
            assert_eq!(rule.id, earlier.id);
            answer(line.quantity)
        })
    };
    for (policy, calls) in [
        (FailurePolicy::Deny, 0),
        (FailurePolicy::KeepPending, 0),
        (FailurePolicy::ParentRule, 0),
        (FailurePolicy::LastGood, 1),
    ] {
        chain.live(0).version.failure_policy = policy;
        let (outcomes, failed, made) = ask(&chain.facts);
        assert_eq!((made, failed.len()), (calls, 0), "{policy:?}");
        match policy {
            FailurePolicy::Deny => assert!(matches!(outcomes[0], Outcome::Denied { .. })),
            FailurePolicy::LastGood => assert_eq!(prices(&outcomes[0]), [(0, 5, true)]),
            _ => assert_eq!(outcomes[0], Outcome::Pending),
        }
    }
}
