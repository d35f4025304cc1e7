//! `setPermissions`.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use canopy_domain::Result;
use canopy_domain::permissions::{PermissionChange, SetPermissions};

use super::parse_id;
use crate::authorization::gates;
use crate::errors::refuse;
use crate::types::permission_key::PermissionKey;
use crate::types::permission_level::PermissionLevel;
use crate::types::permission_set::PermissionSet;
use crate::types::tenant::Tenant;
use crate::types::user_error::UserError;

/// A part of `Mutation`.
#[derive(Default)]
pub(super) struct PermissionMutations;

#[Object]
impl PermissionMutations {
    /// Narrows or restores what may be done in a subaccount, for everyone whose access comes through it or
    /// from above. Needs MEMBERS FULL and SUBACCOUNTS FULL at its parent.
    async fn set_permissions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which levels to set.")] input: SetPermissionsInput,
    ) -> Option<Result<SetPermissionsPayload>> {
        let payload = async {
            let caller = gates::SET_PERMISSIONS.caller(ctx)?;
            let changes = input.permissions.into_iter().map(|change| PermissionChange {
                key: change.key.into(),
                level: change.level.into(),
            });
            let change = SetPermissions {
                account_id: parse_id(&input.account_id, "account")?,
                permissions: changes.collect(),
            };
            let key = input.idempotency_key.as_deref();
            let (set, user_errors) =
                refuse(caller.domain().set_permissions(caller.actor(), change, key).await)?;
            let replayed = set.as_ref().is_some_and(|set| set.replayed);
            let account = set.map(|set| set.value);
            Ok(SetPermissionsPayload {
                permission_set: account.clone().map(PermissionSet::new),
                account: account.map(Tenant::from),
                replayed,
                user_errors,
            })
        };
        Some(payload.await)
    }
}

/// Levels to set on a subaccount.
#[derive(InputObject)]
struct SetPermissionsInput {
    /// Id of the subaccount. NOT_FOUND if it is out of scope.
    account_id: ID,
    /// The new levels. A key may be named once; keys that are not named keep their level.
    permissions: Vec<PermissionInput>,
    /// Makes it safe to send the mutation again.
    idempotency_key: Option<String>,
}

/// A level for a key.
#[derive(InputObject)]
pub(super) struct PermissionInput {
    /// The key.
    pub(super) key: PermissionKey,
    /// The level: one that the key allows, else BAD_USER_INPUT. In `setPermissions` it is the highest level left, and
    /// the key's highest level lifts the restriction.
    pub(super) level: PermissionLevel,
}

/// What setting permissions came to.
#[derive(SimpleObject)]
struct SetPermissionsPayload {
    /// What the caller may do in the subaccount now; null if refused.
    permission_set: Option<PermissionSet>,
    /// The subaccount; null if refused.
    account: Option<Tenant>,
    /// True if the same input with the same idempotency key had been answered before.
    replayed: bool,
    /// Why it was refused; empty if it was not.
    user_errors: Vec<UserError>,
}
