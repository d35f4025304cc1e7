//! The fold of prices down a chain of sellers, as pure computation: it says which rules to call with what, edge by
//! edge from the top, and takes their answers. It calls nothing itself.
//!
//! Where a seller's own rule has no answer for a line, or is in quarantine, its failure policy says what is asked
//! next for that line alone: nothing, the rule of a seller above, or the version that was live before.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use canopy_entity::digest::Kept;
use canopy_entity::rule_version::{self, FailurePolicy};
use canopy_entity::{AccountId, AccountPath, PlanId, RuleVersionId};
use canopy_rules_host::{PeriodTotals, PricedLine, PricingAccount, PricingInput, UsageLine};

use super::receipt::{self, StoredItems};
use super::{Facts, Line, Totals};
use crate::Micros;
use crate::ledger::Currency;
use crate::rules::{Failed, Failure, Fault};

/// Which rule priced an edge, from what to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) rule_version_id: RuleVersionId,
    pub(crate) rule_digest: Arc<str>,
    /// Of the input with this line alone, as receipts keep it.
    pub(crate) input_digest: Kept,
    /// Of this line's answer alone, as receipts keep it.
    pub(crate) output_digest: Kept,
    /// What ran the rule.
    pub(crate) engine: &'static str,
    /// What the rule was told of the buyer: its plan, and its use of the meter in the period before.
    pub(crate) buyer_plan: Option<PlanId>,
    pub(crate) period: PeriodTotals,
    /// Of the whole call, which may have had other lines.
    pub(crate) fuel: i64,
}

/// What one seller charges one buyer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EdgePrice {
    /// Place in the chain; 0 is the topmost seller.
    pub(crate) edge: i32,
    pub(crate) seller: AccountId,
    pub(crate) buyer: AccountId,
    pub(crate) currency: Currency,
    pub(crate) cost: i64,
    pub(crate) price: i64,
    /// None if the seller passed its cost on.
    pub(crate) receipt: Option<Receipt>,
    /// None if there are none.
    pub(crate) line_items: Option<StoredItems>,
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// Each edge has its price, from the top down. The topmost account's own usage has no edges.
    Rated(Vec<EdgePrice>),
    /// No seller has a rule, or one has no answer, and neither has what stands in for it.
    Pending,
    /// A rule has no answer, and the usage is to be refused then.
    Denied {
        /// Where the rule's owner stands.
        seller: AccountPath,
        /// What went wrong, in words for the rule's owner.
        message: String,
    },
    /// A rule was not asked, as its owner has used up its fuel for now, and the usage is to be refused then.
    Throttled,
}

/// A rule's answer for one line.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) priced: PricedLine,
    pub(super) input_digest: Kept,
    pub(super) output_digest: Kept,
    pub(super) fuel: i64,
}

/// A call of one seller's rule, for all lines that pass its edge.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) rule: &'a rule_version::Model,
    /// The rule's.
    digest: Arc<str>,
    pub(super) input: Arc<PricingInput>,
    turn: Turn,
    lines: Vec<usize>,
    /// Places among the accounts of the input.
    accounts: HashMap<&'a AccountPath, u32>,
}

/// The prices so far of all lines of a batch.
pub(super) struct Fold<'a> {
    facts: &'a Facts,
    lines: Vec<Folded<'a>>,
    failed: Vec<Failed>,
}

/// Which rule is to be asked for an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// The seller's own.
    Own,
    /// What stands in for it.
    StandIn,
}

/// The most failures of one call that are kept to be told.
const MAX_FAILED: usize = 100;

struct Folded<'a> {
    line: Line<'a>,
    ids: Vec<AccountId>,
    before: Vec<PeriodTotals>,
    edges: Vec<EdgePrice>,
    /// For the next edge.
    turn: Turn,
    ended: Option<Outcome>,
}

impl<'a> Fold<'a> {
    /// Begins with `lines`, which count in `totals` in their order.
    pub(super) fn new(facts: &'a Facts, lines: &[Line<'a>], totals: &mut Totals) -> Self {
        let lines = lines.iter().map(|line| {
            let ids = line.path.ids();
            Folded {
                before: totals.before(line),
                edges: Vec::with_capacity(ids.len().saturating_sub(1)),
                turn: Turn::Own,
                ended: (!facts.can_price(&ids)).then_some(Outcome::Pending),
                line: *line,
                ids,
            }
        });
        Self {
            lines: lines.collect(),
            facts,
            failed: Vec::new(),
        }
    }

    /// The number of edges of the longest chain.
    pub(super) fn depth(&self) -> usize {
        self.lines.iter().map(|line| line.before.len()).max().unwrap_or(0)
    }

    /// The calls to make for the edges at `edge`, once all above have their prices. Where the seller has no rule the
    /// cost is passed on at once. To be asked again once the answers are applied, until there is nothing to call.
    pub(super) fn calls(&mut self, edge: usize) -> Vec<Call<'a>> {
        let facts = self.facts;
        let mut calls: BTreeMap<(AccountId, Turn), Call<'a>> = BTreeMap::new();
        for (index, folded) in self.lines.iter_mut().enumerate() {
            if folded.ended.is_some() || edge >= folded.before.len() || edge < folded.edges.len() {
                continue;
            }
            let seller = &folded.ids[edge];
            let Some(live) = facts.rules.get(seller) else {
                let cost = folded.cost();
                folded.push(facts, cost, None, None);
                continue;
            };
            if folded.turn == Turn::Own && live.called().is_none() {
                folded.turn = Turn::StandIn;
            }
            let rule = match folded.turn {
                Turn::Own => live.called(),
                Turn::StandIn => facts.stand_in(&folded.ids, edge),
            };
            let Some(rule) = rule else {
                folded.ended = Some(facts.without_answer(folded, QUARANTINED));
                continue;
            };
            let turn = folded.turn;
            let call = calls.entry((seller.clone(), turn)).or_insert_with(|| {
                let currency = facts.accounts[seller].currency.as_str();
                let configuration = receipt::configuration(rule);
                Call {
                    rule,
                    digest: rule.digest.as_str().into(),
                    // Paths begin at the seller: a rule, and who reads its logs, learns of nobody above.
                    input: PricingInput::new(format!("{seller}/"), currency, configuration).into(),
                    turn,
                    lines: Vec::new(),
                    accounts: HashMap::new(),
                }
            });
            folded.enter(facts, edge, call);
            call.lines.push(index);
        }
        calls.into_values().collect()
    }

    /// Takes the answers to a call, one per line: a price, or why there is none.
    pub(super) fn apply(&mut self, call: &Call<'_>, answers: Vec<Result<Answer, Failure>>) {
        assert_eq!(
            answers.len(),
            call.lines.len(),
            "each line of a call has an answer"
        );
        let before = self.failed.len();
        for (place, (index, answer)) in call.lines.iter().zip(answers).enumerate() {
            let line = &call.input.lines[place];
            let folded = &mut self.lines[*index];
            match answer.and_then(|answer| self.facts.checked(folded, answer)) {
                Ok(answer) => {
                    let receipt = Receipt {
                        rule_version_id: call.rule.id.clone(),
                        rule_digest: Arc::clone(&call.digest),
                        input_digest: answer.input_digest,
                        output_digest: answer.output_digest,
                        engine: canopy_rules_host::ENGINE,
                        buyer_plan: self.facts.accounts[folded.buyer()].plan_id.clone(),
                        period: line.period,
                        fuel: answer.fuel,
                    };
                    let items = receipt::stored(&answer.priced);
                    folded.push(self.facts, answer.priced.amount, Some(receipt), items);
                }
                Err(failure) => {
                    // One that was not asked did not fail, so nothing stands in for it: prices must not go by how busy
                    // a rule is.
                    let throttled = failure.fault == Fault::Throttled;
                    let next = match call.turn {
                        Turn::Own if !throttled => self.facts.stand_in(&folded.ids, folded.edges.len()),
                        _ => None,
                    };
                    folded.turn = Turn::StandIn;
                    if next.is_none() {
                        folded.ended = Some(match self.facts.without_answer(folded, &failure.message) {
                            Outcome::Denied { .. } if throttled => Outcome::Throttled,
                            outcome => outcome,
                        });
                    }
                    if self.failed.len() < before + MAX_FAILED {
                        self.failed.push(folded.failed(call, place, failure));
                    }
                }
            }
        }
    }

    /// What became of each line, in order, and what rules failed on.
    pub(super) fn finish(self) -> (Vec<Outcome>, Vec<Failed>) {
        let lines = self.lines.into_iter();
        let outcomes = lines.map(|folded| folded.ended.unwrap_or(Outcome::Rated(folded.edges)));
        (outcomes.collect(), self.failed)
    }
}

impl<'a> Folded<'a> {
    /// The buyer of the next edge.
    fn buyer(&self) -> &AccountId {
        &self.ids[self.edges.len() + 1]
    }

    /// What the seller of the next edge pays.
    fn cost(&self) -> i64 {
        self.edges.last().map_or(0, |edge| edge.price)
    }

    fn push(&mut self, facts: &Facts, price: i64, receipt: Option<Receipt>, line_items: Option<StoredItems>) {
        let edge = self.edges.len();
        self.edges.push(EdgePrice {
            edge: i32::try_from(edge).expect("a path has far fewer accounts"),
            seller: self.ids[edge].clone(),
            buyer: self.ids[edge + 1].clone(),
            currency: Currency::of(&facts.accounts[&self.ids[edge]].currency),
            cost: self.cost(),
            price,
            receipt,
            line_items,
        });
        self.turn = Turn::Own;
    }

    /// What is told about a failure on this line, which is the one at `place` of the call.
    fn failed(&self, call: &Call<'_>, place: usize, failure: Failure) -> Failed {
        Failed {
            version_id: call.rule.id.clone(),
            owner: call.rule.owner_account_id.clone(),
            account_id: self.ids[self.edges.len()].clone(),
            subject: self.line.subject(),
            input: call.input.single(place).map(|input| serde_json::json!(input)),
            // A stand-in is asked for what another rule was made for.
            counted: failure.fault == Fault::Rules && call.turn == Turn::Own,
            failure,
        }
    }

    /// Adds this line to the input of its seller's rule.
    fn enter(&self, facts: &Facts, edge: usize, call: &mut Call<'a>) {
        let path = self.line.path;
        let input = Arc::make_mut(&mut call.input);
        let account = *call.accounts.entry(path).or_insert_with(|| {
            let buyer = &self.ids[edge + 1];
            let plan = facts.accounts[buyer].plan_id.as_ref();
            input.account(PricingAccount {
                path: path.seen_from(edge).unwrap_or_default().to_owned(),
                buyer: buyer.to_string(),
                buyer_plan: plan.map(ToString::to_string).unwrap_or_default(),
            })
        });
        input.lines.push(UsageLine {
            account,
            meter: self.line.meter.to_owned(),
            quantity: self.line.quantity,
            cost: self.cost(),
            occurred_at: self.line.occurred_at.timestamp(),
            attributes: self.line.attributes.map(str::to_owned),
            period: self.before[edge],
        });
    }
}

/// Why a rule that is live was not called.
const QUARANTINED: &str = "The rule failed too often and is in quarantine.";

impl Facts {
    /// True if the chain of `ids` has a price at all: it is one account, or some seller has a rule and all use one
    /// currency.
    fn can_price(&self, ids: &[AccountId]) -> bool {
        let Some((_, sellers)) = ids.split_last() else {
            return false;
        };
        let currency = |id| self.accounts.get(id).map(|account| account.currency.as_str());
        let one_currency = ids
            .iter()
            .all(|id| currency(id).is_some() && currency(id) == currency(&ids[0]));
        one_currency && (sellers.is_empty() || sellers.iter().any(|id| self.rules.contains_key(id)))
    }

    /// The answer, if its price may be charged.
    fn checked(&self, folded: &Folded<'_>, answer: Answer) -> Result<Answer, Failure> {
        let seller = &self.accounts[&folded.ids[folded.edges.len()]];
        match refusal(&answer.priced, folded.cost(), seller.allow_below_cost) {
            None => Ok(answer),
            Some((kind, message)) => Err(Failure::of_price(kind, message)),
        }
    }

    /// What becomes of a line whose next edge nobody has a price for.
    fn without_answer(&self, folded: &Folded<'_>, message: &str) -> Outcome {
        let seller = &folded.ids[folded.edges.len()];
        match self.rules.get(seller).map(|rule| rule.policy()) {
            Some(FailurePolicy::Deny) => Outcome::Denied {
                seller: self.accounts[seller].path.clone(),
                message: message.to_owned(),
            },
            _ => Outcome::Pending,
        }
    }
}

/// Why a price may not be charged by a seller that pays `cost`, as a kind and in words; none if it may.
pub(crate) fn refusal(
    priced: &PricedLine,
    cost: i64,
    allow_below_cost: bool,
) -> Option<(&'static str, String)> {
    match (Micros::new(priced.amount), Micros::new(cost)) {
        (Ok(price), _) if price < Micros::ZERO => {
            Some(("negative", format!("The price {price} is negative.")))
        }
        (Ok(price), Ok(cost)) if price < cost && !allow_below_cost => Some((
            "below_cost",
            format!("The price {price} is below the cost {cost}, which the seller's plan does not allow."),
        )),
        (Ok(_), Ok(_)) if !receipt::is_storable(priced) => {
            Some(("nul", "A text of the answer has the character NUL.".to_owned()))
        }
        (Ok(_), Ok(_)) => None,
        _ => Some(("out_of_range", "The price is out of range.".to_owned())),
    }
}

#[cfg(test)]
mod tests;
