//! `checkRule`, `shadowRule`, `activateRule`, `retireRule` and `rollbackRule`.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use canopy_domain::Result;
use canopy_domain::idempotency::Replayable;
use canopy_domain::rules::{ChangeRule, ChangedRule, RollBackRule, RuleStep};

use super::parse_id;
use crate::authorization::{Gate, gates};
use crate::errors::refuse;
use crate::types::rule_kind::RuleKind;
use crate::types::rule_version::RuleVersion;
use crate::types::user_error::UserError;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct RuleLifeMutations;

#[Object]
impl RuleLifeMutations {
    /// Compiles a draft and calls it on samples: it becomes CHECKED, or RULE_FAILED says what is wrong with it.
    /// Needs BILLING FULL at the rule's account.
    async fn check_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version.")] input: CheckRuleInput,
    ) -> Option<Result<CheckRulePayload>> {
        let (id, reason, key) = (input.rule_version_id, input.reason, input.idempotency_key);
        Some(
            change(ctx, gates::CHECK_RULE, RuleStep::Check, &id, reason, key)
                .await
                .map(Into::into),
        )
    }

    /// Lets a version run beside the live one, on live usage, and decide nothing. The version that was in shadow
    /// for the same account and kind becomes CHECKED again. Needs BILLING FULL at the rule's account.
    async fn shadow_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version.")] input: ShadowRuleInput,
    ) -> Option<Result<ShadowRulePayload>> {
        let (id, reason, key) = (input.rule_version_id, input.reason, input.idempotency_key);
        Some(
            change(ctx, gates::SHADOW_RULE, RuleStep::Shadow, &id, reason, key)
                .await
                .map(Into::into),
        )
    }

    /// Makes a rule version decide from now on, in place of the one before; for a version in quarantine, lifts it.
    /// Needs BILLING FULL at the rule's account. Events that were rated keep their price. CONFLICT for a draft, and
    /// where the account's guard objects and nobody confirms.
    async fn activate_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version.")] input: ActivateRuleInput,
    ) -> Option<Result<ActivateRulePayload>> {
        let payload = async {
            let caller = gates::ACTIVATE_RULE.caller(ctx)?;
            let step = ChangeRule {
                rule_version_id: parse_id(&input.rule_version_id, "rule version")?,
                step: RuleStep::Activate,
                reason: input.reason,
                confirm_variance: input.confirm_variance,
            };
            let key = input.idempotency_key.as_deref();
            Changed::of(caller.domain().change_rule(caller.actor(), step, key).await)
        };
        Some(payload.await.map(Into::into))
    }

    /// Takes a version out of use. If it was live no version is afterwards: a seller without a pricing rule passes
    /// its cost on. Needs BILLING FULL at the rule's account.
    async fn retire_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version.")] input: RetireRuleInput,
    ) -> Option<Result<RetireRulePayload>> {
        let (id, reason, key) = (input.rule_version_id, input.reason, input.idempotency_key);
        Some(
            change(ctx, gates::RETIRE_RULE, RuleStep::Retire, &id, reason, key)
                .await
                .map(Into::into),
        )
    }

    /// Makes the version live again that was live before; once more, and it is the one before that. CONFLICT if
    /// there is none. Needs BILLING FULL.
    async fn rollback_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose rule.")] input: RollbackRuleInput,
    ) -> Option<Result<RollbackRulePayload>> {
        let payload = async {
            let caller = gates::ROLLBACK_RULE.caller(ctx)?;
            let back = RollBackRule {
                account_id: parse_id(&input.account_id, "account")?,
                kind: input.kind.into(),
                reason: input.reason,
            };
            let key = input.idempotency_key.as_deref();
            Changed::of(caller.domain().roll_back_rule(caller.actor(), back, key).await)
        };
        Some(payload.await.map(Into::into))
    }
}

async fn change(
    ctx: &Context<'_>,
    gate: Gate,
    step: RuleStep,
    id: &ID,
    reason: Option<String>,
    idempotency_key: Option<String>,
) -> Result<Changed> {
    let caller = gate.caller(ctx)?;
    let input = ChangeRule {
        rule_version_id: parse_id(id, "rule version")?,
        step,
        reason,
        confirm_variance: false,
    };
    let key = idempotency_key.as_deref();
    Changed::of(caller.domain().change_rule(caller.actor(), input, key).await)
}

/// What a step in the life of a version came to.
struct Changed {
    rule_version: Option<RuleVersion>,
    previous: Option<RuleVersion>,
    replayed: bool,
    user_errors: Vec<UserError>,
}

impl Changed {
    fn of(outcome: Result<Replayable<ChangedRule>>) -> Result<Self> {
        let (changed, user_errors) = refuse(outcome)?;
        let replayed = changed.as_ref().is_some_and(|changed| changed.replayed);
        let (rule_version, previous) = match changed.map(|changed| changed.value) {
            Some(changed) => (Some(changed.version.into()), changed.previous.map(Into::into)),
            None => (None, None),
        };
        Ok(Self {
            rule_version,
            previous,
            replayed,
            user_errors,
        })
    }
}

/// Declares the inputs of the steps that are about one version.
macro_rules! inputs {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(InputObject)]
        struct $name {
            /// Id of the version. NOT_FOUND if the caller may not see it.
            rule_version_id: ID,
            /// Why, for the version's history and the audit log: at most 500 characters.
            reason: Option<String>,
            /// Makes it safe to send the mutation again.
            idempotency_key: Option<String>,
        }
    )*};
}

inputs! {
    /// A rule version to check.
    CheckRuleInput;
    /// A rule version to run in shadow.
    ShadowRuleInput;
    /// A rule version to take out of use.
    RetireRuleInput;
}

/// A rule version to activate.
#[derive(InputObject)]
struct ActivateRuleInput {
    /// Id of the version. NOT_FOUND if the caller may not see it.
    rule_version_id: ID,
    /// Whether it goes live even if the account's guard objects to it; see setRuleGuard. This is audited.
    #[graphql(default)]
    confirm_variance: bool,
    /// Why, for the version's history and the audit log: at most 500 characters.
    reason: Option<String>,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// A rule to take back to the version before.
#[derive(InputObject)]
struct RollbackRuleInput {
    /// Id of the account whose rule it is. NOT_FOUND if it is out of scope.
    account_id: ID,
    /// Which of its rules.
    kind: RuleKind,
    /// Why, for the version's history and the audit log: at most 500 characters.
    reason: Option<String>,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// Declares the payloads of the steps; `previous` is in those that take another version's place.
macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident $({ $(#[$previous_doc:meta])* $previous:ident })?;)*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        struct $name {
            /// The version as it is now; null if refused.
            rule_version: Option<RuleVersion>,
            $($(#[$previous_doc])* $previous: Option<RuleVersion>,)?
            /// True if the same input with the same idempotency key had been answered before.
            replayed: bool,
            /// Why it was refused; empty if it was not.
            user_errors: Vec<UserError>,
        }

        impl From<Changed> for $name {
            fn from(changed: Changed) -> Self {
                Self {
                    rule_version: changed.rule_version,
                    $($previous: changed.$previous,)?
                    replayed: changed.replayed,
                    user_errors: changed.user_errors,
                }
            }
        }
    )*};
}

payloads! {
    /// What checking a rule came to.
    CheckRulePayload;
    /// What putting a rule in shadow came to.
    ShadowRulePayload {
        /// The version that was in shadow before; null if there was none, or if refused.
        previous
    };
    /// What activating a rule came to.
    ActivateRulePayload {
        /// The version that decided before; null if there was none, or if refused.
        previous
    };
    /// What taking a rule out of use came to.
    RetireRulePayload;
    /// What going back came to.
    RollbackRulePayload {
        /// The version that decided before, which is RETIRED now; null if refused.
        previous
    };
}
