//! Calling a limits rule for one account, and what its failure policy puts in its place.
//!
//! A rule gives the same answer to the same question, so what it said is kept and not asked again. What it failed on is
//! not kept: a failure may be the machine's.

use std::sync::Arc;
use std::time::Duration;

use canopy_entity::account::{AccountKind, CreditMode};
use canopy_entity::rule_version::{self, FailurePolicy};
use canopy_entity::{AccountId, PlanId, RuleFailureId};
use canopy_rules_host as host;

use super::count::CountedAccount;
use super::narrow::{Bound, Source};
use super::terms::{Configured, LiveLimits};
use super::{Counted, LimitDecider};
use crate::memory::Memory;
use crate::rules::{Failed, Failure, Fault};
use crate::{Domain, Error, Result};

/// How many bytes of answers are kept.
const KEPT: u64 = 16 << 20;
/// About what an answer takes beside its limits, with its question, and what a limit takes beside its texts.
const ANSWER: usize = 640;
const LIMIT: usize = 128;

/// What limits rules said, by the mark of the rule and what it was asked.
pub(crate) struct LimitsAnswers(Memory<([u8; 32], Question), Arc<Said>>);

/// What a rule is asked about an account: beside its own configuration it is told nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    account: AccountId,
    plan: Option<PlanId>,
    kind: AccountKind,
    level: u32,
    credit_mode: Option<CreditMode>,
    /// In the order of [`Counted::ALL`].
    used: [u64; 3],
}

impl Default for LimitsAnswers {
    fn default() -> Self {
        Self(Memory::new("limits answer", KEPT, Duration::MAX))
    }
}

/// What a rule said about an account.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) source: Arc<Source>,
    pub(super) policy: host::Policy,
}

impl Domain {
    /// What the rule that is live at an account says, or what its failure policy puts in its place: the version that
    /// was live before, or nothing, so that what holds above is all that holds.
    pub(super) async fn live_limits(
        &self,
        live: &LiveLimits,
        account: &CountedAccount,
        level: u32,
    ) -> Result<Option<Arc<Source>>> {
        if let Some(rule) = live.called() {
            match self.try_limits(rule, account, level).await? {
                Ok(said) => return Ok(Some(Arc::clone(&said.source))),
                Err(failed) => self.note_failures(vec![failed]).await,
            }
        }
        match live.policy() {
            FailurePolicy::Deny | FailurePolicy::KeepPending => Err(denied()),
            FailurePolicy::ParentRule => Ok(None),
            FailurePolicy::LastGood => {
                let rule = live.last_good.as_ref().ok_or_else(denied)?;
                let said = self.ask_limits(rule, account, level).await?;
                Ok(Some(Arc::clone(&said.source)))
            }
        }
    }

    /// The answer of a rule in whose place nothing stands.
    pub(super) async fn ask_limits(
        &self,
        rule: &Configured,
        account: &CountedAccount,
        level: u32,
    ) -> Result<Arc<Said>> {
        match self.try_limits(rule, account, level).await? {
            Ok(said) => Ok(said),
            Err(failed) => {
                let failed = Failed {
                    counted: false,
                    ..failed
                };
                self.note_failures(vec![failed]).await;
                Err(denied())
            }
        }
    }

    async fn try_limits(
        &self,
        rule: &Configured,
        account: &CountedAccount,
        level: u32,
    ) -> Result<Result<Arc<Said>, Failed>> {
        let key = (rule.mark, Question::about(account, level));
        let answers = &self.0.answers.0;
        if let Some(said) = answers.get(&key, 0) {
            return Ok(Ok(said));
        }
        let question = key.1.input(rule.configuration.clone());
        let rule = &rule.version;
        let asked = match self.load_rule(rule).await? {
            Ok(loaded) => {
                let examined = self.0.rules.examine_limits(&loaded, question.clone()).await;
                examined.result.map_err(|error| (error, examined.logs))
            }
            Err(error) => Err((error, Vec::new())),
        };
        Ok(match asked {
            Ok(answer) => {
                let bytes = bytes(&answer);
                let said = Arc::new(Said {
                    source: Arc::new(said_by_rule(&account.id, rule, answer.limits)),
                    policy: answer.policy,
                });
                answers.keep(key, 0, Arc::clone(&said), bytes);
                Ok(said)
            }
            // It did not fail, so no policy of failures takes its place.
            Err((host::RuleError::Throttled { .. }, _)) => return Err(Error::busy()),
            Err((error, logs)) => {
                let failure = Failure::noticed(rule, &error).with_logs(logs);
                Err(Failed {
                    version_id: rule.id.clone(),
                    owner: rule.owner_account_id.clone(),
                    account_id: account.id.clone(),
                    // It is asked about its own account alone, so each failure is one of its own.
                    subject: RuleFailureId::new().to_string(),
                    input: Some(serde_json::json!(question)),
                    counted: failure.fault == Fault::Rules,
                    failure,
                })
            }
        })
    }
}

fn bytes(answer: &host::LimitsAnswer) -> usize {
    let limits = answer
        .limits
        .iter()
        .map(|limit| LIMIT + limit.name.len() + limit.reason.len());
    ANSWER + limits.sum::<usize>()
}

/// The rule may be that of an account far above, whose words are not for everyone below.
fn denied() -> Error {
    Error::RuleFailed("A limits rule that holds for this account failed.".to_owned())
}

impl Question {
    pub(super) fn about(account: &CountedAccount, level: u32) -> Self {
        Self {
            account: account.id.clone(),
            plan: account.plan_id.clone(),
            kind: account.kind,
            level,
            credit_mode: account.credit_mode,
            used: account.used,
        }
    }

    /// In the words of the contract, to a rule with this configuration.
    pub(super) fn input(&self, configuration: String) -> host::LimitsInput {
        host::LimitsInput {
            plan: self.plan.as_ref().map(ToString::to_string).unwrap_or_default(),
            account: host::AccountFacts {
                // A rule, and who reads its logs, learns of nobody above.
                path: format!("{}/", self.account),
                kind: match self.kind {
                    AccountKind::Platform => host::AccountKind::Platform,
                    AccountKind::Main => host::AccountKind::Main,
                    AccountKind::Subaccount => host::AccountKind::Subaccount,
                },
                level: self.level,
                credit_mode: self.credit_mode.map(|mode| match mode {
                    CreditMode::Manual => host::CreditMode::Manual,
                    CreditMode::Reselling => host::CreditMode::Reselling,
                }),
            },
            counts: Counted::ALL
                .iter()
                .zip(self.used)
                .map(|(counted, used)| host::ResourceCount {
                    name: counted.name().to_owned(),
                    used: i64::try_from(used).unwrap_or(host::MAX_INTEGER),
                })
                .collect(),
            configuration,
        }
    }
}

fn said_by_rule(
    account_id: &AccountId,
    rule: &rule_version::Model,
    limits: Vec<host::ResourceLimit>,
) -> Source {
    let decided_by = Arc::new(LimitDecider::Rule {
        account_id: account_id.clone(),
        rule_version_id: rule.id.clone(),
        rule_digest: rule.digest.clone(),
    });
    let bounds = limits.into_iter().map(|limit| {
        let bound = Bound {
            // The host has checked that no limit is negative; if one were, nothing would be allowed.
            max: limit.max.map(|max| u64::try_from(max).unwrap_or(0)),
            decided_by: Arc::clone(&decided_by),
            reason: Some(limit.reason)
                .filter(|reason| !reason.is_empty())
                .map(Arc::from),
        };
        (Arc::from(limit.name), bound)
    });
    Source::new(bounds, Some(Arc::clone(&decided_by)))
}
