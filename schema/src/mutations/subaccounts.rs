//! `createSubaccount` and `updateSubaccount`.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use canopy_domain::Result;
use canopy_domain::accounts::{CreateSubaccount, UpdateSubaccount};

use super::{parse_id, parse_optional_id};
use crate::authorization::gates;
use crate::errors::refuse;
use crate::types::account_status::AccountStatus;
use crate::types::credit_mode::CreditMode;
use crate::types::subaccount::Subaccount;
use crate::types::tenant::Tenant;
use crate::types::user_error::UserError;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct SubaccountMutations;

#[Object]
impl SubaccountMutations {
    /// Makes a subaccount. Needs SUBACCOUNTS FULL at the parent. LIMIT_EXCEEDED if the limits rule of the
    /// parent's plan does not allow one more, or none at that depth. The starter credits of its plan are
    /// granted to it.
    async fn create_subaccount(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to make.")] input: CreateSubaccountInput,
    ) -> Option<Result<CreateSubaccountPayload>> {
        let payload = async {
            let caller = gates::CREATE_SUBACCOUNT.caller(ctx)?;
            let new = CreateSubaccount {
                parent_id: parse_id(&input.parent_id, "account")?,
                name: input.name,
                plan_id: parse_optional_id(input.plan_id.as_ref(), "plan")?,
                credit_mode: input.credit_mode.map(Into::into),
                external_ref: input.external_ref,
                time_zone: input.time_zone,
            };
            let key = input.idempotency_key.as_deref();
            let (made, user_errors) =
                refuse(caller.domain().create_subaccount(caller.actor(), new, key).await)?;
            let replayed = made.as_ref().is_some_and(|made| made.replayed);
            Ok(CreateSubaccountPayload {
                subaccount: made.map(|made| Subaccount::new(made.value)),
                replayed,
                user_errors,
            })
        };
        Some(payload.await)
    }

    /// Changes an account below another. Needs SUBACCOUNTS FULL at its parent, so nobody changes the account
    /// that they were granted access to. What is not given stays.
    async fn update_subaccount(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateSubaccountInput,
    ) -> Option<Result<UpdateSubaccountPayload>> {
        let payload = async {
            let caller = gates::UPDATE_SUBACCOUNT.caller(ctx)?;
            let change = UpdateSubaccount {
                id: parse_id(&input.id, "account")?,
                name: input.name,
                status: input.status.map(Into::into),
                plan_id: parse_optional_id(input.plan_id.as_ref(), "plan")?,
                credit_mode: input.credit_mode.map(Into::into),
                time_zone: input.time_zone,
            };
            let key = input.idempotency_key.as_deref();
            let outcome = caller
                .domain()
                .update_subaccount(caller.actor(), change, key)
                .await;
            let (changed, user_errors) = refuse(outcome)?;
            let replayed = changed.as_ref().is_some_and(|changed| changed.replayed);
            Ok(UpdateSubaccountPayload {
                subaccount: changed.map(|changed| changed.value.into()),
                replayed,
                user_errors,
            })
        };
        Some(payload.await)
    }
}

/// A subaccount to make.
#[derive(InputObject)]
struct CreateSubaccountInput {
    /// Id of the account above. NOT_FOUND if it is out of scope.
    parent_id: ID,
    /// The name that people see, 2 to 120 characters.
    name: String,
    /// Id of its plan. The parent's plan, now and as it changes, if not given.
    plan_id: Option<ID>,
    /// Which credits pay first; the plan must allow it. MANUAL if not given.
    credit_mode: Option<CreditMode>,
    /// The caller's own name for it, unique among its siblings, else CONFLICT.
    external_ref: Option<String>,
    /// Its time zone: a name of the IANA database, as in `Asia/Kolkata`. The parent's if not given.
    time_zone: Option<String>,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// What making a subaccount came to.
#[derive(SimpleObject)]
struct CreateSubaccountPayload {
    /// The new subaccount; null if refused.
    subaccount: Option<Subaccount>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}

/// Changes of an account below another.
#[derive(InputObject)]
struct UpdateSubaccountInput {
    /// Id of the account. NOT_FOUND if it is out of scope.
    id: ID,
    /// A new name, 2 to 120 characters.
    name: Option<String>,
    /// SUSPENDED and CLOSED hold for all below it, too; ACTIVE restores it.
    status: Option<AccountStatus>,
    /// Id of another plan. Accounts below that inherit theirs follow.
    plan_id: Option<ID>,
    /// Which credits pay first, from now on; the plan must allow it.
    credit_mode: Option<CreditMode>,
    /// Another time zone: a name of the IANA database, as in `Asia/Kolkata`. Accounts below keep theirs.
    time_zone: Option<String>,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// What changing an account came to.
#[derive(SimpleObject)]
struct UpdateSubaccountPayload {
    /// The account as it is now; null if refused.
    subaccount: Option<Tenant>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}
