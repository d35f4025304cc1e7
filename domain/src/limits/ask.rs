//! Calling a limits rule for one account, and what its failure policy puts in its place.
//!
//! A rule gives the same answer to the same question, so what it said is kept and not asked again. What it failed on is
//! not kept: a failure may be the machine's.

use std::sync::Arc;
use std::time::Duration;

use canopy_entity::account::{AccountKind, BillingMode, CreditMode};
use canopy_entity::rule_version::{self, FailurePolicy};
use canopy_entity::{AccountId, RuleFailureId};
use canopy_rules_host as host;
use sha2::{Digest, Sha256};

use super::count::CountedAccount;
use super::narrow::{Bound, Source};
use super::terms::{Configured, LiveLimits};
use super::{Counted, LimitDecider};
use crate::memory::Memory;
use crate::rules::{Failed, Failure, Fault};
use crate::{Domain, Error, Result};

/// How many bytes of answers are kept.
const KEPT: u64 = 16 << 20;
/// About what an answer takes beside its limits, and what a limit takes beside its texts.
const ANSWER: usize = 512;
const LIMIT: usize = 128;

/// What limits rules said, by what they were asked.
pub(crate) struct LimitsAnswers(Memory<[u8; 32], Arc<Said>>);

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
        let question = input(String::new(), account, level);
        let key = key(rule, &question);
        let answers = &self.0.answers.0;
        if let Some(said) = answers.get(&key, 0) {
            return Ok(Ok(said));
        }
        let question = host::LimitsInput {
            configuration: rule.configuration.clone(),
            ..question
        };
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
                    source: Arc::new(said_by_rule(&account.row.id, rule, answer.limits)),
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
                    account_id: account.row.id.clone(),
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

/// A digest of all that the answer depends on. The configuration is part of the rule's mark, and not of the question.
fn key(rule: &Configured, question: &host::LimitsInput) -> [u8; 32] {
    let question = serde_json::to_vec(question).expect("types of the contract have string keys only");
    let digest = Sha256::new().chain_update(rule.mark).chain_update(question);
    digest.finalize().into()
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

pub(super) fn input(configuration: String, account: &CountedAccount, level: u32) -> host::LimitsInput {
    let row = &account.row;
    host::LimitsInput {
        plan: row.plan_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        account: host::AccountFacts {
            // A rule, and who reads its logs, learns of nobody above.
            path: format!("{}/", row.id),
            kind: match row.kind {
                AccountKind::Platform => host::AccountKind::Platform,
                AccountKind::Main => host::AccountKind::Main,
                AccountKind::Subaccount => host::AccountKind::Subaccount,
            },
            level,
            credit_mode: match (row.billing_mode, row.credit_mode) {
                (BillingMode::Own, _) => None,
                (BillingMode::Parent, CreditMode::Manual) => Some(host::CreditMode::Manual),
                (BillingMode::Parent, CreditMode::Reselling) => Some(host::CreditMode::Reselling),
            },
        },
        counts: Counted::ALL
            .iter()
            .zip(account.used)
            .map(|(counted, used)| host::ResourceCount {
                name: counted.name().to_owned(),
                used: i64::try_from(used).unwrap_or(host::MAX_INTEGER),
            })
            .collect(),
        configuration,
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
        (limit.name, bound)
    });
    Source {
        bounds: bounds.collect(),
        otherwise: Some(decided_by),
    }
}

#[cfg(test)]
mod tests {
    use canopy_entity::RuleVersionId;
    use canopy_entity::rule_version::{RuleClass, RuleKind, RuleStatus};
    use canopy_entity::time;

    use super::*;

    fn rule(id: &RuleVersionId, configuration: &serde_json::Value) -> Configured {
        let version = rule_version::Model {
            id: id.clone(),
            owner_account_id: None,
            kind: RuleKind::Limits,
            name: "rule".into(),
            version: 1,
            digest: "0".repeat(64),
            size_bytes: 1,
            class: RuleClass::Small,
            status: RuleStatus::Active,
            configuration: serde_json::json!({}),
            failure_policy: FailurePolicy::Deny,
            created_by: "system".into(),
            created_at: time::now(),
        };
        Configured::new(version, configuration)
    }

    fn question(used: i64) -> host::LimitsInput {
        host::LimitsInput {
            plan: "pln_a".into(),
            account: host::AccountFacts {
                path: "acc_a/".into(),
                kind: host::AccountKind::Main,
                level: 0,
                credit_mode: None,
            },
            counts: vec![host::ResourceCount {
                name: "members".into(),
                used,
            }],
            configuration: String::new(),
        }
    }

    #[test]
    fn an_answer_is_that_to_the_whole_question_of_one_version_with_one_configuration() {
        let (id, first) = (RuleVersionId::new(), serde_json::json!({"a": 1}));
        let (one, same) = (rule(&id, &first), rule(&id, &first));
        let other = rule(&id, &serde_json::json!({"a": 2}));
        let another = rule(&RuleVersionId::new(), &first);
        assert_ne!(key(&one, &question(1)), key(&another, &question(1)));
        assert_eq!(key(&one, &question(1)), key(&same, &question(1)));
        assert_ne!(key(&one, &question(1)), key(&other, &question(1)));
        assert_ne!(key(&one, &question(1)), key(&one, &question(2)));
        let deeper = host::LimitsInput {
            account: host::AccountFacts {
                level: 1,
                ..question(1).account
            },
            ..question(1)
        };
        assert_ne!(key(&one, &question(1)), key(&one, &deeper));
    }
}
