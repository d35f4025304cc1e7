//! Calling the sellers' rules: one call per seller for all lines of a batch, and what to do if one fails.

use std::ops::Range;
use std::sync::Arc;

use canopy_entity::digest::Kept;
use canopy_entity::rule_version;
use canopy_rules_host::{LoadedRule, PricingInput, RuleError};

use super::fold::{Answer, Fold};
use super::halving::{Oracle, Unanswered, ask_each};
use super::{Facts, Line, Outcome, Totals};
use crate::rules::{Failed, Failure};
use crate::{Domain, Result};

impl Domain {
    /// Prices `lines` along their chains and keeps what rules failed on for their owners. Must not be called while a
    /// transaction is open.
    pub(crate) async fn rate(
        &self,
        facts: &Facts,
        lines: &[Line<'_>],
        totals: Totals,
    ) -> Result<Vec<Outcome>> {
        let (outcomes, failed) = self.prices(facts, lines, totals).await?;
        self.note_failures(failed).await;
        Ok(outcomes)
    }

    /// Prices `lines` along their chains; also answers what rules failed on, and keeps nothing.
    pub(crate) async fn prices(
        &self,
        facts: &Facts,
        lines: &[Line<'_>],
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

    /// Asks a rule for the price of each line.
    async fn price_lines(
        &self,
        rule: &rule_version::Model,
        input: &Arc<PricingInput>,
    ) -> Result<Vec<Result<Answer, Failure>>> {
        let loaded = match self.load_rule(rule).await? {
            Ok(loaded) => loaded,
            Err(error) => return Ok(all(input.lines.len(), Failure::noticed(rule, &error))),
        };
        let question = Question {
            domain: self,
            rule,
            loaded: &loaded,
            input,
        };
        Ok(ask_each(&question, input.lines.len()).await)
    }
}

/// What a seller's rule is asked for all lines of a batch.
struct Question<'a> {
    domain: &'a Domain,
    rule: &'a rule_version::Model,
    loaded: &'a LoadedRule,
    input: &'a Arc<PricingInput>,
}

impl Oracle for Question<'_> {
    type Answer = Answer;
    type Failure = Failure;

    async fn ask(&self, lines: Range<usize>) -> Result<Vec<Answer>, Unanswered<Failure>> {
        let input = self.input;
        let part = match lines.len() == input.lines.len() {
            true => Arc::clone(input),
            false => Arc::new(PricingInput {
                seller_path: input.seller_path.clone(),
                currency: input.currency.clone(),
                configuration: input.configuration.clone(),
                accounts: input.accounts.clone(),
                lines: input.lines[lines.clone()].to_vec(),
            }),
        };
        let examined = self.domain.0.rules.examine_pricing(self.loaded, part).await;
        let fuel = i64::try_from(examined.fuel).unwrap_or(i64::MAX);
        let priced = match examined.result {
            Ok(priced) => priced,
            Err(error) => {
                return Err(Unanswered {
                    failure: Failure::noticed(self.rule, &error).with_logs(examined.logs),
                    // Less of it would be turned away too.
                    hopeless: matches!(error, RuleError::Throttled { .. }),
                });
            }
        };
        let mut digests = input.line_digests();
        Ok(priced
            .into_iter()
            .zip(lines)
            .map(|(priced, line)| Answer {
                input_digest: Kept::of(
                    digests
                        .of(line)
                        .expect("the line is one of the input's")
                        .as_bytes(),
                ),
                output_digest: Kept::of(priced.digest().as_bytes()),
                priced,
                fuel,
            })
            .collect())
    }

    fn assumed(&self, last: &Failure) -> Failure {
        last.assumed()
    }
}

/// The same failure for all lines of a call, told as one.
fn all(lines: usize, failure: Failure) -> Vec<Result<Answer, Failure>> {
    let mut answers = vec![Err(failure.assumed()); lines];
    answers[0] = Err(failure);
    answers
}
