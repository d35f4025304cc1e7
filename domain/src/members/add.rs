//! Adding people, and making them members.

use canopy_entity::account::AccountKind;
use canopy_entity::{Level, MemberId, PermissionKey, Role, UserId, member, time, user};
use canopy_rules_host::MemberPolicy;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter,
};
use serde_json::json;

use crate::auth::MAX_MEMBERSHIPS;
use crate::events::{RightsChange, outbox};
use crate::limits::{Counted, Recency, ResourceLimit};
use crate::permissions::Access;
use crate::transaction::{self, breaks_uniqueness, work};
use crate::{AccountView, Actor, Domain, Error, Result, accounts, audit};

/// The longest address and name of a person, in characters.
const MAX_TEXT: usize = 254;

impl Domain {
    /// Adds a person. For operators and the demo.
    pub async fn create_user(&self, email: &str, name: &str, password: Option<&str>) -> Result<user::Model> {
        let email = address(email)?;
        let name = name.trim();
        if !(1..=MAX_TEXT).contains(&name.chars().count()) {
            return Err(Error::bad_input(
                &["name"],
                format!("A name has 1 to {MAX_TEXT} characters."),
            ));
        }
        let password_hash = match password {
            None => None,
            Some(password) => Some(self.0.passwords.hash(password).await?),
        };
        let row = user::Model {
            id: UserId::new(),
            email,
            name: name.to_owned(),
            password_hash,
            token_version: 0,
            tokens_revoked_at: None,
            created_at: time::now(),
            last_sign_in_at: None,
        };
        let inserted = user::Entity::insert(row.clone().into_active_model())
            .exec_without_returning(&self.0.db)
            .await;
        match inserted {
            Ok(_) => Ok(row),
            Err(error) if breaks_uniqueness(&error) => Err(Error::conflict(
                &["email"],
                "There is a person with this address.",
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a person a member of an account, or changes the role. Needs `MEMBERS` FULL there, and nobody gives a
    /// role that may do more than they may themselves; the number of members is a limit.
    pub async fn add_member(
        &self,
        actor: &Actor,
        account: &AccountView,
        user: &UserId,
        role: Role,
    ) -> Result<member::Model> {
        let access = account.access();
        access.require(PermissionKey::Members, Level::Full)?;
        account.require_active(&["account"])?;
        require_within_own(access, role)?;
        let chains = self.evaluate_limits([account.path()], Recency::Fresh).await?;
        if account.row().kind == AccountKind::Subaccount
            && let Some(parent_id) = &account.row().parent_id
            && chains.policy_of(parent_id)?.members == MemberPolicy::Inherited
        {
            return Err(Error::conflict(
                &["account"],
                "The plan gives subaccounts no members of their own.",
            ));
        }
        let limit = &chains.limit_of(account, Counted::Members.name(), actor.scope())?;
        let rights = &RightsChange::Of(user.to_string());
        let row = transaction::run(&self.0.writer, "add-member", |txn| {
            work(async move {
                accounts::lock(txn, account.id()).await?;
                let row = upsert(txn, account, user, role, limit.as_ref()).await?;
                let entry = audit::Entry {
                    account_id: account.id(),
                    path: account.path(),
                    action: "member.set",
                    target: row.id.as_str(),
                    detail: json!({ "userId": user, "role": role }),
                };
                audit::write(txn, actor, entry).await?;
                outbox::write_rights_change(txn, account.id(), account.path(), rights).await?;
                Ok(row)
            })
        })
        .await?;
        self.0.hub.rights_changed(rights.clone());
        Ok(row)
    }
}

async fn upsert(
    txn: &impl ConnectionTrait,
    account: &AccountView,
    user_id: &UserId,
    role: Role,
    limit: Option<&ResourceLimit>,
) -> Result<member::Model> {
    let account_id = account.id();
    let person = user::Entity::find_by_id(user_id.clone()).one(txn).await?;
    person.ok_or(Error::NotFound("user"))?;
    let present = member::Entity::find()
        .filter(member::Column::AccountId.eq(account_id.clone()))
        .filter(member::Column::UserId.eq(user_id.clone()))
        .one(txn)
        .await?;
    if let Some(present) = present {
        require_within_own(account.access(), present.role)?;
        let mut row = present.into_active_model();
        row.role = Set(role);
        return Ok(row.update(txn).await?);
    }
    if let Some(limit) = limit {
        limit.require_room(Counted::Members.count(txn, account_id).await?)?;
    }
    let memberships = member::Entity::find()
        .filter(member::Column::UserId.eq(user_id.clone()))
        .count(txn)
        .await?;
    if memberships >= MAX_MEMBERSHIPS {
        return Err(Error::LimitExceeded {
            resource: "memberships".to_owned(),
            message: format!("A person may be a member of {MAX_MEMBERSHIPS} accounts."),
        });
    }
    let row = member::Model {
        id: MemberId::new(),
        account_id: account_id.clone(),
        user_id: user_id.clone(),
        role,
        created_at: time::now(),
    };
    member::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(txn)
        .await?;
    Ok(row)
}

/// `Error::Forbidden` if `role` may do more than the actor: such a role is neither given nor taken away.
fn require_within_own(access: &Access, role: Role) -> Result<()> {
    if PermissionKey::all().all(|key| access.granted(key).allows(role.level(key))) {
        return Ok(());
    }
    Err(Error::Forbidden(
        "A role that may do more than your own is not yours to give or to take away.".to_owned(),
    ))
}

/// The address in lower case; `Error::BadInput` at `email` if it cannot be one.
fn address(text: &str) -> Result<String> {
    let email = text.trim().to_lowercase();
    let plausible = email.len() <= MAX_TEXT
        && !email.contains(char::is_whitespace)
        && email
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if plausible {
        Ok(email)
    } else {
        Err(Error::bad_input(&["email"], "This is not an email address."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_in_lower_case() {
        assert_eq!(address(" Ada@Example.com ").unwrap(), "ada@example.com");
        for wrong in ["", "ada", "@example.com", "ada@", "a b@c", "a@b@c"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
