//! Calling a limits rule for one account, and what its failure policy puts in its place.

use canopy_entity::account::{AccountKind, BillingMode, CreditMode};
use canopy_entity::rule_version::{self, FailurePolicy};
use canopy_entity::{AccountId, RuleFailureId};
use canopy_rules_host as host;

use super::count::CountedAccount;
use super::narrow::{Bound, Source};
use super::{Counted, LimitDecider};
use crate::rules::{Failed, Failure, Fault, LiveRule};
use crate::{Domain, Error, Result};

impl Domain {
    /// What the rule that is live at an account says, or what its failure policy puts in its place: the version that
    /// was live before, or nothing, so that what holds above is all that holds.
    pub(super) async fn live_limits(
        &self,
        live: &LiveRule,
        account: &CountedAccount,
        level: u32,
    ) -> Result<Option<Source>> {
        let id = &account.row.id;
        if let Some(rule) = live.called() {
            let asked = self.try_limits(rule, &rule.configuration, account, level).await?;
            match asked {
                Ok(answer) => return Ok(Some(said_by_rule(id, rule, answer.limits))),
                Err(failed) => self.note_failures(vec![failed]).await,
            }
        }
        match live.policy() {
            FailurePolicy::Deny | FailurePolicy::KeepPending => Err(denied()),
            FailurePolicy::ParentRule => Ok(None),
            FailurePolicy::LastGood => {
                let rule = live.last_good.as_ref().ok_or_else(denied)?;
                let answer = self.ask_limits(rule, &rule.configuration, account, level).await?;
                Ok(Some(said_by_rule(id, rule, answer.limits)))
            }
        }
    }

    /// The answer of a rule in whose place nothing stands.
    pub(super) async fn ask_limits(
        &self,
        rule: &rule_version::Model,
        configuration: &serde_json::Value,
        account: &CountedAccount,
        level: u32,
    ) -> Result<host::LimitsAnswer> {
        let asked = self.try_limits(rule, configuration, account, level).await?;
        match asked {
            Ok(answer) => Ok(answer),
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
        rule: &rule_version::Model,
        configuration: &serde_json::Value,
        account: &CountedAccount,
        level: u32,
    ) -> Result<Result<host::LimitsAnswer, Failed>> {
        let input = input(configuration, account, level);
        let given = serde_json::json!(input);
        let asked = match self.load_rule(rule).await? {
            Ok(loaded) => {
                let examined = self.0.rules.examine_limits(&loaded, input).await;
                examined.result.map_err(|error| (error, examined.logs))
            }
            Err(error) => Err((error, Vec::new())),
        };
        Ok(match asked {
            Ok(answer) => Ok(answer),
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
                    input: Some(given),
                    counted: failure.fault == Fault::Rules,
                    failure,
                })
            }
        })
    }
}

/// The rule may be that of an account far above, whose words are not for everyone below.
fn denied() -> Error {
    Error::RuleFailed("A limits rule that holds for this account failed.".to_owned())
}

pub(super) fn input(
    configuration: &serde_json::Value,
    account: &CountedAccount,
    level: u32,
) -> host::LimitsInput {
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
        configuration: configuration.to_string(),
    }
}

pub(super) fn said_by_rule(
    account_id: &AccountId,
    rule: &rule_version::Model,
    limits: Vec<host::ResourceLimit>,
) -> Source {
    let decided_by = LimitDecider::Rule {
        account_id: account_id.clone(),
        rule_version_id: rule.id.clone(),
        rule_digest: rule.digest.clone(),
    };
    let bounds = limits.into_iter().map(|limit| {
        let bound = Bound {
            // The host has checked that no limit is negative; if one were, nothing would be allowed.
            max: limit.max.map(|max| u64::try_from(max).unwrap_or(0)),
            decided_by: decided_by.clone(),
            reason: Some(limit.reason).filter(|reason| !reason.is_empty()),
        };
        (limit.name, bound)
    });
    Source {
        bounds: bounds.collect(),
        otherwise: Some(decided_by.clone()),
    }
}
