//! The fold of prices down a chain of sellers, as pure computation: it says which rules to call with what, edge by
//! edge from the top, and takes their answers. It calls nothing itself.

use std::collections::BTreeMap;

use canopy_entity::rule_version::{self, FailurePolicy};
use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, AccountPath, RuleVersionId};
use canopy_rules_host::{PeriodTotals, PricedLine, PricingAccount, PricingInput, UsageLine};

use super::{Facts, Totals, receipt};
use crate::Micros;

/// Usage that is to be priced.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Where the account stands that used something.
    pub(crate) path: AccountPath,
    pub(crate) meter: String,
    /// In micro-units.
    pub(crate) quantity: i64,
    pub(crate) occurred_at: Timestamp,
    /// A JSON object.
    pub(crate) attributes: Option<String>,
}

/// Which rule priced an edge, from what to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) rule_version_id: RuleVersionId,
    pub(crate) rule_digest: String,
    /// Of the input with this line alone.
    pub(crate) input_digest: String,
    /// Of this line's answer alone.
    pub(crate) output_digest: String,
    /// What ran the rule.
    pub(crate) engine: &'static str,
    /// What the rule was told of the buyer: its plan, and its use of the meter in the period before.
    pub(crate) buyer_plan: String,
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
    pub(crate) currency: String,
    pub(crate) cost: i64,
    pub(crate) price: i64,
    /// None if the seller passed its cost on.
    pub(crate) receipt: Option<Receipt>,
    pub(crate) line_items: serde_json::Value,
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// Each edge has its price, from the top down. The topmost account's own usage has no edges.
    Rated(Vec<EdgePrice>),
    /// No seller has a rule, or one failed whose usage is to be kept.
    Pending,
    /// A rule failed whose usage is to be refused.
    Denied {
        /// Where the rule's owner stands.
        seller: AccountPath,
        /// What went wrong, in words for the rule's owner.
        message: String,
    },
}

/// A rule's answer for one line.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) priced: PricedLine,
    pub(super) input_digest: String,
    pub(super) output_digest: String,
    pub(super) fuel: i64,
}

/// A call of one seller's rule, for all lines that pass its edge.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) rule: &'a rule_version::Model,
    pub(super) input: PricingInput,
    lines: Vec<usize>,
}

/// The prices so far of all lines of a batch.
pub(super) struct Fold<'a> {
    facts: &'a Facts,
    lines: Vec<Folded<'a>>,
}

struct Folded<'a> {
    line: &'a Line,
    ids: Vec<AccountId>,
    before: Vec<PeriodTotals>,
    edges: Vec<EdgePrice>,
    ended: Option<Outcome>,
}

impl<'a> Fold<'a> {
    /// Begins with `lines`, which count in `totals` in their order.
    pub(super) fn new(facts: &'a Facts, lines: &'a [Line], totals: &mut Totals) -> Self {
        let lines = lines.iter().map(|line| {
            let ids = line.path.ids();
            Folded {
                before: totals.before(line),
                edges: Vec::with_capacity(ids.len().saturating_sub(1)),
                ended: (!facts.can_price(&ids)).then_some(Outcome::Pending),
                line,
                ids,
            }
        });
        Self {
            lines: lines.collect(),
            facts,
        }
    }

    /// The number of edges of the longest chain.
    pub(super) fn depth(&self) -> usize {
        self.lines.iter().map(|line| line.before.len()).max().unwrap_or(0)
    }

    /// The calls to make for the edges at `edge`, once all above have their prices. Where the seller has no rule the
    /// cost is passed on at once.
    pub(super) fn calls(&mut self, edge: usize) -> Vec<Call<'a>> {
        let mut calls: BTreeMap<AccountId, Call<'a>> = BTreeMap::new();
        for (index, folded) in self.lines.iter_mut().enumerate() {
            if folded.ended.is_some() || edge >= folded.before.len() {
                continue;
            }
            let seller = &folded.ids[edge];
            let Some(rule) = self.facts.rules.get(seller) else {
                let cost = folded.cost();
                folded.push(self.facts, cost, None, serde_json::json!([]));
                continue;
            };
            let call = calls.entry(seller.clone()).or_insert_with(|| {
                let account = &self.facts.accounts[seller];
                let configuration = receipt::configuration(rule);
                Call {
                    rule,
                    // Paths begin at the seller: a rule, and who reads its logs, learns of nobody above.
                    input: PricingInput::new(format!("{seller}/"), account.currency.as_str(), configuration),
                    lines: Vec::new(),
                }
            });
            folded.enter(self.facts, edge, &mut call.input);
            call.lines.push(index);
        }
        calls.into_values().collect()
    }

    /// Takes the answers to a call, one per line: a price, or why there is none.
    pub(super) fn apply(&mut self, call: &Call<'_>, answers: Vec<Result<Answer, String>>) {
        assert_eq!(
            answers.len(),
            call.lines.len(),
            "each line of a call has an answer"
        );
        for ((index, line), answer) in call.lines.iter().zip(&call.input.lines).zip(answers) {
            let folded = &mut self.lines[*index];
            match answer.and_then(|answer| self.facts.checked(folded, answer)) {
                Ok(answer) => {
                    let receipt = Receipt {
                        rule_version_id: call.rule.id.clone(),
                        rule_digest: call.rule.digest.clone(),
                        input_digest: answer.input_digest,
                        output_digest: answer.output_digest,
                        engine: canopy_rules_host::ENGINE,
                        buyer_plan: call.input.accounts[line.account as usize].buyer_plan.clone(),
                        period: line.period,
                        fuel: answer.fuel,
                    };
                    let items = receipt::stored(&answer.priced);
                    folded.push(self.facts, answer.priced.amount, Some(receipt), items);
                }
                Err(message) => folded.ended = Some(self.facts.failed(call.rule, folded, message)),
            }
        }
    }

    /// What became of each line, in order.
    pub(super) fn finish(self) -> Vec<Outcome> {
        self.lines
            .into_iter()
            .map(|folded| folded.ended.unwrap_or(Outcome::Rated(folded.edges)))
            .collect()
    }
}

impl Folded<'_> {
    /// What the seller of the next edge pays.
    fn cost(&self) -> i64 {
        self.edges.last().map_or(0, |edge| edge.price)
    }

    fn push(&mut self, facts: &Facts, price: i64, receipt: Option<Receipt>, line_items: serde_json::Value) {
        let edge = self.edges.len();
        self.edges.push(EdgePrice {
            edge: i32::try_from(edge).expect("a path has far fewer accounts"),
            seller: self.ids[edge].clone(),
            buyer: self.ids[edge + 1].clone(),
            currency: facts.accounts[&self.ids[edge]].currency.clone(),
            cost: self.cost(),
            price,
            receipt,
            line_items,
        });
    }

    /// Adds this line to the input of its seller's rule.
    fn enter(&self, facts: &Facts, edge: usize, input: &mut PricingInput) {
        let buyer = &self.ids[edge + 1];
        let plan = facts.accounts[buyer].plan_id.as_ref();
        let account = input.account(PricingAccount {
            path: self.line.path.seen_from(edge).unwrap_or_default().to_owned(),
            buyer: buyer.to_string(),
            buyer_plan: plan.map(ToString::to_string).unwrap_or_default(),
        });
        input.lines.push(UsageLine {
            account,
            meter: self.line.meter.clone(),
            quantity: self.line.quantity,
            cost: self.cost(),
            occurred_at: self.line.occurred_at.timestamp(),
            attributes: self.line.attributes.clone(),
            period: self.before[edge],
        });
    }
}

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
    fn checked(&self, folded: &Folded<'_>, answer: Answer) -> Result<Answer, String> {
        let seller = &self.accounts[&folded.ids[folded.edges.len()]];
        let (price, cost) = (answer.priced.amount, folded.cost());
        match (Micros::new(price), Micros::new(cost)) {
            (Ok(price), _) if price < Micros::ZERO => Err(format!("The price {price} is negative.")),
            (Ok(price), Ok(cost)) if price < cost && !seller.allow_below_cost => Err(format!(
                "The price {price} is below the cost {cost}, which the seller's plan does not allow."
            )),
            (Ok(_), Ok(_)) if !receipt::is_storable(&answer.priced) => {
                Err("A text of the answer has the character NUL.".to_owned())
            }
            (Ok(_), Ok(_)) => Ok(answer),
            _ => Err("The price is out of range.".to_owned()),
        }
    }

    fn failed(&self, rule: &rule_version::Model, folded: &Folded<'_>, message: String) -> Outcome {
        match rule.failure_policy {
            // What takes the place of a rule is asked nowhere yet, so its usage waits.
            FailurePolicy::KeepPending | FailurePolicy::ParentRule | FailurePolicy::LastGood => {
                Outcome::Pending
            }
            FailurePolicy::Deny => Outcome::Denied {
                seller: self.accounts[&folded.ids[folded.edges.len()]].path.clone(),
                message,
            },
        }
    }
}

#[cfg(test)]
mod tests;
