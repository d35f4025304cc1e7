//! The life of a version: checked, in shadow, live, retired. Each step is one transaction with its audit row and its
//! row in the version's history.

use canopy_entity::rule_version::{self, RuleKind, RuleStatus};
use canopy_entity::{AccountId, Level, PermissionKey, RuleVersionId, time};
use canopy_rules_host::CheckReport;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::activate::go_live;
use super::active::{live_activation, retire_activation};
use super::change::{self, Mover, checked_reason};
use super::store::{self, Owner};
use super::{RuleVersionView, read, report};
use crate::idempotency::{Claim, Replayable};
use crate::simulation::objection;
use crate::statement::{list, statement};
use crate::{AccountView, Actor, Domain, Error, Result, audit, transaction};

/// What is to become of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RuleStep {
    /// Compile it and run the contract suite: a draft becomes checked.
    Check,
    /// Run it beside the live version; the one that was in shadow for the same account and kind no longer is.
    Shadow,
    /// Make it live; the one before retires.
    Activate,
    /// Take it out of use. If it is live, nothing is live afterwards.
    Retire,
}

/// A step in the life of a version.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct ChangeRule {
    /// The version.
    pub rule_version_id: RuleVersionId,
    /// The step.
    pub step: RuleStep,
    /// Why, for the history; at most 500 characters.
    pub reason: Option<String>,
    /// Whether a version goes live even if the account's guard objects.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirm_variance: bool,
}

impl ChangeRule {
    /// A step without a reason.
    pub fn new(step: RuleStep, rule_version_id: RuleVersionId) -> Self {
        Self {
            rule_version_id,
            step,
            reason: None,
            confirm_variance: false,
        }
    }
}

/// Going back to the version that was live before.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct RollBackRule {
    /// Whose rule.
    pub account_id: AccountId,
    /// Of which kind.
    pub kind: RuleKind,
    /// Why, for the history; at most 500 characters.
    pub reason: Option<String>,
}

/// What a step came to.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct ChangedRule {
    /// The version as it is now.
    pub version: RuleVersionView,
    /// The version whose place it took, as it is now; none if there was none, or if it was the same.
    pub previous: Option<RuleVersionView>,
}

const IN_SHADOW: &str =
    "SELECT * FROM rule_versions WHERE owner_account_id IN [$1] AND kind = $2 AND status = 'SHADOW'";

impl RuleStep {
    fn operation(self) -> &'static str {
        match self {
            RuleStep::Check => "checkRule",
            RuleStep::Shadow => "shadowRule",
            RuleStep::Activate => "activateRule",
            RuleStep::Retire => "retireRule",
        }
    }

    fn audited(self) -> &'static str {
        match self {
            RuleStep::Check => "rule.check",
            RuleStep::Shadow => "rule.shadow",
            RuleStep::Activate => "rule.activate",
            RuleStep::Retire => "rule.retire",
        }
    }
}

/// What a transaction of this module is about.
struct Work<'a> {
    actor: &'a Actor,
    account: &'a AccountView,
    claim: Claim,
    reason: Option<String>,
    /// Of the check that the version has just passed.
    report: Option<CheckReport>,
    confirm_variance: bool,
}

impl Domain {
    /// Takes a version a step further. Needs `BILLING` FULL at its owner.
    pub async fn change_rule(
        &self,
        actor: &Actor,
        mut input: ChangeRule,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<ChangedRule>> {
        let id = &input.rule_version_id;
        let mut versions = self.rule_versions_by_id(actor, std::slice::from_ref(id)).await?;
        let version = versions.remove(id).ok_or(Error::NotFound("rule version"))?;
        let Some(owner) = &version.row.owner_account_id else {
            return Err(Error::bad_input(
                &["ruleVersionId"],
                "A built-in rule belongs to nobody: upload it for your account first, with its configuration.",
            ));
        };
        let account = self.account(actor, owner).await?;
        account.access().require(PermissionKey::Billing, Level::Full)?;
        account.require_active(&["ruleVersionId"])?;
        input.reason = checked_reason(input.reason)?;
        let claim = Claim::new(actor, input.step.operation(), idempotency_key, &input)?;
        if let Some(answer) = claim.find(&self.0.db).await? {
            return Ok(Replayable::replayed(answer));
        }
        let mut report = None;
        match input.step {
            RuleStep::Check => report = Some(self.check_version(&account, &version.row).await?),
            // What cannot be loaded must not go live, nor be followed in shadow.
            RuleStep::Shadow | RuleStep::Activate => self.ready(&account, &version.row).await?,
            RuleStep::Retire => {}
        }
        let work = Work {
            actor,
            account: &account,
            claim,
            reason: input.reason,
            report,
            confirm_variance: input.confirm_variance,
        };
        let (work, id, step) = (&work, &input.rule_version_id, input.step);
        let changed = transaction::run(&self.0.writer, step.operation(), |txn| {
            transaction::work(async move {
                if let Some(answer) = work.claim.find(txn).await? {
                    return Ok(Replayable::replayed(answer));
                }
                let answer = work.take(txn, id, step).await?;
                work.claim.store(txn, &answer).await?;
                Ok(Replayable::fresh(answer))
            })
        })
        .await?;
        self.0.hub.terms_changed();
        Ok(changed)
    }

    /// Makes the version live that was live before. Needs `BILLING` FULL.
    pub async fn roll_back_rule(
        &self,
        actor: &Actor,
        mut input: RollBackRule,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<ChangedRule>> {
        let account = self.account(actor, &input.account_id).await?;
        account.access().require(PermissionKey::Billing, Level::Full)?;
        account.require_active(&["accountId"])?;
        input.reason = checked_reason(input.reason)?;
        let claim = Claim::new(actor, "rollbackRule", idempotency_key, &input)?;
        if let Some(answer) = claim.find(&self.0.db).await? {
            return Ok(Replayable::replayed(answer));
        }
        let work = Work {
            actor,
            account: &account,
            claim,
            reason: input.reason,
            report: None,
            confirm_variance: false,
        };
        let (work, kind) = (&work, input.kind);
        let changed = transaction::run(&self.0.writer, "rollback-rule", |txn| {
            transaction::work(async move {
                if let Some(answer) = work.claim.find(txn).await? {
                    return Ok(Replayable::replayed(answer));
                }
                let answer = work.go_back(txn, kind).await?;
                work.claim.store(txn, &answer).await?;
                Ok(Replayable::fresh(answer))
            })
        })
        .await?;
        self.0.hub.terms_changed();
        Ok(changed)
    }
}

impl Work<'_> {
    fn mover<'m>(&'m self, by: &'m str) -> Mover<'m> {
        Mover {
            by,
            reason: self.reason.as_deref(),
            failures: None,
            at: time::now(),
        }
    }

    async fn take(
        &self,
        txn: &impl ConnectionTrait,
        id: &RuleVersionId,
        step: RuleStep,
    ) -> Result<ChangedRule> {
        // Whoever records usage below is before or after this, and never in between.
        let owner = &store::lock_owner(txn, self.account.id()).await?;
        let row = read::row(txn, id).await?;
        if row.status == RuleStatus::Draft && step != RuleStep::Check {
            return Err(Error::conflict(
                &["ruleVersionId"],
                "This version is a draft. Check it first.",
            ));
        }
        let by = self.actor.label();
        let mover = self.mover(&by);
        if let Some(report) = &self.report {
            report::keep(txn, id, report).await?;
        }
        let previous = match step {
            RuleStep::Check if row.status != RuleStatus::Draft => return changed(txn, id, None).await,
            RuleStep::Check => {
                change::take(txn, owner, &row, RuleStatus::Checked, mover).await?;
                None
            }
            RuleStep::Shadow => match self.follow(txn, owner, &row, mover).await? {
                Some(previous) => previous,
                None => return changed(txn, id, None).await,
            },
            RuleStep::Activate => {
                let live = live_activation(txn, &owner.id, row.kind).await?;
                let again = live.as_ref().is_some_and(|live| live.rule_version_id == *id);
                if again && row.status == RuleStatus::Active {
                    return changed(txn, id, None).await;
                }
                self.ask_the_guard(txn, &row).await?;
                go_live(txn, owner, &row, live, mover).await?
            }
            RuleStep::Retire if row.status == RuleStatus::Retired => return changed(txn, id, None).await,
            RuleStep::Retire => {
                let live = live_activation(txn, &owner.id, row.kind).await?;
                if let Some(live) = live.filter(|live| live.rule_version_id == *id) {
                    retire_activation(txn, &live.id, mover.at).await?;
                }
                change::take(txn, owner, &row, RuleStatus::Retired, mover).await?;
                None
            }
        };
        self.audit(txn, step.audited(), &row, previous.as_ref()).await?;
        changed(txn, id, previous.as_ref()).await
    }

    /// Puts a version in shadow; answers the one that was. None if there is nothing to do.
    async fn follow(
        &self,
        txn: &impl ConnectionTrait,
        owner: &Owner,
        row: &rule_version::Model,
        mover: Mover<'_>,
    ) -> Result<Option<Option<RuleVersionId>>> {
        match row.status {
            RuleStatus::Shadow => return Ok(None),
            RuleStatus::Active | RuleStatus::Quarantined => {
                return Err(Error::conflict(
                    &["ruleVersionId"],
                    "This version is live, so it cannot run beside the live one.",
                ));
            }
            RuleStatus::Draft | RuleStatus::Checked | RuleStatus::Retired => {}
        }
        let values = [list([&owner.id]), sea_orm::ActiveEnum::to_value(&row.kind).into()];
        let shadow = statement(txn.get_database_backend(), IN_SHADOW, values);
        let shadow = rule_version::Model::find_by_statement(shadow).one(txn).await?;
        if let Some(shadow) = &shadow {
            change::take(txn, owner, shadow, RuleStatus::Checked, mover).await?;
        }
        change::take(txn, owner, row, RuleStatus::Shadow, mover).await?;
        Ok(Some(shadow.map(|shadow| shadow.id)))
    }

    /// `Error::Conflict` if the account's guard objects to a version and nobody confirmed it.
    async fn ask_the_guard(&self, txn: &impl ConnectionTrait, row: &rule_version::Model) -> Result<()> {
        if self.confirm_variance {
            return Ok(());
        }
        match objection(txn, self.account.id(), row).await? {
            Some(objection) => Err(Error::conflict(&["ruleVersionId"], objection)),
            None => Ok(()),
        }
    }

    async fn go_back(&self, txn: &impl ConnectionTrait, kind: RuleKind) -> Result<ChangedRule> {
        let nothing = || Error::conflict(&["kind"], "There is no earlier version to go back to.");
        let owner = &store::lock_owner(txn, self.account.id()).await?;
        let live = live_activation(txn, &owner.id, kind).await?.ok_or_else(nothing)?;
        let earlier = live.last_good_version_id.clone().ok_or_else(nothing)?;
        let row = read::row(txn, &earlier).await?;
        let by = self.actor.label();
        let previous = super::activate::go_back(txn, owner, &row, live, self.mover(&by)).await?;
        self.audit(txn, "rule.rollback", &row, previous.as_ref()).await?;
        changed(txn, &earlier, previous.as_ref()).await
    }

    async fn audit(
        &self,
        txn: &impl ConnectionTrait,
        action: &'static str,
        row: &rule_version::Model,
        previous: Option<&RuleVersionId>,
    ) -> Result<()> {
        let mut detail = serde_json::json!({ "kind": row.kind, "previous": previous, "reason": self.reason });
        if self.confirm_variance {
            detail["variance_confirmed"] = true.into();
        }
        let entry = audit::Entry {
            account_id: self.account.id(),
            path: self.account.path(),
            action,
            target: row.id.as_str(),
            detail,
        };
        audit::write(txn, self.actor, entry).await
    }
}

async fn changed(
    txn: &impl ConnectionTrait,
    id: &RuleVersionId,
    previous: Option<&RuleVersionId>,
) -> Result<ChangedRule> {
    Ok(ChangedRule {
        version: read::one(txn, id).await?.ok_or(Error::NotFound("rule version"))?,
        previous: match previous {
            Some(previous) => read::one(txn, previous).await?,
            None => None,
        },
    })
}
