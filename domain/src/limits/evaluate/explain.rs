//! Explaining a limit: every bound on the path that the actor may know of, which of them decides, and what the rules
//! behind them are asked, answer and log.
//!
//! No limit is stored, so the rules are asked again, about the accounts as they are now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use canopy_entity::account::AccountKind;
use canopy_entity::{AccountId, Level, PermissionKey, RuleVersionId, Scope};
use canopy_rules_host::{LimitsInput, LoadedRule, RuleError};

use super::{Chains, Evaluated, level};
use crate::limits::ask::Question;
use crate::limits::narrow::{Source, deciding};
use crate::limits::{LimitAsked, LimitDecider, LimitSource, LimitStep, Recency};
use crate::receipts::Reruns;
use crate::rules::RuleVersionView;
use crate::{AccountView, Actor, Domain, Error, Result};

/// How long the rules of one read may be asked again together.
const MAX_TIME: Duration = Duration::from_secs(2);

/// The steps behind each limit of an account, by resource.
pub type LimitSteps = HashMap<String, Vec<LimitStep>>;

/// What the rule of a source was asked again, by account and place among its sources.
type Asked = HashMap<(AccountId, usize), (RuleVersionView, Arc<LimitAsked>)>;

/// A rule that is to be asked again.
struct Rerun {
    place: (AccountId, usize),
    version: RuleVersionView,
    input: LimitsInput,
}

impl Domain {
    /// How the limits of each account came about. An account without `SETTINGS` READ is missing from the answer; one
    /// on whose path a rule fails has `Error::RuleFailed`.
    pub async fn explain_limits(
        &self,
        actor: &Actor,
        accounts: &[AccountView],
        reruns: &Reruns,
    ) -> Result<HashMap<AccountId, Result<LimitSteps>>> {
        let visible: Vec<&AccountView> = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Settings, Level::Read))
            .collect();
        let chains = self
            .evaluate_limits(visible.iter().map(|account| account.path()), Recency::Remembered)
            .await?;
        let questions = self.limit_questions(actor, &chains).await?;
        let asked = self.ask_again_for_limits(questions, reruns).await?;
        Ok(visible
            .into_iter()
            .map(|account| {
                let steps = chains.steps(account, actor.scope(), &asked);
                (account.id().clone(), steps)
            })
            .collect())
    }

    /// The questions to the rules that the actor may see, at accounts in its scope, in the order of their paths.
    async fn limit_questions(&self, actor: &Actor, chains: &Chains) -> Result<Vec<Rerun>> {
        let mut shown: Vec<&Evaluated> = chains
            .0
            .values()
            .filter_map(|found| found.as_ref().ok())
            .collect();
        let kinds: HashMap<AccountId, AccountKind> = shown
            .iter()
            .map(|one| (one.account.id.clone(), one.account.kind))
            .collect();
        shown.retain(|one| actor.scope().covers(&one.account.path));
        shown.sort_by(|one, other| one.account.path.cmp(&other.account.path));
        let rules: Vec<RuleVersionId> = shown
            .iter()
            .flat_map(|one| one.sources.iter().filter_map(|source| rule_of(source)))
            .cloned()
            .collect();
        let rules = self.rule_versions_by_id(actor, &rules).await?;
        let mut questions = Vec::new();
        for one in shown {
            let account = &one.account;
            let level = level(&account.path, &kinds);
            for (index, source) in one.sources.iter().enumerate() {
                let Some(version) = rule_of(source).and_then(|id| rules.get(id)) else {
                    continue;
                };
                let configuration = match (source_of(one, index), &one.plan) {
                    (LimitSource::PlanRule, Some((terms, _))) => terms.rule.configuration.clone(),
                    _ => version.row.configuration.to_string(),
                };
                questions.push(Rerun {
                    place: (account.id.clone(), index),
                    input: Question::about(account, level).input(configuration),
                    version: version.clone(),
                });
            }
        }
        Ok(questions)
    }

    async fn ask_again_for_limits(&self, questions: Vec<Rerun>, reruns: &Reruns) -> Result<Asked> {
        let versions = questions.iter().map(|question| &question.version.row);
        let rules = self.load_rules(versions).await?;
        let started = Instant::now();
        let mut asked = HashMap::with_capacity(questions.len());
        for question in questions {
            let rule = rules
                .get(&question.version.row.id)
                .filter(|_| started.elapsed() < MAX_TIME && reruns.take());
            let answer = self.ask_again_for_limit(rule, question.input).await;
            asked.insert(question.place, (question.version, Arc::new(answer)));
        }
        Ok(asked)
    }

    async fn ask_again_for_limit(
        &self,
        rule: Option<&Result<LoadedRule, RuleError>>,
        question: LimitsInput,
    ) -> LimitAsked {
        let mut asked = LimitAsked {
            input: rule.map(|_| json(&question)),
            output: None,
            logs: Vec::new(),
            note: None,
        };
        match rule {
            None => asked.note = Some("Too much is explained at once: ask for less.".to_owned()),
            Some(Err(error)) => asked.note = Some(error.to_string()),
            Some(Ok(rule)) => {
                let examined = self.0.rules.examine_limits(rule, question).await;
                asked.logs = examined.logs;
                match examined.result {
                    Ok(answer) => asked.output = Some(json(&answer)),
                    Err(error) => asked.note = Some(error.to_string()),
                }
            }
        }
        asked
    }
}

impl Chains {
    /// The bounds behind each limit of an account, from the top down. Of accounts out of `scope` only the one that
    /// decides is told, and nothing of it but the bound, which is the account's own limit.
    fn steps(&self, account: &AccountView, scope: &Scope, asked: &Asked) -> Result<LimitSteps> {
        let ids = account.path().ids();
        let mut sources: Vec<(&Evaluated, usize, &Source)> = Vec::new();
        for found in ids.iter().filter_map(|id| self.0.get(id)) {
            let one = found.as_ref().map_err(Error::clone)?;
            sources.extend(
                one.sources
                    .iter()
                    .enumerate()
                    .map(|(index, source)| (one, index, source.as_ref())),
            );
        }
        let mut steps = LimitSteps::new();
        for limit in self.limits_of(account, scope)? {
            let decides = deciding(sources.iter().map(|(_, _, source)| *source), &limit.resource);
            let of_resource = sources
                .iter()
                .enumerate()
                .filter_map(|(place, (one, index, source))| {
                    let bound = source.bound(&limit.resource)?;
                    let account = &one.account;
                    let (is_visible, decides) = (scope.covers(&account.path), decides == Some(place));
                    let asked = asked.get(&(account.id.clone(), *index)).filter(|_| is_visible);
                    (is_visible || decides).then(|| LimitStep {
                        source: source_of(one, *index),
                        account_id: is_visible.then(|| account.id.clone()),
                        decides,
                        max: bound.max,
                        reason: bound
                            .reason
                            .filter(|_| is_visible)
                            .map(|reason| reason.to_string()),
                        rule: asked.map(|(version, _)| version.clone()),
                        asked: asked.map(|(_, asked)| asked.clone()),
                    })
                });
            steps.insert(limit.resource.to_string(), of_resource.collect());
        }
        Ok(steps)
    }
}

/// The rule behind a source; none for what a parent set.
fn rule_of(source: &Source) -> Option<&RuleVersionId> {
    match source.otherwise.as_deref()? {
        LimitDecider::Rule { rule_version_id, .. } => Some(rule_version_id),
        LimitDecider::Account { .. } => None,
    }
}

/// What kind of source it is: the rule of the account's plan comes first.
fn source_of(one: &Evaluated, index: usize) -> LimitSource {
    match rule_of(&one.sources[index]) {
        None => LimitSource::SetByParent,
        Some(_) if index == 0 && one.account.plan_id.is_some() => LimitSource::PlanRule,
        Some(_) => LimitSource::LiveRule,
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("types of the contract have string keys only")
}
