//! Running receipts again, within bounds.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use canopy_entity::{RuleVersionId, rating, rule_version, usage_event};
use canopy_rules_host::{LoadedRule, PricedLine, PricingInput, RuleError};

use super::answer::{answer_of, compared, flaw};
use super::{Replay, Replayed, Reruns};
use crate::pricing::input_of;
use crate::{Actor, Domain, Result};

/// How long the receipts of one read may run together.
const MAX_TIME: Duration = Duration::from_secs(2);

/// A receipt that is to be run again.
pub(super) struct Receipt<'a> {
    pub(super) rating: &'a rating::Model,
    pub(super) event: &'a usage_event::Model,
    /// None if no rule priced it.
    pub(super) version: Option<&'a rule_version::Model>,
    /// What the seller pays: the price of the edge above.
    pub(super) above: i64,
    /// The rating that it takes back, if it does.
    pub(super) reversed: Option<&'a rating::Model>,
}

impl Domain {
    /// Runs receipts again, in their order; those for which nothing is left are unavailable. They use up a budget of
    /// whoever asks, and not the one that the rules' owners have for what they sell.
    pub(super) async fn run_again(
        &self,
        actor: &Actor,
        receipts: &[Receipt<'_>],
        reruns: &Reruns,
    ) -> Result<Vec<Replayed>> {
        let versions = receipts.iter().filter_map(|receipt| receipt.version);
        let asker = format!("asked by {}", actor.label());
        let rules = self.load_rules(versions).await?;
        let charged = |(id, rule): (RuleVersionId, Result<LoadedRule, RuleError>)| {
            let rule = rule.map(|rule| rule.for_owner(&asker, id.as_str()));
            (id, rule)
        };
        let rules: HashMap<_, _> = rules.into_iter().map(charged).collect();
        let started = Instant::now();
        let mut replayed = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            let may_run = receipt.version.is_none() || (started.elapsed() < MAX_TIME && reruns.take());
            replayed.push(match may_run {
                true => self.one_again(receipt, &rules).await,
                false => Replayed::unavailable(),
            });
        }
        Ok(replayed)
    }

    async fn one_again(
        &self,
        receipt: &Receipt<'_>,
        rules: &HashMap<RuleVersionId, Result<LoadedRule, RuleError>>,
    ) -> Replayed {
        let Receipt {
            rating,
            event,
            version,
            above,
            reversed,
        } = receipt;
        let input = version.and_then(|version| input_of(rating, event, version));
        let flaw = flaw(
            rating,
            *version,
            input.as_ref().map(PricingInput::digest),
            *above,
            *reversed,
        );
        let answer = answer_of(rating);
        let mut replayed = Replayed {
            replay: Replay::Equal,
            note: None,
            logs: Vec::new(),
            input: input.as_ref().map(json),
            output: answer.as_ref().map(json),
            reason: answer
                .map(|answer| answer.reason)
                .filter(|reason| !reason.is_empty()),
        };
        let rule = version.and_then(|version| rules.get(&version.id));
        if let (Some(rule), Some(input)) = (rule, input) {
            let (again, logs) = match rule {
                Ok(rule) => self.ask_again(rule, input).await,
                Err(error) => (Err(error.clone()), Vec::new()),
            };
            replayed.logs = logs;
            (replayed.replay, replayed.note) = compared(rating, &again);
        }
        if let Some(flaw) = flaw {
            (replayed.replay, replayed.note) = (Replay::Different, Some(flaw.to_owned()));
        }
        replayed
    }

    async fn ask_again(
        &self,
        rule: &LoadedRule,
        input: PricingInput,
    ) -> (Result<PricedLine, RuleError>, Vec<String>) {
        let examined = self.0.rules.examine_pricing(rule, input).await;
        let line = examined
            .result
            .and_then(|mut lines| lines.pop().ok_or(RuleError::Unavailable));
        (line, examined.logs)
    }
}

/// The bytes that a digest is of.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("types of the contract have string keys only")
}
