//! `moveAccount`.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use canopy_domain::Result;
use canopy_domain::accounts::MoveAccount;

use super::{parse_id, parse_optional_id};
use crate::authorization::gates;
use crate::errors::refuse;
use crate::types::account_move::AccountMove;
use crate::types::tenant::Tenant;
use crate::types::user_error::UserError;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct MoveMutation;

#[Object]
impl MoveMutation {
    /// Moves a subaccount, with all below it, to another parent in its tree: an operator's act, which takes SUBACCOUNTS FULL
    /// at the root. Its own usage goes with it, and so do its members, keys, rules, restrictions and what it purchased;
    /// sums of the accounts that it leaves keep what was used below them. LIMIT_EXCEEDED if the new parent has no room for
    /// it or for what comes along; CONFLICT while credits are held for usage of it or of an account below, while its
    /// billing is being transferred, and if its plan, or one below, belongs to an account that it leaves.
    async fn move_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to move, and where to.")] input: MoveAccountInput,
    ) -> Option<Result<MoveAccountPayload>> {
        let payload = async {
            let caller = gates::MOVE_ACCOUNT.caller(ctx)?;
            let wanted = MoveAccount {
                id: parse_id(&input.id, "account")?,
                parent_id: parse_id(&input.parent_id, "account")?,
                plan_id: parse_optional_id(input.plan_id.as_ref(), "plan")?,
                dry_run: input.dry_run,
            };
            let key = input.idempotency_key.as_deref();
            let outcome = caller.domain().move_account(caller.actor(), wanted, key).await;
            let (moved, user_errors) = refuse(outcome)?;
            let replayed = moved.as_ref().is_some_and(|moved| moved.replayed);
            let (account, changes) = moved
                .map(|moved| (moved.value.account.into(), moved.value.changes.into()))
                .unzip();
            Ok(MoveAccountPayload {
                account,
                changes,
                replayed,
                user_errors,
            })
        };
        Some(payload.await)
    }
}

/// Where an account is to stand.
#[derive(InputObject)]
struct MoveAccountInput {
    /// Id of the subaccount. NOT_FOUND if it is out of scope.
    id: ID,
    /// Id of its new parent: a main account or a subaccount of the same tree and currency that is not below it.
    parent_id: ID,
    /// Id of its plan from then on. If not given it keeps its own, or follows its new parent if it followed its parent
    /// before.
    plan_id: Option<ID>,
    /// Only answer what the move would change.
    #[graphql(default)]
    dry_run: bool,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// What moving an account came to.
#[derive(SimpleObject)]
struct MoveAccountPayload {
    /// The account as it is now; null if refused.
    account: Option<Tenant>,
    /// What the move changed, or would change; null if refused.
    changes: Option<AccountMove>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}
