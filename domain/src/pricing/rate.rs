//! Calling the sellers' rules: one call per seller for all lines of a batch, and what to do if one fails.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use canopy_entity::rule_version;
use canopy_rules_host::{LoadedRule, MAX_LINES, PricingInput, RuleError};

use super::fold::{Answer, Fold};
use super::{Facts, Line, Outcome, Totals};
use crate::rules::{Failed, Failure};
use crate::{Domain, Result};

/// How often a rule may be called for one batch to find out which lines it fails on.
const MAX_CALLS: usize = 64;
/// How long that may take.
const MAX_TIME: Duration = Duration::from_secs(2);

impl Domain {
    /// Prices `lines` along their chains and keeps what rules failed on for their owners. Must not be called while a
    /// transaction is open.
    pub(crate) async fn rate(&self, facts: &Facts, lines: &[Line], totals: Totals) -> Result<Vec<Outcome>> {
        let (outcomes, failed) = self.prices(facts, lines, totals).await?;
        self.note_failures(failed).await;
        Ok(outcomes)
    }

    /// Prices `lines` along their chains; also answers what rules failed on, and keeps nothing.
    pub(crate) async fn prices(
        &self,
        facts: &Facts,
        lines: &[Line],
        mut totals: Totals,
    ) -> Result<(Vec<Outcome>, Vec<Failed>)> {
        let mut fold = Fold::new(facts, lines, &mut totals);
        for edge in 0..fold.depth() {
            loop {
                let calls = fold.calls(edge);
                if calls.is_empty() {
                    break;
                }
                for call in calls {
                    let answers = self.price_lines(call.rule, &call.input).await?;
                    fold.apply(&call, answers);
                }
            }
        }
        Ok(fold.finish())
    }

    /// Asks a rule for the price of each line. If it fails on a batch the batch is halved until the lines that it
    /// fails on are found, within bounds: a line beyond them fails as the last one did.
    async fn price_lines(
        &self,
        rule: &rule_version::Model,
        input: &PricingInput,
    ) -> Result<Vec<Result<Answer, Failure>>> {
        let lines = input.lines.len();
        let loaded = match self.load_rule(rule).await? {
            Ok(loaded) => loaded,
            Err(error) => return Ok(all(lines, Failure::noticed(rule, &error))),
        };
        let started = Instant::now();
        let mut calls = lines.div_ceil(MAX_LINES) + MAX_CALLS;
        let mut answers: HashMap<usize, Result<Answer, Failure>> = HashMap::with_capacity(lines);
        let mut ranges: Vec<(usize, usize)> = (0..lines)
            .step_by(MAX_LINES)
            .map(|start| (start, lines.min(start + MAX_LINES)))
            .rev()
            .collect();
        let mut last_failure: Option<Failure> = None;
        while let Some((start, end)) = ranges.pop() {
            if let (Some(failure), true) = (&last_failure, calls == 0 || started.elapsed() > MAX_TIME) {
                // One of them is asked for all, so that a rule which fails slowly is not spared.
                answers.extend((start..end).map(|line| (line, Err(failure.assumed()))));
                answers.entry(start).insert_entry(Err(failure.clone()));
                last_failure = last_failure.map(|failure| failure.assumed());
                continue;
            }
            calls = calls.saturating_sub(1);
            match self.price_part(&loaded, input, start, end).await {
                Ok(priced) => answers.extend((start..end).zip(priced.into_iter().map(Ok))),
                Err((error, logs)) => {
                    let failure = Failure::noticed(rule, &error).with_logs(logs);
                    // Less of it would be turned away too.
                    if matches!(error, RuleError::Throttled { .. }) {
                        calls = 0;
                    }
                    if end - start == 1 {
                        answers.insert(start, Err(failure.clone()));
                    } else {
                        let middle = start.midpoint(end);
                        ranges.extend([(middle, end), (start, middle)]);
                    }
                    last_failure = Some(failure);
                }
            }
        }
        Ok((0..lines)
            .map(|line| answers.remove(&line).expect("each range was answered or failed"))
            .collect())
    }

    async fn price_part(
        &self,
        loaded: &LoadedRule,
        input: &PricingInput,
        start: usize,
        end: usize,
    ) -> Result<Vec<Answer>, (RuleError, Vec<String>)> {
        let part = PricingInput {
            seller_path: input.seller_path.clone(),
            currency: input.currency.clone(),
            configuration: input.configuration.clone(),
            accounts: input.accounts.clone(),
            lines: input.lines[start..end].to_vec(),
        };
        let examined = self.0.rules.examine_pricing(loaded, part).await;
        let fuel = i64::try_from(examined.fuel).unwrap_or(i64::MAX);
        let priced = examined.result.map_err(|error| (error, examined.logs))?;
        Ok(priced
            .into_iter()
            .zip(start..end)
            .map(|(priced, line)| Answer {
                input_digest: input
                    .single(line)
                    .expect("the line is one of the input's")
                    .digest()
                    .to_string(),
                output_digest: priced.digest().to_string(),
                priced,
                fuel,
            })
            .collect())
    }
}

/// The same failure for all lines of a call, told as one.
fn all(lines: usize, failure: Failure) -> Vec<Result<Answer, Failure>> {
    let mut answers = vec![Err(failure.assumed()); lines];
    answers[0] = Err(failure);
    answers
}
